/* Programs that watch the node over the local socket: each hears what is so, then what changes. */
#ifndef CYPHONIC_NODE_MAIN_WATCHERS_H
#define CYPHONIC_NODE_MAIN_WATCHERS_H

#include "node/main/ipc_server.h"
#include "node/node.h"

struct watchers;

/* NULL without memory. */
struct watchers *watchers_new(void);
/* Calls that last end; the node, which may be gone, is not called. */
void watchers_free(struct watchers *watchers);

/* Takes over the call. */
void watchers_add(struct watchers *watchers, struct node *node, struct ipc_call *call);

#endif

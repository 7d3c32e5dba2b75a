/* The node's verbs as the local socket offers them: from a request to the node and back to JSON. */
#ifndef CYPHONIC_NODE_MAIN_NODE_COMMANDS_H
#define CYPHONIC_NODE_MAIN_NODE_COMMANDS_H

#include "node/main/ipc_server.h"
#include "node/main/watchers.h"
#include "node/node.h"

void node_commands_run(struct ipc_call *call, const struct ipc_request *request, struct node *node,
                       struct watchers *watchers);

#endif

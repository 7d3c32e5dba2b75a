/* `cyphonic ping`: a path to the peer, then one echo over the tunnel's control stream, which works
 * whatever the peer's firewall does with ICMP. */
#ifndef CYPHONIC_NODE_PING_H
#define CYPHONIC_NODE_PING_H

#include "node/names.h"

/* As node_ping. The peers must be there. */
void ping_start(struct names *names, const char *text, node_ping_callback callback, void *context);

#endif

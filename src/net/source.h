/* The address from which the kernel sends to a remote: it follows the routes, and tells whether a
 * change of the host's network concerns a connection at all. */
#ifndef CYPHONIC_NET_SOURCE_H
#define CYPHONIC_NET_SOURCE_H

#include "base/address.h"

/* By any interface, or by the one of that index if it is not 0. Family 0 if there is no route, or
 * the host is out of sockets. Sends nothing. */
struct ip_address source_towards(const struct address *remote, unsigned interface);

#endif

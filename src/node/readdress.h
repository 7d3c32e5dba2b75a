/* The client's end of a connection follows the host's addresses (RFC 9000 section 9.2). */
#ifndef CYPHONIC_NODE_READDRESS_H
#define CYPHONIC_NODE_READDRESS_H

#include "node/host_addresses.h"
#include "quic/quic.h"

enum readdress {
  READDRESS_NONE,   /* the change does not concern this connection */
  READDRESS_MOVED,  /* what it used is gone: it goes on from another address; say something on it */
  READDRESS_TRYING, /* there is a better address; `migrated` tells whether the peer answers there */
};

/* The addresses or routes of the host changed. *source, from which the kernel would send to the
 * peer, is kept up to date; unset at first. `hold`: as long as what the connection uses still
 * works, it goes on by that until the better one has proved itself, and is tried again at the next
 * change if it did not: a network that swallows UDP, say. */
enum readdress readdress_client(struct quic_connection *connection, struct ip_address *source,
                                const struct host_addresses *addresses, bool hold);

#endif

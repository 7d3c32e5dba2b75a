/* The client's end of a connection follows the host's addresses (RFC 9000 section 9.2). */
#ifndef CYPHONIC_NODE_READDRESS_H
#define CYPHONIC_NODE_READDRESS_H

#include "node/host_addresses.h"
#include "quic/quic.h"

/* The addresses or routes of the host changed. If packets of the connection would leave from
 * another of its addresses than *source, which is kept up to date, the connection moves, and the
 * caller is to say something on it. Whether it moved. */
bool readdress_client(struct quic_connection *connection, struct ip_address *source,
                      const struct host_addresses *addresses);

#endif

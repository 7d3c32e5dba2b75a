/* Explicit congestion notification (RFC 3168) in the packets of the tunnel's users: a queue that is
 * too long tells so by a mark instead of a loss, where the sender understands marks. Pure. */
#ifndef CYPHONIC_TUNNEL_ECN_H
#define CYPHONIC_TUNNEL_ECN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the IP packet says "congestion experienced" now; false: its sender would not understand,
 * and nothing is changed. IPv4's header checksum follows. */
bool ecn_mark(uint8_t *packet, size_t size);

#endif

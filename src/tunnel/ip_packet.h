/* The little of an IP packet that the tunnel needs: where from, where to, how long. Pure. */
#ifndef CYPHONIC_TUNNEL_IP_PACKET_H
#define CYPHONIC_TUNNEL_IP_PACKET_H

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"

struct ip_packet {
  struct ip_address source, destination;
  uint8_t protocol;   /* of the first header behind IPv4's or IPv6's own */
  size_t header_size; /* IPv4 with options, or 40 */
  uint8_t hop_limit;
};

/* ERROR_INVALID: not IPv4 or IPv6, shorter than its header, or a length field other than the
 * span's. */
int ip_packet_parse(struct span data, struct ip_packet *packet) MUST_CHECK;

enum { IP_MINIMUM_MTU = 1280, ICMP_PACKET_MAX = 1280 };

/* Builds the ICMP "fragmentation needed" (RFC 792, 1191) or ICMPv6 "packet too big" (RFC 4443) for
 * a packet that its sender must send smaller. `from` is the address that complains (of the packet's
 * family). Returns its size, or 0 when none may be sent: IPv4 without DF (`data` should have been
 * fragmented then), an answer to an ICMP error, to a multicast, to a non-first fragment. */
size_t icmp_packet_too_big(struct span data, const struct ip_address *from, uint32_t mtu,
                           uint8_t reply[static ICMP_PACKET_MAX]);
/* Destination unreachable, code "administratively prohibited"/"host unreachable": for packets to a
 * peer that cannot be reached. Same returns. */
size_t icmp_unreachable(struct span data, const struct ip_address *from,
                        uint8_t reply[static ICMP_PACKET_MAX]);

#endif

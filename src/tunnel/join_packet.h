/* What joining has to know of a packet that came: what it is of, where its payload lies, whether it
 * is whole. Pure. */
#ifndef CYPHONIC_TUNNEL_JOIN_PACKET_H
#define CYPHONIC_TUNNEL_JOIN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* How far a packet is understood, and so whom it must not overtake. */
enum join_kind {
  JOIN_KIND_OTHER,      /* nothing of it is ever joined: it overtakes nobody */
  JOIN_KIND_HOSTS_ONLY, /* of a flow that cannot be told: nothing between the same hosts */
  JOIN_KIND_FLOW,       /* of a known flow, but not to be joined */
  JOIN_KIND_JOINABLE,
};

struct join_packet {
  struct span data;
  bool ipv4, udp;
  size_t transport, header_size; /* offsets of the transport's header and of the payload */
  size_t payload;
  uint32_t sequence;
  uint16_t flags;          /* TCP's, with the data offset */
  bool left_out;           /* its checksum is CHECKSUM_LEFT_OUT */
  uint16_t identification; /* IPv4's */
};

/* `with_udp`: whether datagrams are to be joined; otherwise they are JOIN_KIND_OTHER. */
enum join_kind join_packet_parse(struct span data, bool with_udp, struct join_packet *packet);

/* Of JOIN_KIND_JOINABLE: whether the checksums of IP and of the transport are right, or the latter
 * was left out. */
bool join_packet_checksums_hold(const struct join_packet *packet);
/* Of one of a known flow: the sum of its pseudo-header with a transport of `size` bytes, header and
 * payload. */
uint64_t join_packet_pseudo_header(const struct join_packet *packet, size_t size);

#endif

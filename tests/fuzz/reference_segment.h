/* Cutting a super-packet the slow and obvious way, to compare with what src/tunnel/segment.c does:
 * every packet is built whole from the super-packet, field by field, and summed byte by byte. */
#ifndef CYPHONIC_FUZZ_REFERENCE_SEGMENT_H
#define CYPHONIC_FUZZ_REFERENCE_SEGMENT_H

#include "net/tun.h"

enum { REFERENCE_PIECES_MAX = 2048, REFERENCE_BYTES = 65575 + 256 * REFERENCE_PIECES_MAX };

struct reference_packets {
  size_t count, size;
  struct span packets[REFERENCE_PIECES_MAX]; /* into `bytes` */
  uint8_t bytes[REFERENCE_BYTES];
};

/* 0, ERROR_INVALID or ERROR_LIMIT, as segment_begin. */
int reference_cut(struct span packet, const struct tun_offload *offload, size_t packet_max,
                  struct reference_packets *out);

/* Of TCP or UDP behind plain headers, with IPv4's own. */
bool reference_checksums_hold(struct span packet);
/* Whether its checksum's field holds the pseudo-header's sum, and IPv4's own checksum is right. */
bool reference_checksum_is_partial(struct span packet);
/* The same of the transport's alone. */
bool reference_transport_is_partial(struct span packet);
/* Between nodes TCP's may be left out. */
bool reference_checksum_is_left_out(struct span packet);
/* Writes right checksums into a packet of TCP or UDP that is whole; leaves others alone. */
void reference_write_checksums(uint8_t *packet, size_t size);

/* What order a packet has to keep. */
enum reference_order {
  REFERENCE_ORDER_NONE,
  REFERENCE_ORDER_HOSTS, /* with all between its hosts that may be its protocol's */
  REFERENCE_ORDER_FLOW,  /* with those of its ports */
};
enum reference_order reference_order(struct span packet);
/* And maybe the same protocol. */
bool reference_same_hosts(struct span a, struct span b);
/* For two packets with REFERENCE_ORDER_FLOW. */
bool reference_same_flow(struct span a, struct span b);
/* Whether the two say the same but for checksums, and for IPv4's identification where it means
 * nothing. */
bool reference_same_meaning(struct span a, struct span b);

void reference_put_u16(uint8_t *at, size_t value);
size_t reference_get_u16(const uint8_t *at);

#endif

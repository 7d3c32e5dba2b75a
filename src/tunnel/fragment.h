/* The tunnel header (design 3): none for a whole IP packet, whose first nibble says what it is; a
 * packet that does not fit one datagram travels in fragments:
 *
 *   byte 0      0x10 | last << 0       first nibble 1: fragment; bit 0: the last one; others zero
 *   byte 1      number of the fragment, from 0
 *   bytes 2-3   packet number, big-endian, of the sender's count of fragmented packets
 *   bytes 4-    bytes of the packet
 *
 * All fragments but the last carry the same number of bytes. Any other first nibble is an error.
 * Pure. */
#ifndef CYPHONIC_TUNNEL_FRAGMENT_H
#define CYPHONIC_TUNNEL_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

enum {
  FRAGMENT_HEADER_SIZE = 4,
  FRAGMENTS_MAX = 8,          /* of one packet */
  FRAGMENT_PACKET_MAX = 9216, /* bytes of a reassembled packet */
  REASSEMBLY_SLOTS = 16,      /* packets being reassembled per tunnel; the oldest gives way */
};
#define REASSEMBLY_TIMEOUT (UINT64_C(1000000000)) /* nanoseconds */

enum tunnel_frame { TUNNEL_FRAME_PACKET, TUNNEL_FRAME_FRAGMENT };

struct fragment {
  uint8_t number;
  bool last;
  uint16_t packet;
  struct span data;
};

/* What a datagram is; ERROR_INVALID for an empty one or a nibble that is not ours. */
int tunnel_frame_parse(struct span datagram, enum tunnel_frame *frame,
                       struct fragment *fragment) MUST_CHECK;

/* How `packet_size` is cut for datagrams of `room` bytes: *count fragments of *each bytes but the
 * last, as equal as can be. ERROR_LIMIT beyond FRAGMENTS_MAX. */
int fragment_plan(size_t packet_size, size_t room, size_t *count, size_t *each) MUST_CHECK;
void fragment_header_write(uint8_t header[static FRAGMENT_HEADER_SIZE], uint16_t packet,
                           uint8_t number, bool last);

struct reassembly;
struct reassembly *reassembly_new(void); /* NULL without memory; slots are taken when first used */
void reassembly_free(struct reassembly *reassembly);
/* Returns 1 with the whole packet (valid until the next call), 0 when more is to come,
 * ERROR_INVALID for a fragment that contradicts those before it (its packet is dropped). `now` in
 * ns. */
int reassembly_add(struct reassembly *reassembly, const struct fragment *fragment, uint64_t now,
                   struct span *packet) MUST_CHECK;

#endif

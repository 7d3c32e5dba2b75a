/* The Internet checksum (RFC 1071): of what segmentation offload leaves to us, and of ICMP. Pure.
 *
 * A sum is kept unfolded in 64 bits and in the machine's byte order, which RFC 1071 section 2 (B)
 * allows: bytes of any number are added at once, and only the result is turned round. It has room
 * for far more than the packets that exist. */
#ifndef CYPHONIC_TUNNEL_CHECKSUM_H
#define CYPHONIC_TUNNEL_CHECKSUM_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Where TCP's checksum should be: it was left out, as the sender's kernel left it to us, and the
 * tunnel protects the segment better than it would (docs/protocol.md). No sum comes to this, since
 * none of a pseudo-header is zero. */
enum { CHECKSUM_LEFT_OUT = 0xffff };

/* Adds bytes that begin at an even place of what is summed. An odd one at the end counts as if a
 * zero followed, so that it must be the last of all. */
uint64_t checksum_add(uint64_t sum, struct span data);

/* A field's value, given in host byte order. */
static inline uint64_t checksum_add_u16(uint64_t sum, uint16_t value) {
  return sum + htons(value);
}

static inline uint64_t checksum_add_u32(uint64_t sum, uint32_t value) {
  return sum + htonl(value);
}

/* The pseudo-header of IPv4 (RFC 9293 section 3.1) and IPv6 (RFC 8200 section 8.1): `addresses` are
 * source and destination as they stand in the header, `size` is that of the transport's header and
 * payload. */
static inline uint64_t checksum_pseudo_header(struct span addresses, uint8_t protocol,
                                              uint32_t size) {
  return checksum_add_u32(checksum_add_u16(checksum_add(0, addresses), protocol), size);
}

/* The sum in 16 bits, in host byte order: 0xffff (never 0, unless all that was added is 0) over
 * data that bears its right checksum. */
uint16_t checksum_fold(uint64_t sum);

/* What goes into the header, in host byte order. */
static inline uint16_t checksum_finish(uint64_t sum) {
  return (uint16_t)~checksum_fold(sum);
}

#endif

/* Where the fields of IP, TCP and UDP headers lie (RFC 791, 8200, 9293, 768), for the code of this
 * folder that goes through every packet: offsets in bytes, sizes, flags. Lengths are the caller's
 * to check before. */
#ifndef CYPHONIC_TUNNEL_HEADER_LAYOUT_H
#define CYPHONIC_TUNNEL_HEADER_LAYOUT_H

#include <stdint.h>

#include "base/span.h"

enum {
  IPV4_HEADER = 20, /* without options */
  IPV4_TOTAL_LENGTH = 2,
  IPV4_IDENTIFICATION = 4,
  IPV4_FRAGMENT = 6,
  IPV4_TTL = 8,
  IPV4_PROTOCOL = 9,
  IPV4_CHECKSUM = 10,
  IPV4_ADDRESSES = 12,
  IPV4_DONT_FRAGMENT = 0x4000,
  IPV4_FRAGMENT_MASK = 0x3fff, /* more fragments, offset: all but DF and the reserved bit */

  IPV6_HEADER = 40,
  IPV6_PAYLOAD_LENGTH = 4,
  IPV6_NEXT_HEADER = 6,
  IPV6_HOP_LIMIT = 7,
  IPV6_ADDRESSES = 8,

  PORTS_SIZE = 4, /* at the front of both transports' headers */

  TCP_HEADER = 20, /* without options */
  TCP_HEADER_MAX = 60,
  TCP_TIMESTAMPS = 12, /* the options of nearly every segment, RFC 7323 appendix A */
  TCP_SEQUENCE = 4,
  TCP_ACKNOWLEDGEMENT = 8,
  TCP_FLAGS = 12, /* data offset and flags, sixteen bits */
  TCP_WINDOW = 14,
  TCP_CHECKSUM = 16,
  TCP_URGENT = 18,
  TCP_FIN = 0x01,
  TCP_SYN = 0x02,
  TCP_RST = 0x04,
  TCP_PSH = 0x08,
  TCP_URG = 0x20,
  TCP_CWR = 0x80,

  UDP_HEADER = 8,
  UDP_LENGTH = 4,
  UDP_CHECKSUM = 6,
};

static inline uint16_t get_u16(const uint8_t *at) {
  return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get_u32(const uint8_t *at) {
  return (uint32_t)get_u16(at) << 16 | get_u16(at + 2);
}

static inline void put_u16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static inline void put_u32(uint8_t *at, uint32_t value) {
  put_u16(at, (uint16_t)(value >> 16));
  put_u16(at + 2, (uint16_t)value);
}

static inline struct span part(struct span whole, size_t offset, size_t size) {
  return (struct span){.data = whole.data + offset, .size = size};
}

#endif

/* TCP segments and UDP datagrams for the tests of cutting and joining, with right checksums that
 * are made another way than the code's. */
#ifndef CYPHONIC_TEST_TUNNEL_SEGMENTS_H
#define CYPHONIC_TEST_TUNNEL_SEGMENTS_H

#include "base/span.h"

enum {
  SEGMENT_SIZE_MAX = 65575,
  FIN = 0x01,
  SYN = 0x02,
  RST = 0x04,
  PSH = 0x08,
  ACK = 0x10,
  URG = 0x20,
  ECE = 0x40,
  CWR = 0x80,
};

/* Plain data; zero is a sensible value of all but `payload`. */
struct test_segment {
  bool ipv6, udp;
  uint8_t host; /* the last byte of the source address */
  uint16_t port;
  uint8_t class_of_traffic, hop_limit; /* the latter 0: 64 */
  uint16_t identification;
  bool may_be_fragmented; /* IPv4 without DF */
  size_t extension;       /* bytes of IPv6 destination options, 0 or 8 */
  uint32_t sequence, acknowledgement;
  uint8_t flags;
  uint16_t window;
  uint32_t timestamp; /* 0: no options; else twelve bytes of them */
  size_t payload;     /* bytes */
  size_t offset;      /* of the payload in the stream, whose bytes the test's pattern gives */
  bool partial;       /* the checksum's field holds the pseudo-header's sum, as from the kernel */
  bool left_out;      /* it says that the checksum was left out, as between nodes */
};

struct span test_segment_write(uint8_t data[static SEGMENT_SIZE_MAX],
                               const struct test_segment *segment);
/* Size of the headers of such a packet; offset of TCP or UDP in it. */
size_t test_segment_headers(const struct test_segment *segment);
size_t test_segment_transport(const struct test_segment *segment);

#endif

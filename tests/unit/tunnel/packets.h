/* Inner packets for the tunnel's tests, and an Internet checksum of their own (RFC 1071, written in
 * another way than the code's). */
#ifndef CYPHONIC_TEST_TUNNEL_PACKETS_H
#define CYPHONIC_TEST_TUNNEL_PACKETS_H

#include "base/address.h"
#include "base/span.h"

enum {
  PACKET_SIZE_MAX = 16384,
  PROTOCOL_UDP = 17,
  FLAG_DONT_FRAGMENT = 0x4000,
  FLAG_MORE_FRAGMENTS = 0x2000,
};

struct ip_address test_ip(const char *text);

/* A packet of `size` bytes in all, whose payload is a pattern that `seed` varies. */
struct span test_ipv4(uint8_t data[static PACKET_SIZE_MAX], const char *source,
                      const char *destination, uint8_t protocol, uint16_t flags_and_offset,
                      size_t size, uint8_t seed);
struct span test_ipv6(uint8_t data[static PACKET_SIZE_MAX], const char *source,
                      const char *destination, uint8_t protocol, size_t size, uint8_t seed);

/* True if the ICMP or ICMPv6 packet's checksums (and its IPv4 header's) hold. */
bool test_icmp_checksums_hold(struct span packet);

#endif

/* The two ICMP errors that a tunnel owes to whoever sends through it. */
#include <netinet/in.h>
#include <string.h>

#include "tunnel/checksum.h"
#include "tunnel/header_layout.h"
#include "tunnel/ip_packet.h"

enum {
  ICMP_HEADER = 8,
  ICMP_CHECKSUM = 2,
  ICMP_HOP_LIMIT = 64,
  ICMPV4_PACKET_MAX = 576,  /* RFC 1812 section 4.3.2.3 */
  ICMPV4_PRECEDENCE = 0xc0, /* internetwork control: RFC 1812 section 4.3.2.5 */

  IPV4_OFFSET_MASK = 0x1fff,

  ICMPV4_UNREACHABLE = 3,
  ICMPV4_UNREACHABLE_HOST = 1,
  ICMPV4_FRAGMENTATION_NEEDED = 4,
  ICMPV4_SOURCE_QUENCH = 4,
  ICMPV4_REDIRECT = 5,
  ICMPV4_TIME_EXCEEDED = 11,
  ICMPV4_PARAMETER_PROBLEM = 12,

  ICMPV6_UNREACHABLE = 1,
  ICMPV6_UNREACHABLE_ADDRESS = 3,
  ICMPV6_PACKET_TOO_BIG = 2,
  ICMPV6_INFORMATIONAL = 128, /* types below are errors */
  ICMPV6_REDIRECT = 137,

  IPV6_EXTENSIONS_MAX = 8, /* a longer chain is nobody's honest packet */
  IPV6_MOBILITY = 135,     /* RFC 6275, RFC 7401, RFC 5533: laid out as other extension headers */
  IPV6_HOST_IDENTITY = 139,
  IPV6_SHIM6 = 140,
};

struct complaint {
  uint8_t type, code;
  uint32_t rest; /* of the ICMP header, behind the checksum */
};

/* --- whether one may be sent --- */

static bool is_broadcast(const struct ip_address *address) {
  static const uint8_t ones[4] = {255, 255, 255, 255};
  return address->family == 4 && memcmp(address->bytes, ones, sizeof(ones)) == 0;
}

static bool is_unspecified(const struct ip_address *address) {
  static const uint8_t zeros[sizeof(address->bytes)];
  return memcmp(address->bytes, zeros, sizeof(zeros)) == 0;
}

static bool is_single_host(const struct ip_address *address) {
  return !is_unspecified(address) && !ip_address_is_multicast(address) && !is_broadcast(address);
}

/* RFC 1122 section 3.2.2. */
static bool ipv4_is_icmp_error(uint8_t type) {
  return type == ICMPV4_UNREACHABLE || type == ICMPV4_SOURCE_QUENCH || type == ICMPV4_REDIRECT ||
         type == ICMPV4_TIME_EXCEEDED || type == ICMPV4_PARAMETER_PROBLEM;
}

static uint16_t ipv4_flags_and_offset(struct span data) {
  struct reader reader = reader_init(data.data, data.size);
  (void)reader_bytes(&reader, 6);
  return reader_u16(&reader);
}

static bool ipv4_may_complain(struct span data, const struct ip_packet *packet) {
  if ((ipv4_flags_and_offset(data) & IPV4_OFFSET_MASK) != 0) {
    return false;
  }
  if (packet->protocol != IPPROTO_ICMP) {
    return true;
  }
  struct reader reader = reader_init(data.data, data.size);
  (void)reader_bytes(&reader, packet->header_size);
  uint8_t type = reader_u8(&reader);
  return !reader.failed && !ipv4_is_icmp_error(type);
}

/* RFC 4443 section 2.4 (e). Walks the extension headers, since an error behind them is one too; a
 * chain that does not end where it should gets no answer. */
static bool ipv6_may_complain(struct span data, const struct ip_packet *packet) {
  struct reader reader = reader_init(data.data, data.size);
  (void)reader_bytes(&reader, packet->header_size);
  uint8_t protocol = packet->protocol;
  for (int count = 0; count <= IPV6_EXTENSIONS_MAX; count++) {
    uint8_t type, length;
    uint16_t offset;
    switch (protocol) {
    case IPPROTO_ICMPV6:
      type = reader_u8(&reader);
      return !reader.failed && type >= ICMPV6_INFORMATIONAL && type != ICMPV6_REDIRECT;
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPV6_MOBILITY:
    case IPV6_HOST_IDENTITY:
    case IPV6_SHIM6:
      protocol = reader_u8(&reader);
      length = reader_u8(&reader);
      (void)reader_bytes(&reader, 8 * (size_t)length + 6);
      break;
    case IPPROTO_AH: /* counts in units of four bytes: RFC 4302 section 2.2 */
      protocol = reader_u8(&reader);
      length = reader_u8(&reader);
      (void)reader_bytes(&reader, 4 * (size_t)length + 6);
      break;
    case IPPROTO_FRAGMENT:
      protocol = reader_u8(&reader);
      (void)reader_u8(&reader);
      offset = reader_u16(&reader);
      (void)reader_u32(&reader);
      if (offset >> 3 != 0) {
        return false;
      }
      break;
    default:
      return true;
    }
    if (reader.failed) {
      return false;
    }
  }
  return false;
}

static bool may_complain(struct span data, const struct ip_packet *packet,
                         const struct ip_address *from) {
  if (packet->source.family != from->family || !is_single_host(&packet->source) ||
      !is_single_host(&packet->destination)) {
    return false;
  }
  return from->family == 4 ? ipv4_may_complain(data, packet) : ipv6_may_complain(data, packet);
}

/* --- building it --- */

static void write_icmp(struct writer *writer, const struct complaint *complaint,
                       struct span quote) {
  writer_u8(writer, complaint->type);
  writer_u8(writer, complaint->code);
  writer_u16(writer, 0);
  writer_u32(writer, complaint->rest);
  writer_bytes(writer, quote.data, quote.size);
}

static size_t build_ipv4(struct span data, const struct ip_packet *packet,
                         const struct ip_address *from, const struct complaint *complaint,
                         uint8_t *reply) {
  size_t room = ICMPV4_PACKET_MAX - IPV4_HEADER - ICMP_HEADER;
  struct span quote = {.data = data.data, .size = data.size < room ? data.size : room};
  size_t size = IPV4_HEADER + ICMP_HEADER + quote.size;
  struct writer writer = writer_init(reply, size);
  writer_u8(&writer, 0x45);
  writer_u8(&writer, ICMPV4_PRECEDENCE);
  writer_u16(&writer, (uint16_t)size);
  writer_u16(&writer, 0); /* no identification is needed with DF: RFC 6864 section 4.1 */
  writer_u16(&writer, IPV4_DONT_FRAGMENT);
  writer_u8(&writer, ICMP_HOP_LIMIT);
  writer_u8(&writer, IPPROTO_ICMP);
  writer_u16(&writer, 0);
  writer_bytes(&writer, from->bytes, 4);
  writer_bytes(&writer, packet->source.bytes, 4);
  write_icmp(&writer, complaint, quote);
  struct span whole = {.data = reply, .size = size};
  uint64_t header = checksum_add(0, part(whole, 0, IPV4_HEADER));
  uint64_t message = checksum_add(0, part(whole, IPV4_HEADER, size - IPV4_HEADER));
  put_u16(reply + IPV4_CHECKSUM, checksum_finish(header));
  put_u16(reply + IPV4_HEADER + ICMP_CHECKSUM, checksum_finish(message));
  return size;
}

static size_t build_ipv6(struct span data, const struct ip_packet *packet,
                         const struct ip_address *from, const struct complaint *complaint,
                         uint8_t *reply) {
  size_t room = ICMP_PACKET_MAX - IPV6_HEADER - ICMP_HEADER;
  struct span quote = {.data = data.data, .size = data.size < room ? data.size : room};
  size_t payload = ICMP_HEADER + quote.size;
  struct writer writer = writer_init(reply, IPV6_HEADER + payload);
  writer_u32(&writer, UINT32_C(6) << 28);
  writer_u16(&writer, (uint16_t)payload);
  writer_u8(&writer, IPPROTO_ICMPV6);
  writer_u8(&writer, ICMP_HOP_LIMIT);
  writer_bytes(&writer, from->bytes, 16);
  writer_bytes(&writer, packet->source.bytes, 16);
  write_icmp(&writer, complaint, quote);
  struct span whole = {.data = reply, .size = IPV6_HEADER + payload};
  uint64_t sum =
      checksum_pseudo_header(part(whole, IPV6_ADDRESSES, 32), IPPROTO_ICMPV6, (uint32_t)payload);
  sum = checksum_add(sum, part(whole, IPV6_HEADER, payload));
  put_u16(reply + IPV6_HEADER + ICMP_CHECKSUM, checksum_finish(sum));
  return IPV6_HEADER + payload;
}

size_t icmp_packet_too_big(struct span data, const struct ip_address *from, uint32_t mtu,
                           uint8_t reply[static ICMP_PACKET_MAX]) {
  struct ip_packet packet;
  if (ip_packet_parse(data, &packet) != 0 || !may_complain(data, &packet, from)) {
    return 0;
  }
  if (from->family == 6) {
    const struct complaint complaint = {.type = ICMPV6_PACKET_TOO_BIG, .rest = mtu};
    return build_ipv6(data, &packet, from, &complaint, reply);
  }
  if ((ipv4_flags_and_offset(data) & IPV4_DONT_FRAGMENT) == 0) {
    return 0;
  }
  const struct complaint complaint = {.type = ICMPV4_UNREACHABLE,
                                      .code = ICMPV4_FRAGMENTATION_NEEDED,
                                      .rest = mtu < UINT16_MAX ? mtu : UINT16_MAX};
  return build_ipv4(data, &packet, from, &complaint, reply);
}

size_t icmp_unreachable(struct span data, const struct ip_address *from,
                        uint8_t reply[static ICMP_PACKET_MAX]) {
  struct ip_packet packet;
  if (ip_packet_parse(data, &packet) != 0 || !may_complain(data, &packet, from)) {
    return 0;
  }
  if (from->family == 6) {
    const struct complaint complaint = {.type = ICMPV6_UNREACHABLE,
                                        .code = ICMPV6_UNREACHABLE_ADDRESS};
    return build_ipv6(data, &packet, from, &complaint, reply);
  }
  const struct complaint complaint = {.type = ICMPV4_UNREACHABLE, .code = ICMPV4_UNREACHABLE_HOST};
  return build_ipv4(data, &packet, from, &complaint, reply);
}

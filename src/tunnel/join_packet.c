#include "tunnel/join_packet.h"

#include <netinet/in.h>

#include "tunnel/checksum.h"
#include "tunnel/header_layout.h"

static enum join_kind parse_tcp(struct join_packet *packet) {
  const uint8_t *tcp = packet->data.data + packet->transport;
  size_t size = packet->data.size - packet->transport;
  if (size < TCP_HEADER) {
    return size < PORTS_SIZE ? JOIN_KIND_HOSTS_ONLY : JOIN_KIND_FLOW;
  }
  packet->flags = get_u16(tcp + TCP_FLAGS);
  packet->sequence = get_u32(tcp + TCP_SEQUENCE);
  size_t header = 4 * (size_t)(packet->flags >> 12);
  if (header < TCP_HEADER || header >= size ||
      (packet->flags & (TCP_SYN | TCP_RST | TCP_URG)) != 0) {
    return JOIN_KIND_FLOW; /* an acknowledgement without data among them */
  }
  packet->header_size = packet->transport + header;
  packet->payload = size - header;
  packet->left_out = get_u16(tcp + TCP_CHECKSUM) == CHECKSUM_LEFT_OUT;
  return JOIN_KIND_JOINABLE;
}

/* Cut again, datagrams would come out with right lengths and a checksum: one that says "none" must
 * stay alone. */
static enum join_kind parse_udp(struct join_packet *packet) {
  const uint8_t *udp = packet->data.data + packet->transport;
  size_t size = packet->data.size - packet->transport;
  if (size < UDP_HEADER) {
    return size < PORTS_SIZE ? JOIN_KIND_HOSTS_ONLY : JOIN_KIND_FLOW;
  }
  if (size == UDP_HEADER || get_u16(udp + UDP_LENGTH) != size || get_u16(udp + UDP_CHECKSUM) == 0) {
    return JOIN_KIND_FLOW;
  }
  packet->header_size = packet->transport + UDP_HEADER;
  packet->payload = size - UDP_HEADER;
  return JOIN_KIND_JOINABLE;
}

static enum join_kind parse_transport(struct join_packet *packet, uint8_t protocol) {
  packet->udp = protocol == IPPROTO_UDP;
  return packet->udp ? parse_udp(packet) : parse_tcp(packet);
}

static bool protocol_is_ours(bool with_udp, uint8_t protocol) {
  return protocol == IPPROTO_TCP || (protocol == IPPROTO_UDP && with_udp);
}

static enum join_kind parse_ipv4(bool with_udp, struct join_packet *packet) {
  const uint8_t *ip = packet->data.data;
  packet->ipv4 = true;
  if (packet->data.size < IPV4_HEADER || get_u16(ip + IPV4_TOTAL_LENGTH) != packet->data.size ||
      !protocol_is_ours(with_udp, ip[IPV4_PROTOCOL])) {
    return JOIN_KIND_OTHER;
  }
  /* Options, fragments: the kernel does not join these either. */
  if (ip[0] != 0x45 || (get_u16(ip + IPV4_FRAGMENT) & ~IPV4_DONT_FRAGMENT) != 0) {
    return JOIN_KIND_HOSTS_ONLY;
  }
  packet->identification = get_u16(ip + IPV4_IDENTIFICATION);
  packet->transport = IPV4_HEADER;
  return parse_transport(packet, ip[IPV4_PROTOCOL]);
}

/* Whatever header comes first, TCP or UDP may stand behind it, unless it is known to be another
 * protocol's. */
static bool may_hide_a_transport(uint8_t next_header) {
  switch (next_header) {
  case IPPROTO_ICMPV6:
  case IPPROTO_UDP: /* not ours, or it would not be asked for */
  case IPPROTO_NONE:
    return false;
  default:
    return true;
  }
}

static enum join_kind parse_ipv6(bool with_udp, struct join_packet *packet) {
  const uint8_t *ip = packet->data.data;
  if (packet->data.size < IPV6_HEADER ||
      get_u16(ip + IPV6_PAYLOAD_LENGTH) != packet->data.size - IPV6_HEADER) {
    return JOIN_KIND_OTHER;
  }
  uint8_t protocol = ip[IPV6_NEXT_HEADER];
  if (!protocol_is_ours(with_udp, protocol)) {
    return may_hide_a_transport(protocol) ? JOIN_KIND_HOSTS_ONLY : JOIN_KIND_OTHER;
  }
  packet->transport = IPV6_HEADER;
  return parse_transport(packet, protocol);
}

enum join_kind join_packet_parse(struct span data, bool with_udp, struct join_packet *packet) {
  *packet = (struct join_packet){.data = data};
  switch (data.size > 0 ? data.data[0] >> 4 : 0) {
  case 4:
    return parse_ipv4(with_udp, packet);
  case 6:
    return parse_ipv6(with_udp, packet);
  default:
    return JOIN_KIND_OTHER;
  }
}

/* Source and destination as they stand in its header. */
static struct span addresses_of(const struct join_packet *packet) {
  return packet->ipv4 ? part(packet->data, IPV4_ADDRESSES, 8)
                      : part(packet->data, IPV6_ADDRESSES, 32);
}

uint64_t join_packet_pseudo_header(const struct join_packet *packet, size_t size) {
  return checksum_pseudo_header(addresses_of(packet), packet->udp ? IPPROTO_UDP : IPPROTO_TCP,
                                (uint32_t)size);
}

bool join_packet_checksums_hold(const struct join_packet *packet) {
  if (packet->ipv4 &&
      checksum_fold(checksum_add(0, part(packet->data, 0, IPV4_HEADER))) != 0xffff) {
    return false;
  }
  if (packet->left_out) {
    return true;
  }
  size_t size = packet->data.size - packet->transport;
  uint64_t sum = join_packet_pseudo_header(packet, size);
  return checksum_fold(checksum_add(sum, part(packet->data, packet->transport, size))) == 0xffff;
}

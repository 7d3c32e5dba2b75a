#include "reference_segment.h"

#include <string.h>

size_t reference_get_u16(const uint8_t *at) {
  return (size_t)at[0] * 256 + at[1];
}

void reference_put_u16(uint8_t *at, size_t value) {
  at[0] = (uint8_t)(value / 256);
  at[1] = (uint8_t)value;
}

/* RFC 1071 in words: the sum of all 16-bit words, carries added at the bottom. */
static size_t add_words(size_t sum, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    sum += i % 2 == 0 ? (size_t)data[i] * 256 : data[i];
    while (sum > 0xffff) {
      sum -= 0xffff;
    }
  }
  return sum;
}

struct layout {
  bool ipv4;
  uint8_t protocol;
  size_t transport, payload; /* offsets */
};

static bool find_ip(struct span packet, struct layout *layout) {
  const uint8_t *data = packet.data;
  if (packet.size >= 20 && data[0] / 16 == 4) {
    layout->ipv4 = true;
    layout->transport = data[0] % 16 * (size_t)4;
    layout->protocol = data[9];
    return layout->transport >= 20 && layout->transport <= packet.size &&
           reference_get_u16(data + 2) == packet.size;
  }
  if (packet.size >= 40 && data[0] / 16 == 6) {
    layout->ipv4 = false;
    layout->transport = 40;
    layout->protocol = data[6];
    return reference_get_u16(data + 4) == packet.size - 40;
  }
  return false;
}

static bool skip_options(struct span packet, struct layout *layout) {
  for (int headers = 0; headers < 8 && (layout->protocol == 0 || layout->protocol == 60);
       headers++) {
    if (layout->transport + 8 > packet.size) {
      return false;
    }
    layout->protocol = packet.data[layout->transport];
    layout->transport += 8 + 8 * (size_t)packet.data[layout->transport + 1];
    if (layout->transport > packet.size) {
      return false;
    }
  }
  return true;
}

static bool find_transport(struct span packet, struct layout *layout) {
  const uint8_t *transport = packet.data + layout->transport;
  size_t rest = packet.size - layout->transport;
  if (layout->protocol == 17) {
    layout->payload = layout->transport + 8;
    return rest >= 8 && reference_get_u16(transport + 4) == rest;
  }
  if (layout->protocol != 6 || rest < 20 || transport[12] / 16 < 5) {
    return false;
  }
  layout->payload = layout->transport + transport[12] / 16 * (size_t)4;
  return layout->payload <= packet.size;
}

static size_t pseudo_header(struct span packet, const struct layout *layout) {
  size_t size = packet.size - layout->transport;
  uint8_t rest[6] = {0, layout->protocol, 0, (uint8_t)(size >> 16)};
  reference_put_u16(rest + 4, size);
  size_t sum = layout->ipv4 ? add_words(0, packet.data + 12, 8) : add_words(0, packet.data + 8, 32);
  return add_words(sum, rest, sizeof(rest));
}

bool reference_checksums_hold(struct span packet) {
  struct layout layout;
  if (!find_ip(packet, &layout) ||
      (layout.ipv4 && add_words(0, packet.data, layout.transport) != 0xffff)) {
    return false;
  }
  return add_words(pseudo_header(packet, &layout), packet.data + layout.transport,
                   packet.size - layout.transport) == 0xffff;
}

static uint8_t *checksum_field(uint8_t *packet, const struct layout *layout) {
  return packet + layout->transport + (layout->protocol == 17 ? 6 : 16);
}

static bool ip_checksum_holds(struct span packet, const struct layout *layout) {
  return !layout->ipv4 || add_words(0, packet.data, layout->transport) == 0xffff;
}

bool reference_transport_is_partial(struct span packet) {
  struct layout layout;
  if (!find_ip(packet, &layout) || !find_transport(packet, &layout)) {
    return false;
  }
  uint8_t *field = checksum_field((uint8_t *)(uintptr_t)packet.data, &layout);
  return reference_get_u16(field) == pseudo_header(packet, &layout);
}

bool reference_checksum_is_partial(struct span packet) {
  struct layout layout;
  return find_ip(packet, &layout) && ip_checksum_holds(packet, &layout) &&
         reference_transport_is_partial(packet);
}

bool reference_checksum_is_left_out(struct span packet) {
  struct layout layout;
  if (!find_ip(packet, &layout) || !find_transport(packet, &layout) || layout.protocol != 6) {
    return false;
  }
  uint8_t *field = checksum_field((uint8_t *)(uintptr_t)packet.data, &layout);
  return ip_checksum_holds(packet, &layout) && reference_get_u16(field) == 0xffff;
}

void reference_write_checksums(uint8_t *packet, size_t size) {
  struct span span = {packet, size};
  struct layout layout;
  if (!find_ip(span, &layout)) {
    return;
  }
  if (layout.ipv4) {
    reference_put_u16(packet + 10, 0);
    reference_put_u16(packet + 10, 0xffff - add_words(0, packet, layout.transport));
  }
  if (find_transport(span, &layout)) {
    uint8_t *field = checksum_field(packet, &layout);
    reference_put_u16(field, 0);
    size_t sum =
        add_words(pseudo_header(span, &layout), packet + layout.transport, size - layout.transport);
    reference_put_u16(field, sum == 0xffff ? 0xffff : 0xffff - sum);
  }
}

/* --- order --- */

static bool is_tcp_or_udp(uint8_t protocol) {
  return protocol == 6 || protocol == 17;
}

enum reference_order reference_order(struct span packet) {
  struct layout layout;
  /* A length of IPv4's header that cannot be does not make it another protocol's. */
  bool ipv4 = packet.size >= 20 && packet.data[0] / 16 == 4 &&
              reference_get_u16(packet.data + 2) == packet.size;
  if (ipv4) {
    bool plain = packet.data[0] == 0x45 && (reference_get_u16(packet.data + 6) & 0xbfff) == 0;
    if (!is_tcp_or_udp(packet.data[9])) {
      return REFERENCE_ORDER_NONE;
    }
    return plain && packet.size >= 24 ? REFERENCE_ORDER_FLOW : REFERENCE_ORDER_HOSTS;
  }
  if (!find_ip(packet, &layout) || layout.protocol == 58 || layout.protocol == 59) {
    return REFERENCE_ORDER_NONE;
  }
  return is_tcp_or_udp(layout.protocol) && packet.size >= 44 ? REFERENCE_ORDER_FLOW
                                                             : REFERENCE_ORDER_HOSTS;
}

static bool protocols_differ(struct span a, struct span b) {
  uint8_t first = a.data[a.data[0] / 16 == 4 ? 9 : 6], second = b.data[b.data[0] / 16 == 4 ? 9 : 6];
  return is_tcp_or_udp(first) && is_tcp_or_udp(second) && first != second;
}

bool reference_same_hosts(struct span a, struct span b) {
  bool ipv4 = a.data[0] / 16 == 4;
  return a.data[0] / 16 == b.data[0] / 16 && !protocols_differ(a, b) &&
         (ipv4 ? memcmp(a.data + 12, b.data + 12, 8) : memcmp(a.data + 8, b.data + 8, 32)) == 0;
}

bool reference_same_flow(struct span a, struct span b) {
  size_t protocol = a.data[0] / 16 == 4 ? 9 : 6, ports = protocol == 9 ? 20 : 40;
  return reference_same_hosts(a, b) && a.data[protocol] == b.data[protocol] &&
         memcmp(a.data + ports, b.data + ports, 4) == 0;
}

bool reference_same_meaning(struct span a, struct span b) {
  struct layout layout;
  if (a.size != b.size || !find_ip(a, &layout) || !find_transport(a, &layout)) {
    return false;
  }
  bool atomic = layout.ipv4 && (a.data[6] & 0x40) != 0;
  size_t checksum = layout.transport + (layout.protocol == 17 ? 6 : 16);
  for (size_t i = 0; i < a.size; i++) {
    bool free = (layout.ipv4 && (i == 10 || i == 11)) || (atomic && (i == 4 || i == 5)) ||
                i == checksum || i == checksum + 1;
    if (!free && a.data[i] != b.data[i]) {
      return false;
    }
  }
  return true;
}

/* --- a single packet --- */

static int complete(struct span packet, const struct tun_offload *offload,
                    struct reference_packets *out) {
  if (packet.size == 0) {
    return ERROR_INVALID;
  }
  memcpy(out->bytes, packet.data, packet.size);
  out->count = 1;
  out->packets[0] = (struct span){out->bytes, packet.size};
  if (!offload->needs_checksum) {
    return 0;
  }
  struct layout layout;
  size_t start = offload->checksum_start, place = start + offload->checksum_offset;
  if (!find_ip(packet, &layout) || start < layout.transport || place + 2 > packet.size ||
      place + 2 > 256) {
    return ERROR_INVALID;
  }
  size_t sum = add_words(0, packet.data + start, packet.size - start);
  reference_put_u16(out->bytes + place, sum == 0xffff ? 0xffff : 0xffff - sum);
  return 0;
}

/* --- a super-packet --- */

static bool valid(struct span packet, const struct tun_offload *offload, struct layout *layout) {
  bool udp = offload->kind == TUN_OFFLOAD_UDP;
  if (!find_ip(packet, layout) || (offload->kind == TUN_OFFLOAD_TCP_IPV4 && !layout->ipv4) ||
      (offload->kind == TUN_OFFLOAD_TCP_IPV6 && layout->ipv4)) {
    return false;
  }
  if (layout->ipv4 && reference_get_u16(packet.data + 6) % 0x4000 != 0) {
    return false; /* a fragment */
  }
  if ((!layout->ipv4 && !skip_options(packet, layout)) || layout->protocol != (udp ? 17 : 6) ||
      !find_transport(packet, layout)) {
    return false;
  }
  if (!udp && (packet.data[layout->transport + 13] & 0x26) != 0) {
    return false; /* SYN, RST, URG */
  }
  size_t payload = packet.size - layout->payload;
  return (!offload->needs_checksum || offload->checksum_start == layout->transport) &&
         layout->payload <= 256 && payload > 0 && offload->segment_size > 0 &&
         payload <= (size_t)offload->segment_size * REFERENCE_PIECES_MAX;
}

static void build(struct span packet, const struct layout *layout, size_t offset, size_t size,
                  struct reference_packets *out) {
  uint8_t *piece = out->bytes + out->size, *transport = piece + layout->transport;
  size_t total = layout->payload + size;
  bool last = layout->payload + offset + size == packet.size;
  memcpy(piece, packet.data, layout->payload);
  memcpy(piece + layout->payload, packet.data + layout->payload + offset, size);
  if (layout->ipv4) {
    reference_put_u16(piece + 2, total);
    reference_put_u16(piece + 4, reference_get_u16(packet.data + 4) + out->count);
    reference_put_u16(piece + 10, 0);
    reference_put_u16(piece + 10, 0xffff - add_words(0, piece, layout->transport));
  } else {
    reference_put_u16(piece + 4, total - 40);
  }
  uint8_t *checksum = transport + 6;
  if (layout->protocol == 17) {
    reference_put_u16(transport + 4, size + 8);
  } else {
    checksum = transport + 16;
    size_t low = reference_get_u16(transport + 6) + offset % 65536;
    size_t high = reference_get_u16(transport + 4) + offset / 65536 + low / 65536;
    reference_put_u16(transport + 4, high);
    reference_put_u16(transport + 6, low);
    transport[13] &= (uint8_t)(offset > 0 ? 0x7f : 0xff); /* CWR */
    transport[13] &= (uint8_t)(last ? 0xff : 0xf6);       /* PSH, FIN */
  }
  reference_put_u16(checksum, 0);
  size_t sum = add_words(pseudo_header((struct span){piece, total}, layout), transport,
                         total - layout->transport);
  reference_put_u16(checksum, layout->protocol == 17 && sum == 0xffff ? 0xffff : 0xffff - sum);
  out->packets[out->count++] = (struct span){piece, total};
  out->size += total;
}

int reference_cut(struct span packet, const struct tun_offload *offload, size_t packet_max,
                  struct reference_packets *out) {
  out->count = out->size = 0;
  if (offload->kind == TUN_OFFLOAD_NONE) {
    return complete(packet, offload, out);
  }
  struct layout layout;
  if (!valid(packet, offload, &layout)) {
    return ERROR_INVALID;
  }
  size_t payload = packet.size - layout.payload, each = offload->segment_size;
  size_t largest = each < payload ? each : payload;
  if (layout.payload + largest > packet_max) {
    if (offload->kind == TUN_OFFLOAD_UDP || packet_max <= layout.payload) {
      return ERROR_LIMIT;
    }
    each = packet_max - layout.payload;
  }
  if (payload > each * REFERENCE_PIECES_MAX) {
    return ERROR_LIMIT;
  }
  for (size_t offset = 0; offset < payload; offset += each) {
    build(packet, &layout, offset, payload - offset < each ? payload - offset : each, out);
  }
  return 0;
}

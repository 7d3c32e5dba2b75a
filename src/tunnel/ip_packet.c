#include "tunnel/ip_packet.h"

#include <string.h>

enum { IPV4_HEADER_MIN = 20, IPV6_HEADER_SIZE = 40, IPV4_ADDRESS_SIZE = 4, IPV6_ADDRESS_SIZE = 16 };

/* Every packet of every tunnel comes through here, so lengths are checked once for a header and not
 * for each of its fields. */

static size_t u16_at(const uint8_t *at) {
  return (size_t)at[0] << 8 | at[1];
}

static int parse_ipv4(struct span data, struct ip_packet *packet) {
  const uint8_t *header = data.data;
  if (data.size < IPV4_HEADER_MIN) {
    return ERROR_INVALID;
  }
  packet->header_size = 4 * (size_t)(header[0] & 0x0f);
  if (packet->header_size < IPV4_HEADER_MIN || packet->header_size > data.size ||
      u16_at(header + 2) != data.size) {
    return ERROR_INVALID;
  }
  packet->hop_limit = header[8];
  packet->protocol = header[9];
  packet->source = packet->destination = (struct ip_address){.family = 4};
  memcpy(packet->source.bytes, header + 12, IPV4_ADDRESS_SIZE);
  memcpy(packet->destination.bytes, header + 16, IPV4_ADDRESS_SIZE);
  return 0;
}

static int parse_ipv6(struct span data, struct ip_packet *packet) {
  const uint8_t *header = data.data;
  if (data.size < IPV6_HEADER_SIZE || u16_at(header + 4) != data.size - IPV6_HEADER_SIZE) {
    return ERROR_INVALID;
  }
  packet->header_size = IPV6_HEADER_SIZE;
  packet->protocol = header[6];
  packet->hop_limit = header[7];
  packet->source = packet->destination = (struct ip_address){.family = 6};
  memcpy(packet->source.bytes, header + 8, IPV6_ADDRESS_SIZE);
  memcpy(packet->destination.bytes, header + 24, IPV6_ADDRESS_SIZE);
  return 0;
}

int ip_packet_parse(struct span data, struct ip_packet *packet) {
  switch (data.size == 0 ? 0 : data.data[0] >> 4) {
  case 4:
    return parse_ipv4(data, packet);
  case 6:
    return parse_ipv6(data, packet);
  default:
    return ERROR_INVALID;
  }
}

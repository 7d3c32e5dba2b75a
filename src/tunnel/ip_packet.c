#include "tunnel/ip_packet.h"

#include <string.h>

#include "tunnel/header_layout.h"

enum { IPV4_ADDRESS_SIZE = 4, IPV6_ADDRESS_SIZE = 16 };

/* Every packet of every tunnel comes through here, so lengths are checked once for a header and not
 * for each of its fields. */

static int parse_ipv4(struct span data, struct ip_packet *packet) {
  const uint8_t *header = data.data;
  if (data.size < IPV4_HEADER) {
    return ERROR_INVALID;
  }
  packet->header_size = 4 * (size_t)(header[0] & 0x0f);
  if (packet->header_size < IPV4_HEADER || packet->header_size > data.size ||
      get_u16(header + IPV4_TOTAL_LENGTH) != data.size) {
    return ERROR_INVALID;
  }
  packet->hop_limit = header[IPV4_TTL];
  packet->protocol = header[IPV4_PROTOCOL];
  packet->source = packet->destination = (struct ip_address){.family = 4};
  memcpy(packet->source.bytes, header + IPV4_ADDRESSES, IPV4_ADDRESS_SIZE);
  memcpy(packet->destination.bytes, header + IPV4_ADDRESSES + IPV4_ADDRESS_SIZE, IPV4_ADDRESS_SIZE);
  return 0;
}

static int parse_ipv6(struct span data, struct ip_packet *packet) {
  const uint8_t *header = data.data;
  if (data.size < IPV6_HEADER || get_u16(header + IPV6_PAYLOAD_LENGTH) != data.size - IPV6_HEADER) {
    return ERROR_INVALID;
  }
  packet->header_size = IPV6_HEADER;
  packet->protocol = header[IPV6_NEXT_HEADER];
  packet->hop_limit = header[IPV6_HOP_LIMIT];
  packet->source = packet->destination = (struct ip_address){.family = 6};
  memcpy(packet->source.bytes, header + IPV6_ADDRESSES, IPV6_ADDRESS_SIZE);
  memcpy(packet->destination.bytes, header + IPV6_ADDRESSES + IPV6_ADDRESS_SIZE, IPV6_ADDRESS_SIZE);
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

#include "tunnel/ip_packet.h"

#include <string.h>

enum { IPV4_HEADER_MIN = 20, IPV6_HEADER_SIZE = 40, IPV4_ADDRESS_SIZE = 4, IPV6_ADDRESS_SIZE = 16 };

static void read_address(struct reader *reader, uint8_t family, size_t size,
                         struct ip_address *address) {
  struct span bytes = reader_bytes(reader, size);
  *address = (struct ip_address){.family = family};
  if (bytes.size == size) {
    memcpy(address->bytes, bytes.data, size);
  }
}

static int parse_ipv4(struct span data, struct ip_packet *packet) {
  struct reader reader = reader_init(data.data, data.size);
  uint8_t version_and_size = reader_u8(&reader);
  packet->header_size = 4 * (size_t)(version_and_size & 0x0f);
  (void)reader_u8(&reader); /* type of service */
  uint16_t total = reader_u16(&reader);
  (void)reader_u32(&reader); /* identification and fragment offset */
  packet->hop_limit = reader_u8(&reader);
  packet->protocol = reader_u8(&reader);
  (void)reader_u16(&reader); /* the checksum is the receiving stack's to check */
  read_address(&reader, 4, IPV4_ADDRESS_SIZE, &packet->source);
  read_address(&reader, 4, IPV4_ADDRESS_SIZE, &packet->destination);
  if (reader.failed || packet->header_size < IPV4_HEADER_MIN || packet->header_size > data.size ||
      total != data.size) {
    return ERROR_INVALID;
  }
  return 0;
}

static int parse_ipv6(struct span data, struct ip_packet *packet) {
  struct reader reader = reader_init(data.data, data.size);
  packet->header_size = IPV6_HEADER_SIZE;
  (void)reader_u32(&reader); /* version, traffic class, flow label */
  uint16_t payload = reader_u16(&reader);
  packet->protocol = reader_u8(&reader);
  packet->hop_limit = reader_u8(&reader);
  read_address(&reader, 6, IPV6_ADDRESS_SIZE, &packet->source);
  read_address(&reader, 6, IPV6_ADDRESS_SIZE, &packet->destination);
  if (reader.failed || payload != reader.rest.size) {
    return ERROR_INVALID;
  }
  return 0;
}

int ip_packet_parse(struct span data, struct ip_packet *packet) {
  struct reader reader = reader_init(data.data, data.size);
  switch (reader_u8(&reader) >> 4) {
  case 4:
    return parse_ipv4(data, packet);
  case 6:
    return parse_ipv6(data, packet);
  default:
    return ERROR_INVALID;
  }
}

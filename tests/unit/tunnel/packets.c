#include "packets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct ip_address test_ip(const char *text) {
  struct ip_address ip;
  assert_int_equal(ip_address_parse(text, &ip), 0);
  return ip;
}

/* One's complement sum byte by byte: even ones weigh 256, modulo 65,535. */
static uint32_t checksum_residue(uint32_t start, struct span data) {
  uint64_t sum = start;
  for (size_t i = 0; i < data.size; i++) {
    sum += (uint64_t)data.data[i] << (i % 2 == 0 ? 8 : 0);
  }
  return (uint32_t)(sum % 65535);
}

static void fill(uint8_t *data, size_t size, uint8_t seed) {
  for (size_t i = 0; i < size; i++) {
    data[i] = (uint8_t)(seed + i * 7 + i / 256);
  }
}

struct span test_ipv4(uint8_t data[static PACKET_SIZE_MAX], const char *source,
                      const char *destination, uint8_t protocol, uint16_t flags_and_offset,
                      size_t size, uint8_t seed) {
  struct ip_address from = test_ip(source), to = test_ip(destination);
  struct writer writer = writer_init(data, 20);
  writer_u16(&writer, 0x4500);
  writer_u16(&writer, (uint16_t)size);
  writer_u16(&writer, seed);
  writer_u16(&writer, flags_and_offset);
  writer_u8(&writer, 64);
  writer_u8(&writer, protocol);
  writer_u16(&writer, 0);
  writer_bytes(&writer, from.bytes, 4);
  writer_bytes(&writer, to.bytes, 4);
  uint32_t checksum = 65535 - checksum_residue(0, (struct span){.data = data, .size = 20});
  data[10] = (uint8_t)(checksum >> 8);
  data[11] = (uint8_t)checksum;
  fill(data + 20, size - 20, seed);
  return (struct span){.data = data, .size = size};
}

struct span test_ipv6(uint8_t data[static PACKET_SIZE_MAX], const char *source,
                      const char *destination, uint8_t protocol, size_t size, uint8_t seed) {
  struct ip_address from = test_ip(source), to = test_ip(destination);
  struct writer writer = writer_init(data, 40);
  writer_u32(&writer, 0x60000000);
  writer_u16(&writer, (uint16_t)(size - 40));
  writer_u8(&writer, protocol);
  writer_u8(&writer, 64);
  writer_bytes(&writer, from.bytes, 16);
  writer_bytes(&writer, to.bytes, 16);
  fill(data + 40, size - 40, seed);
  return (struct span){.data = data, .size = size};
}

bool test_icmp_checksums_hold(struct span packet) {
  if (packet.data[0] >> 4 == 4) {
    struct span header = {.data = packet.data, .size = 20};
    struct span rest = {.data = packet.data + 20, .size = packet.size - 20};
    return checksum_residue(0, header) == 0 && checksum_residue(0, rest) == 0;
  }
  struct span addresses = {.data = packet.data + 8, .size = 32};
  struct span rest = {.data = packet.data + 40, .size = packet.size - 40};
  uint32_t pseudo = checksum_residue((uint32_t)rest.size + 58, addresses);
  return checksum_residue(pseudo, rest) == 0;
}

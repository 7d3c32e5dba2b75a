#include "segments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

size_t test_segment_transport(const struct test_segment *segment) {
  return segment->ipv6 ? 40 + segment->extension : 20;
}

size_t test_segment_headers(const struct test_segment *segment) {
  size_t transport = segment->udp ? 8 : 20 + (segment->timestamp != 0 ? 12u : 0u);
  return test_segment_transport(segment) + transport;
}

/* One's complement sum byte by byte: even ones weigh 256, modulo 65,535. */
static uint32_t residue(uint64_t sum, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    sum += (uint64_t)data[i] << (i % 2 == 0 ? 8 : 0);
  }
  return (uint32_t)(sum % 65535);
}

static void put_checksum(uint8_t *at, uint32_t sum) {
  at[0] = (uint8_t)(sum >> 8);
  at[1] = (uint8_t)sum;
}

static void write_ipv4(struct writer *writer, const struct test_segment *segment, size_t size) {
  const uint8_t source[] = {10, 1, 0, segment->host}, destination[] = {10, 1, 0, 200};
  writer_u8(writer, 0x45);
  writer_u8(writer, segment->class_of_traffic);
  writer_u16(writer, (uint16_t)size);
  writer_u16(writer, segment->identification);
  writer_u16(writer, segment->may_be_fragmented ? 0 : 0x4000);
  writer_u8(writer, segment->hop_limit == 0 ? 64 : segment->hop_limit);
  writer_u8(writer, segment->udp ? 17 : 6);
  writer_u16(writer, 0);
  writer_bytes(writer, source, 4);
  writer_bytes(writer, destination, 4);
  put_checksum(writer->data + 10, 65535 - residue(0, writer->data, 20));
}

static void write_ipv6(struct writer *writer, const struct test_segment *segment, size_t size) {
  const uint8_t source[16] = {0xfd, [15] = segment->host}, destination[16] = {0xfd, [15] = 200};
  static const uint8_t options[6] = {1, 4};
  uint8_t protocol = segment->udp ? 17 : 6;
  writer_u32(writer, 0x60012345 | (uint32_t)segment->class_of_traffic << 20);
  writer_u16(writer, (uint16_t)(size - 40));
  writer_u8(writer, segment->extension > 0 ? 60 : protocol);
  writer_u8(writer, segment->hop_limit == 0 ? 64 : segment->hop_limit);
  writer_bytes(writer, source, 16);
  writer_bytes(writer, destination, 16);
  if (segment->extension > 0) {
    writer_u8(writer, protocol);
    writer_u8(writer, 0);
    writer_bytes(writer, options, sizeof(options));
  }
}

static void write_tcp(struct writer *writer, const struct test_segment *segment) {
  writer_u16(writer, segment->port);
  writer_u16(writer, 5001);
  writer_u32(writer, segment->sequence);
  writer_u32(writer, segment->acknowledgement);
  writer_u8(writer, segment->timestamp != 0 ? 0x80 : 0x50);
  writer_u8(writer, segment->flags);
  writer_u16(writer, segment->window);
  writer_u32(writer, 0); /* checksum, urgent pointer */
  if (segment->timestamp != 0) {
    writer_u32(writer, 0x0101080a);
    writer_u32(writer, segment->timestamp);
    writer_u32(writer, 77);
  }
}

static void write_udp(struct writer *writer, const struct test_segment *segment) {
  writer_u16(writer, segment->port);
  writer_u16(writer, 5001);
  writer_u16(writer, (uint16_t)(8 + segment->payload));
  writer_u16(writer, 0);
}

struct span test_segment_write(uint8_t data[static SEGMENT_SIZE_MAX],
                               const struct test_segment *segment) {
  size_t transport = test_segment_transport(segment);
  size_t size = test_segment_headers(segment) + segment->payload;
  struct writer writer = writer_init(data, SEGMENT_SIZE_MAX);
  (segment->ipv6 ? write_ipv6 : write_ipv4)(&writer, segment, size);
  (segment->udp ? write_udp : write_tcp)(&writer, segment);
  for (size_t i = segment->offset; i < segment->offset + segment->payload; i++) {
    writer_u8(&writer, (uint8_t)(i * 7 + i / 251));
  }
  assert_false(writer.failed);
  assert_int_equal(writer.size, size);
  uint64_t length_and_protocol = size - transport + (segment->udp ? 17 : 6);
  uint32_t sum =
      residue(length_and_protocol, data + (segment->ipv6 ? 8 : 12), segment->ipv6 ? 32 : 8);
  uint8_t *field = data + transport + (segment->udp ? 6 : 16);
  if (segment->left_out) {
    put_checksum(field, 0xffff);
  } else if (segment->partial) {
    put_checksum(field, sum);
  } else {
    put_checksum(field, 65535 - residue(sum, data + transport, size - transport));
  }
  return (struct span){.data = data, .size = size};
}

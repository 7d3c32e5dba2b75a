#include "join_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct emitted emitted[EMITTED_MAX];
size_t emitted_count;
uint8_t last[SEGMENT_SIZE_MAX];
struct join *join;

static void take(const struct span *spans, size_t count, const struct tun_offload *offload,
                 void *context UNUSED) {
  assert_in_range(emitted_count, 0, EMITTED_MAX - 1);
  assert_in_range(count, 1, TUN_SPANS_MAX);
  struct writer writer = writer_init(last, sizeof(last));
  for (size_t i = 0; i < count; i++) {
    writer_bytes(&writer, spans[i].data, spans[i].size);
  }
  assert_false(writer.failed);
  size_t transport = last[0] >> 4 == 4 ? 20 : 40;
  struct reader reader = reader_init(last + transport, 8);
  struct emitted item = {.offload = *offload, .size = writer.size, .port = reader_u16(&reader)};
  (void)reader_u16(&reader);
  item.sequence = reader_u32(&reader);
  emitted[emitted_count++] = item;
}

void join_open(const struct join_config *config) {
  struct join_config emitting = *config;
  emitting.emit = take;
  struct error error = {0};
  assert_int_equal(join_new(&emitting, &join, &error), 0);
  emitted_count = 0;
}

int join_setup(void **state UNUSED) {
  join_open(&(struct join_config){.udp = true, .copy = true});
  return 0;
}

int join_teardown(void **state UNUSED) {
  join_free(join);
  return 0;
}

void add(const struct test_segment *segment) {
  uint8_t data[SEGMENT_SIZE_MAX];
  join_add(join, test_segment_write(data, segment));
  memset(data, 0xaa, sizeof(data)); /* as a connection decrypts the next one into it */
}

void advance(struct test_segment *segment) {
  segment->sequence += (uint32_t)segment->payload;
  segment->offset += segment->payload;
  segment->identification++;
}

void add_and_advance(struct test_segment *segment) {
  add(segment);
  advance(segment);
}

struct test_segment tcp_segment(void) {
  return (struct test_segment){.port = 40000,
                               .sequence = 0xfffffe00,
                               .identification = 0xffff,
                               .acknowledgement = 7,
                               .flags = ACK,
                               .window = 501,
                               .timestamp = 99,
                               .payload = EACH};
}

struct test_segment udp_datagram(void) {
  return (struct test_segment){.udp = true, .port = 443, .payload = EACH};
}

void assert_joined(const struct test_segment *whole, size_t each) {
  static uint8_t expected[SEGMENT_SIZE_MAX];
  struct test_segment partial = *whole;
  partial.partial = true;
  struct span packet = test_segment_write(expected, &partial);
  const struct emitted *item = &emitted[emitted_count - 1];
  assert_int_equal(item->size, packet.size);
  assert_memory_equal(last, packet.data, packet.size);
  enum tun_offload_kind kind = whole->udp    ? TUN_OFFLOAD_UDP
                               : whole->ipv6 ? TUN_OFFLOAD_TCP_IPV6
                                             : TUN_OFFLOAD_TCP_IPV4;
  assert_int_equal(item->offload.kind, kind);
  assert_int_equal(item->offload.segment_size, each);
  assert_int_equal(item->offload.header_size, test_segment_headers(whole));
  assert_true(item->offload.needs_checksum);
  assert_int_equal(item->offload.checksum_start, test_segment_transport(whole));
  assert_int_equal(item->offload.checksum_offset, whole->udp ? 6 : 16);
  assert_int_equal(item->offload.ecn, !whole->udp && (whole->flags & CWR) != 0);
}

void assert_singles(size_t count) {
  static const struct tun_offload none = {0};
  assert_int_equal(emitted_count, count);
  for (size_t i = 0; i < count; i++) {
    assert_memory_equal(&emitted[i].offload, &none, sizeof(none));
  }
}

/* Joining never makes a broken packet good, and finishes what a peer left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "join_fixture.h"

static int setup_single(void **state UNUSED) {
  join_open(&(struct join_config){.single = true, .copy = true});
  return 0;
}

static void segments_without_checksums_are_joined(void **state UNUSED) {
  struct test_segment segment = tcp_segment();
  segment.left_out = true;
  for (int i = 0; i < 2; i++, emitted_count = 0) {
    struct test_segment whole = segment;
    add_and_advance(&segment);
    segment.left_out = false; /* a checksum that holds is as good */
    add_and_advance(&segment);
    segment.left_out = true;
    add_and_advance(&segment);
    join_flush(join);
    assert_int_equal(emitted_count, 1);
    whole.left_out = false;
    whole.payload = 3 * EACH;
    assert_joined(&whole, EACH);
    segment.ipv6 = true;
  }
}

/* Whether it waited or not. */
static void a_checksum_left_out_of_a_lone_segment_is_the_kernels(void **state UNUSED) {
  static uint8_t expected[SEGMENT_SIZE_MAX];
  struct test_segment segment = tcp_segment();
  for (int i = 0; i < 4; i++) {
    emitted_count = 0;
    segment.ipv6 = i % 2 == 1;
    segment.flags = i < 2 ? ACK : ACK | PSH;
    segment.left_out = true;
    add(&segment);
    assert_int_equal(join_pending(join), i < 2);
    join_flush(join);
    struct test_segment partial = segment;
    partial.left_out = false;
    partial.partial = true;
    struct span packet = test_segment_write(expected, &partial);
    assert_int_equal(emitted_count, 1);
    assert_int_equal(emitted[0].size, packet.size);
    assert_memory_equal(last, packet.data, packet.size);
    assert_int_equal(emitted[0].offload.kind, TUN_OFFLOAD_NONE);
    assert_true(emitted[0].offload.needs_checksum);
    assert_int_equal(emitted[0].offload.checksum_start, test_segment_transport(&segment));
    assert_int_equal(emitted[0].offload.checksum_offset, 16);
  }
}

static void a_kernel_that_joins_nothing_gets_whole_segments(void **state UNUSED) {
  static uint8_t expected[SEGMENT_SIZE_MAX];
  struct test_segment segment = tcp_segment();
  for (int i = 0; i < 4; i++) {
    segment.ipv6 = i % 2 == 1;
    segment.left_out = i < 2;
    add(&segment);
    struct test_segment whole = segment;
    whole.left_out = false;
    struct span packet = test_segment_write(expected, &whole);
    assert_int_equal(emitted[i].size, packet.size);
    assert_memory_equal(last, packet.data, packet.size);
  }
  assert_false(join_pending(join));
  assert_singles(4);
}

static void a_broken_checksum_is_never_joined(void **state UNUSED) {
  enum { PACKETS = 4 };
  for (int udp = 0; udp <= 1; udp++) {
    for (size_t broken = 0; broken < PACKETS; broken++) {
      for (int where = 0; where < 3; where++) {
        emitted_count = 0;
        uint8_t data[SEGMENT_SIZE_MAX];
        struct test_segment segment = udp ? udp_datagram() : tcp_segment();
        size_t places[] = {8 /* time to live */, 21 /* port */, 500};
        for (size_t i = 0; i < PACKETS; i++) {
          struct span packet = test_segment_write(data, &segment);
          if (i == broken) {
            data[places[where]] ^= 0x40;
          }
          join_add(join, packet);
          advance(&segment);
        }
        join_flush(join);
        size_t singles = 0;
        for (size_t i = 0; i < emitted_count; i++) {
          singles += emitted[i].offload.kind == TUN_OFFLOAD_NONE ? 1 : 0;
        }
        assert_in_range(singles, 1, 2);
        assert_true(emitted_count > 1);
      }
    }
  }
}

#define joined(test) cmocka_unit_test_setup_teardown(test, join_setup, join_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      joined(segments_without_checksums_are_joined),
      joined(a_checksum_left_out_of_a_lone_segment_is_the_kernels),
      cmocka_unit_test_setup_teardown(a_kernel_that_joins_nothing_gets_whole_segments, setup_single,
                                      join_teardown),
      joined(a_broken_checksum_is_never_joined),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tunnel/fragment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t *pattern(void) {
  static uint8_t bytes[FRAGMENT_PACKET_MAX + 1];
  for (size_t i = 0; i < sizeof(bytes); i++) {
    bytes[i] = (uint8_t)(i * 31 + i / 251);
  }
  return bytes;
}

static struct reassembly *reassembly;

static int setup(void **state UNUSED) {
  reassembly = reassembly_new();
  return reassembly == NULL ? -1 : 0;
}

static int teardown(void **state UNUSED) {
  reassembly_free(reassembly);
  return 0;
}

/* Fragment `number` of `count` of the first `size` bytes of the pattern. */
static struct fragment piece(uint16_t packet, size_t size, size_t count, size_t each,
                             size_t number) {
  size_t start = number * each;
  bool last = number + 1 == count;
  return (struct fragment){
      .number = (uint8_t)number,
      .last = last,
      .packet = packet,
      .data = {.data = pattern() + start, .size = last ? size - start : each},
  };
}

static int add(struct fragment fragment, uint64_t now, struct span *packet) {
  return reassembly_add(reassembly, &fragment, now, packet);
}

static void assert_pattern(struct span packet, size_t size) {
  assert_int_equal(packet.size, size);
  assert_memory_equal(packet.data, pattern(), size);
}

/* --- frames --- */

static void the_first_nibble_says_what_a_datagram_is(void **state UNUSED) {
  for (unsigned first = 0; first < 256; first++) {
    uint8_t datagram[8] = {(uint8_t)first, 1, 2, 3, 4, 5, 6, 7};
    struct span span = {.data = datagram, .size = sizeof(datagram)};
    enum tunnel_frame frame;
    struct fragment fragment;
    int code = tunnel_frame_parse(span, &frame, &fragment);
    if (first >> 4 == 4 || first >> 4 == 6) {
      assert_int_equal(code, 0);
      assert_int_equal(frame, TUNNEL_FRAME_PACKET);
    } else if (first == 0x10 || first == 0x11) {
      assert_int_equal(code, 0);
      assert_int_equal(frame, TUNNEL_FRAME_FRAGMENT);
      assert_int_equal(fragment.last, first & 1);
      assert_int_equal(fragment.number, 1);
      assert_int_equal(fragment.packet, 0x0203);
      assert_int_equal(fragment.data.size, 4);
      assert_ptr_equal(fragment.data.data, datagram + 4);
    } else {
      assert_int_equal(code, ERROR_INVALID);
    }
  }
}

static void an_empty_datagram_or_fragment_is_invalid(void **state UNUSED) {
  enum tunnel_frame frame;
  struct fragment fragment;
  static const uint8_t header[FRAGMENT_HEADER_SIZE] = {0x11, 0, 0, 0};
  for (size_t size = 0; size <= sizeof(header); size++) {
    assert_int_equal(
        tunnel_frame_parse((struct span){.data = header, .size = size}, &frame, &fragment),
        ERROR_INVALID);
  }
}

static void a_fragment_number_beyond_the_bound_is_invalid(void **state UNUSED) {
  enum tunnel_frame frame;
  struct fragment fragment;
  const uint8_t datagram[] = {0x10, FRAGMENTS_MAX, 0, 0, 1};
  assert_int_equal(tunnel_frame_parse((struct span){.data = datagram, .size = sizeof(datagram)},
                                      &frame, &fragment),
                   ERROR_INVALID);
}

static void a_header_written_is_the_header_read(void **state UNUSED) {
  uint8_t datagram[FRAGMENT_HEADER_SIZE + 1] = {0};
  fragment_header_write(datagram, 0xabcd, 5, true);
  assert_memory_equal(datagram, "\x11\x05\xab\xcd", 4);
  enum tunnel_frame frame;
  struct fragment fragment;
  assert_int_equal(tunnel_frame_parse((struct span){.data = datagram, .size = sizeof(datagram)},
                                      &frame, &fragment),
                   0);
  assert_int_equal(fragment.packet, 0xabcd);
  assert_int_equal(fragment.number, 5);
  assert_true(fragment.last);
}

/* --- plans --- */

static void a_plan_covers_the_packet_in_datagrams_that_fit(void **state UNUSED) {
  for (size_t room = 5; room < 1500; room = room * 3 / 2) {
    for (size_t size = 1; size <= FRAGMENT_PACKET_MAX; size += 1 + size / 5) {
      size_t count = 0, each = 0;
      int code = fragment_plan(size, room, &count, &each);
      if (size > FRAGMENTS_MAX * (room - FRAGMENT_HEADER_SIZE)) {
        assert_int_equal(code, ERROR_LIMIT);
        continue;
      }
      assert_int_equal(code, 0);
      assert_in_range(count, 1, FRAGMENTS_MAX);
      assert_in_range(each, 1, room - FRAGMENT_HEADER_SIZE);
      assert_true((count - 1) * each < size);
      assert_true(count * each >= size);
    }
  }
}

static void fragments_are_as_equal_as_can_be(void **state UNUSED) {
  size_t count, each;
  assert_int_equal(fragment_plan(1280, 1200, &count, &each), 0);
  assert_int_equal(count, 2);
  assert_int_equal(each, 640);
  assert_int_equal(fragment_plan(1281, 1200, &count, &each), 0);
  assert_int_equal(each, 641);
  assert_int_equal(fragment_plan(1196, 1200, &count, &each), 0);
  assert_int_equal(count, 1);
}

static void a_plan_beyond_the_bounds_is_refused(void **state UNUSED) {
  size_t count, each;
  assert_int_equal(fragment_plan(100, FRAGMENT_HEADER_SIZE, &count, &each), ERROR_LIMIT);
  assert_int_equal(fragment_plan(100, 0, &count, &each), ERROR_LIMIT);
  assert_int_equal(fragment_plan(8 * 96, 100, &count, &each), 0);
  assert_int_equal(fragment_plan(8 * 96 + 1, 100, &count, &each), ERROR_LIMIT);
  assert_int_equal(fragment_plan(FRAGMENT_PACKET_MAX + 1, 60000, &count, &each), ERROR_LIMIT);
}

/* --- reassembly --- */

static void fragments_in_order_give_the_packet_back(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(7, 1500, 3, 500, 0), 0, &packet), 0);
  assert_int_equal(add(piece(7, 1500, 3, 500, 1), 0, &packet), 0);
  assert_int_equal(add(piece(7, 1500, 3, 500, 2), 0, &packet), 1);
  assert_pattern(packet, 1500);
}

/* All orders of four fragments, of which the last is shorter. */
static void fragments_in_any_order_give_the_packet_back(void **state UNUSED) {
  for (unsigned code = 0; code < 256; code++) {
    unsigned order[4], seen = 0;
    for (unsigned i = 0; i < 4; i++) {
      order[i] = code >> 2 * i & 3;
      seen |= 1u << order[i];
    }
    if (seen != 15) {
      continue;
    }
    struct span packet = {0};
    for (unsigned i = 0; i < 4; i++) {
      assert_int_equal(add(piece((uint16_t)code, 901, 4, 300, order[i]), 0, &packet), i == 3);
    }
    assert_pattern(packet, 901);
  }
}

static void the_largest_packet_comes_back(void **state UNUSED) {
  size_t count, each;
  assert_int_equal(fragment_plan(FRAGMENT_PACKET_MAX, 1200, &count, &each), 0);
  assert_int_equal(count, FRAGMENTS_MAX);
  struct span packet = {0};
  for (size_t i = count; i-- > 0;) {
    assert_int_equal(add(piece(1, FRAGMENT_PACKET_MAX, count, each, i), 0, &packet), i == 0);
  }
  assert_pattern(packet, FRAGMENT_PACKET_MAX);
}

static void a_single_fragment_is_a_packet(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(1, 10, 1, 10, 0), 0, &packet), 1);
  assert_pattern(packet, 10);
}

static void packets_may_be_interleaved(void **state UNUSED) {
  struct span packet = {0};
  for (uint16_t i = 0; i < REASSEMBLY_SLOTS; i++) {
    assert_int_equal(add(piece(i, 1000, 2, 500, i % 2), i, &packet), 0);
  }
  for (uint16_t i = 0; i < REASSEMBLY_SLOTS; i++) {
    assert_int_equal(add(piece(i, 1000, 2, 500, 1 - i % 2), 100, &packet), 1);
    assert_pattern(packet, 1000);
  }
}

static void the_oldest_gives_way_when_all_slots_are_taken(void **state UNUSED) {
  struct span packet = {0};
  for (uint16_t i = 0; i <= REASSEMBLY_SLOTS; i++) {
    assert_int_equal(add(piece(i, 1000, 2, 500, 0), 10u + i, &packet), 0);
  }
  for (uint16_t i = 1; i <= REASSEMBLY_SLOTS; i++) {
    assert_int_equal(add(piece(i, 1000, 2, 500, 1), 100, &packet), 1);
  }
  assert_int_equal(add(piece(0, 1000, 2, 500, 1), 100, &packet), 0);
}

static void a_packet_that_is_not_whole_in_time_is_dropped(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(1, 1000, 2, 500, 0), 0, &packet), 0);
  assert_int_equal(add(piece(1, 1000, 2, 500, 1), REASSEMBLY_TIMEOUT + 1, &packet), 0);
  assert_int_equal(add(piece(1, 1000, 2, 500, 0), REASSEMBLY_TIMEOUT + 2, &packet), 1);
  assert_int_equal(add(piece(2, 1000, 2, 500, 0), REASSEMBLY_TIMEOUT, &packet), 0);
  assert_int_equal(add(piece(2, 1000, 2, 500, 1), 2 * REASSEMBLY_TIMEOUT, &packet), 1);
}

/* At full speed 16 bits of number come round within the timeout (RFC 4963). */
static void a_number_that_comes_round_meets_no_stale_fragment(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(10, 1000, 2, 500, 0), 0, &packet), 0);
  for (uint32_t i = 1; i < 0x10000; i += 100) {
    assert_int_equal(add(piece((uint16_t)(10 + i), 10, 1, 10, 0), 1, &packet), 1);
  }
  assert_int_equal(add(piece(10, 1000, 2, 500, 1), 2, &packet), 0);
}

static void a_fragment_of_another_size_is_a_contradiction(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(1, 1500, 3, 500, 0), 0, &packet), 0);
  assert_int_equal(add(piece(1, 1500, 3, 501, 1), 0, &packet), ERROR_INVALID);
  /* The packet is dropped as a whole. */
  assert_int_equal(add(piece(1, 1500, 3, 500, 1), 0, &packet), 0);
  assert_int_equal(add(piece(1, 1500, 3, 500, 2), 0, &packet), 0);
  assert_int_equal(add(piece(1, 1500, 3, 500, 0), 0, &packet), 1);
}

static void a_last_fragment_larger_than_the_others_is_a_contradiction(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(1, 1501, 3, 500, 0), 0, &packet), 0);
  assert_int_equal(add(piece(1, 1501, 3, 500, 2), 0, &packet), ERROR_INVALID);
  assert_int_equal(add(piece(2, 1501, 3, 500, 2), 0, &packet), 0);
  assert_int_equal(add(piece(2, 1501, 3, 500, 0), 0, &packet), ERROR_INVALID);
}

static void a_fragment_beyond_the_last_is_a_contradiction(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(1, 1000, 2, 500, 1), 0, &packet), 0);
  assert_int_equal(add(piece(1, 2000, 4, 500, 2), 0, &packet), ERROR_INVALID);
  assert_int_equal(add(piece(2, 2000, 4, 500, 2), 0, &packet), 0);
  assert_int_equal(add(piece(2, 1000, 2, 500, 1), 0, &packet), ERROR_INVALID);
}

static void two_last_fragments_are_a_contradiction(void **state UNUSED) {
  struct span packet = {0};
  assert_int_equal(add(piece(1, 1500, 3, 500, 2), 0, &packet), 0);
  assert_int_equal(add(piece(1, 1000, 2, 500, 1), 0, &packet), ERROR_INVALID);
}

static void a_packet_beyond_the_bound_is_refused_from_either_end(void **state UNUSED) {
  struct span packet = {0};
  struct fragment first = {.number = 0, .packet = 1, .data = {pattern(), 5000}};
  struct fragment second = {.number = 1, .packet = 1, .data = {pattern(), 5000}};
  struct fragment last = {.number = 1, .last = true, .packet = 1, .data = {pattern(), 4500}};
  assert_int_equal(add(first, 0, &packet), 0);
  assert_int_equal(add(second, 0, &packet), ERROR_INVALID);
  assert_int_equal(add(first, 0, &packet), 0);
  assert_int_equal(add(last, 0, &packet), ERROR_INVALID);
  assert_int_equal(add(last, 0, &packet), 0);
  assert_int_equal(add(first, 0, &packet), ERROR_INVALID);
  struct fragment huge = {
      .number = 0, .last = true, .packet = 1, .data = {pattern(), FRAGMENT_PACKET_MAX + 1}};
  assert_int_equal(add(huge, 0, &packet), ERROR_INVALID);
}

static void freeing_nothing_is_fine(void **state UNUSED) {
  reassembly_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_first_nibble_says_what_a_datagram_is, setup, teardown),
      cmocka_unit_test_setup_teardown(an_empty_datagram_or_fragment_is_invalid, setup, teardown),
      cmocka_unit_test_setup_teardown(a_fragment_number_beyond_the_bound_is_invalid, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_header_written_is_the_header_read, setup, teardown),
      cmocka_unit_test_setup_teardown(a_plan_covers_the_packet_in_datagrams_that_fit, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(fragments_are_as_equal_as_can_be, setup, teardown),
      cmocka_unit_test_setup_teardown(a_plan_beyond_the_bounds_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(fragments_in_order_give_the_packet_back, setup, teardown),
      cmocka_unit_test_setup_teardown(fragments_in_any_order_give_the_packet_back, setup, teardown),
      cmocka_unit_test_setup_teardown(the_largest_packet_comes_back, setup, teardown),
      cmocka_unit_test_setup_teardown(a_single_fragment_is_a_packet, setup, teardown),
      cmocka_unit_test_setup_teardown(packets_may_be_interleaved, setup, teardown),
      cmocka_unit_test_setup_teardown(the_oldest_gives_way_when_all_slots_are_taken, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_packet_that_is_not_whole_in_time_is_dropped, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_number_that_comes_round_meets_no_stale_fragment, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_fragment_of_another_size_is_a_contradiction, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_last_fragment_larger_than_the_others_is_a_contradiction,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(a_fragment_beyond_the_last_is_a_contradiction, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(two_last_fragments_are_a_contradiction, setup, teardown),
      cmocka_unit_test_setup_teardown(a_packet_beyond_the_bound_is_refused_from_either_end, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(freeing_nothing_is_fine, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

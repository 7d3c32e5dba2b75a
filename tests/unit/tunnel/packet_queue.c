#include "tunnel/packet_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct packet_queue queue;
static uint8_t bytes[PACKET_QUEUE_BYTES + 1];

static int setup(void **state UNUSED) {
  queue = (struct packet_queue){0};
  return 0;
}

static int teardown(void **state UNUSED) {
  packet_queue_clear(&queue);
  return 0;
}

/* A packet whose bytes all are `mark`. */
static int push(size_t size, unsigned mark) {
  memset(bytes, (int)(mark & 0xff), size);
  return packet_queue_push(&queue, (struct span){.data = bytes, .size = size}, mark);
}

static void assert_front(size_t size, unsigned mark) {
  struct span front = packet_queue_front(&queue);
  assert_int_equal(front.size, size);
  for (size_t i = 0; i < size; i++) {
    if (front.data[i] != (mark & 0xff)) {
      fail_msg("byte %zu of %zu is %u, not %u", i, size, front.data[i], mark & 0xff);
    }
  }
}

static void an_empty_queue_has_no_front(void **state UNUSED) {
  assert_int_equal(packet_queue_front(&queue).size, 0);
  packet_queue_pop(&queue);
  assert_int_equal(queue.count, 0);
}

static void packets_leave_in_the_order_they_came(void **state UNUSED) {
  for (unsigned i = 0; i < 100; i++) {
    assert_int_equal(push(i + 1, i), 0);
  }
  assert_int_equal(queue.count, 100);
  for (unsigned i = 0; i < 100; i++) {
    assert_front(i + 1, i);
    packet_queue_pop(&queue);
  }
  assert_int_equal(packet_queue_front(&queue).size, 0);
}

static void the_oldest_packet_gives_way_to_one_too_many(void **state UNUSED) {
  for (unsigned i = 0; i < PACKET_QUEUE_PACKETS; i++) {
    assert_int_equal(push(10, i), 0);
  }
  assert_int_equal(push(10, 77), 1);
  assert_int_equal(queue.count, PACKET_QUEUE_PACKETS);
  assert_front(10, 1);
}

static void as_many_old_packets_give_way_as_a_new_one_needs(void **state UNUSED) {
  for (unsigned i = 0; i < 8; i++) {
    assert_int_equal(push(PACKET_QUEUE_BYTES / 8, i), 0);
  }
  assert_int_equal(push(PACKET_QUEUE_BYTES / 4, 9), 2);
  assert_front(PACKET_QUEUE_BYTES / 8, 2);
  assert_int_equal(push(PACKET_QUEUE_BYTES, 10), 7);
  assert_front(PACKET_QUEUE_BYTES, 10);
  assert_int_equal(queue.count, 1);
}

static void what_the_queue_could_never_hold_is_a_limit(void **state UNUSED) {
  assert_int_equal(push(10, 1), 0);
  assert_int_equal(push(PACKET_QUEUE_BYTES + 1, 2), ERROR_LIMIT);
  assert_int_equal(push(0, 2), ERROR_LIMIT);
  assert_front(10, 1);
}

/* Pushes and pops of all sizes, round and round, against a plain list. */
static void packets_are_whole_wherever_the_ring_wraps(void **state UNUSED) {
  static struct {
    size_t size;
    unsigned mark;
  } list[40000];
  size_t first = 0, last = 0;
  uint32_t random = 1;
  for (unsigned step = 0; step < 30000; step++) {
    random = random * 1664525 + 1013904223;
    size_t size = 1 + (random >> 8) % 9000;
    if (random >> 30 == 0 && first < last) {
      assert_front(list[first].size, list[first].mark);
      packet_queue_pop(&queue);
      first++;
      continue;
    }
    int gone = push(size, step);
    assert_true(gone >= 0);
    first += (size_t)gone;
    list[last].size = size;
    list[last++].mark = step;
    assert_int_equal(queue.count, last - first);
  }
  while (first < last) {
    assert_front(list[first].size, list[first].mark);
    packet_queue_pop(&queue);
    first++;
  }
  assert_int_equal(queue.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_empty_queue_has_no_front, setup, teardown),
      cmocka_unit_test_setup_teardown(packets_leave_in_the_order_they_came, setup, teardown),
      cmocka_unit_test_setup_teardown(the_oldest_packet_gives_way_to_one_too_many, setup, teardown),
      cmocka_unit_test_setup_teardown(as_many_old_packets_give_way_as_a_new_one_needs, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(what_the_queue_could_never_hold_is_a_limit, setup, teardown),
      cmocka_unit_test_setup_teardown(packets_are_whole_wherever_the_ring_wraps, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

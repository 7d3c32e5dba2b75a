#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/hold_queue.h"

struct taken {
  size_t count;
  uint8_t first[HOLD_QUEUE_PACKETS + 1];
};

static void take(struct span packet, void *context) {
  struct taken *taken = context;
  assert_true(taken->count < sizeof taken->first);
  taken->first[taken->count++] = packet.data[0];
}

static void push(struct hold_queue *queue, uint8_t mark, uint64_t now) {
  uint8_t packet[40] = {mark};
  hold_queue_push(queue, (struct span){.data = packet, .size = sizeof packet}, now);
}

static void packets_leave_in_the_order_they_came(void **state) {
  (void)state;
  struct hold_queue queue = {0};
  struct taken taken = {0};
  push(&queue, 1, 0);
  push(&queue, 2, 0);
  push(&queue, 3, 0);
  hold_queue_drain(&queue, 1, take, &taken);
  assert_int_equal(taken.count, 3);
  assert_memory_equal(taken.first, ((uint8_t[]){1, 2, 3}), 3);
  assert_int_equal(queue.count, 0);
}

static void the_oldest_gives_way_when_full(void **state) {
  (void)state;
  struct hold_queue queue = {0};
  struct taken taken = {0};
  for (uint8_t i = 0; i < HOLD_QUEUE_PACKETS + 3; i++)
    push(&queue, i, 0);
  assert_int_equal(queue.dropped, 3);
  hold_queue_drain(&queue, 0, take, &taken);
  assert_int_equal(taken.count, HOLD_QUEUE_PACKETS);
  assert_int_equal(taken.first[0], 3);
}

static void large_packets_give_way_sooner(void **state) {
  (void)state;
  struct hold_queue queue = {0};
  static uint8_t packet[HOLD_QUEUE_PACKET_MAX];
  for (unsigned i = 0; i < HOLD_QUEUE_PACKETS; i++)
    hold_queue_push(&queue, (struct span){.data = packet, .size = sizeof packet}, 0);
  assert_int_equal(queue.count, HOLD_QUEUE_BYTES / HOLD_QUEUE_PACKET_MAX);
  hold_queue_clear(&queue);
}

static void what_waited_too_long_is_not_sent(void **state) {
  (void)state;
  struct hold_queue queue = {0};
  struct taken taken = {0};
  push(&queue, 1, 0);
  push(&queue, 2, 10);
  hold_queue_drain(&queue, HOLD_QUEUE_LIFETIME + 5, take, &taken);
  assert_int_equal(taken.count, 1);
  assert_int_equal(taken.first[0], 2);
}

static void packets_too_large_or_empty_are_not_kept(void **state) {
  (void)state;
  struct hold_queue queue = {0};
  static uint8_t packet[HOLD_QUEUE_PACKET_MAX + 1];
  hold_queue_push(&queue, (struct span){.data = packet, .size = sizeof packet}, 0);
  hold_queue_push(&queue, (struct span){.data = packet, .size = 0}, 0);
  assert_int_equal(queue.count, 0);
  assert_int_equal(queue.dropped, 2);
}

static void two_queues_become_one(void **state) {
  (void)state;
  struct hold_queue to = {0}, from = {0};
  struct taken taken = {0};
  push(&to, 1, 0);
  push(&from, 2, 0);
  push(&from, 3, 0);
  hold_queue_move(&to, &from);
  assert_int_equal(from.count, 0);
  hold_queue_drain(&to, 0, take, &taken);
  assert_memory_equal(taken.first, ((uint8_t[]){1, 2, 3}), 3);
}

static void take_and_push(struct span packet, void *context) {
  push(context, packet.data[0], 0);
}

static void a_packet_put_back_while_draining_waits_for_the_next_time(void **state) {
  (void)state;
  struct hold_queue queue = {0};
  push(&queue, 1, 0);
  push(&queue, 2, 0);
  hold_queue_drain(&queue, 0, take_and_push, &queue);
  assert_int_equal(queue.count, 2);
  hold_queue_clear(&queue);
  assert_int_equal(queue.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packets_leave_in_the_order_they_came),
      cmocka_unit_test(the_oldest_gives_way_when_full),
      cmocka_unit_test(large_packets_give_way_sooner),
      cmocka_unit_test(what_waited_too_long_is_not_sent),
      cmocka_unit_test(packets_too_large_or_empty_are_not_kept),
      cmocka_unit_test(two_queues_become_one),
      cmocka_unit_test(a_packet_put_back_while_draining_waits_for_the_next_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

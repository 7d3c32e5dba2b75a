#include "tunnel/send_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MILLISECOND UINT64_C(1000000)
enum { TCP = 6, ICMP = 1, MARK_AT = 60, SIZE = 1000 };

static struct send_queue queue;

static int setup(void **state UNUSED) {
  queue = (struct send_queue){0};
  return 0;
}

static int teardown(void **state UNUSED) {
  send_queue_clear(&queue);
  return 0;
}

static uint8_t ecn; /* of what is pushed */

/* Of a header whose checksum is right: 0xffff. */
static unsigned header_sum(const uint8_t *ipv4) {
  unsigned sum = 0;
  for (size_t i = 0; i < 20; i += 2) {
    sum += (unsigned)(ipv4[i] << 8 | ipv4[i + 1]);
  }
  return sum % 0xffff == 0 ? 0xffff : sum % 0xffff;
}

static int push(int version, uint8_t protocol, uint8_t port, uint8_t mark, uint64_t now) {
  static uint8_t bytes[SIZE];
  memset(bytes, 0, sizeof(bytes));
  bytes[0] = version == 4 ? 0x45 : 0x60;
  bytes[version == 4 ? 9 : 6] = protocol;
  bytes[(version == 4 ? 20 : 40) + 1] = port;
  bytes[MARK_AT] = mark;
  bytes[1] = (uint8_t)(ecn << (version == 4 ? 0 : 4));
  if (version == 4) {
    unsigned sum = 0xffff - header_sum(bytes);
    bytes[10] = (uint8_t)(sum >> 8);
    bytes[11] = (uint8_t)sum;
  }
  return send_queue_push(&queue, (struct span){bytes, sizeof(bytes)}, now);
}

static uint64_t late;

static void expect(uint8_t mark, uint64_t now) {
  struct span front = send_queue_front(&queue, now, &late);
  assert_int_equal(front.size, SIZE);
  assert_int_equal(front.data[MARK_AT], mark);
  send_queue_pop(&queue);
}

static void each_flow_keeps_its_order(void **state UNUSED) {
  uint8_t next[2][4] = {{0}};
  for (uint8_t i = 0; i < 200; i++) {
    assert_int_equal(push(i % 2 == 0 ? 4 : 6, TCP, i / 2 % 4, i / 8, 1), 0);
  }
  for (int i = 0; i < 200; i++) {
    struct span front = send_queue_front(&queue, 1, &late);
    bool ipv4 = front.data[0] >> 4 == 4;
    uint8_t port = front.data[(ipv4 ? 20 : 40) + 1];
    assert_int_equal(front.data[MARK_AT], next[ipv4][port]);
    next[ipv4][port]++;
    send_queue_pop(&queue);
  }
  assert_int_equal(send_queue_count(&queue), 0);
  assert_int_equal(send_queue_front(&queue, 1, &late).size, 0);
}

static void who_has_nothing_waiting_goes_ahead(void **state UNUSED) {
  for (uint8_t i = 0; i < 100; i++) {
    assert_int_equal(push(4, TCP, 1, i, 1), 0);
  }
  expect(0, 1);
  assert_int_equal(push(4, ICMP, 0, 201, 1), 0);
  assert_int_equal(push(4, TCP, 2, 202, 1), 0);
  assert_int_equal(push(4, TCP, 1, 100, 1), 0); /* its flow waits: in turn */
  expect(201, 1);
  expect(202, 1);
  for (uint8_t i = 1; i <= 100; i++) {
    expect(i, 1);
  }
}

static void what_is_being_sent_is_not_overtaken(void **state UNUSED) {
  assert_int_equal(push(4, TCP, 1, 1, 1), 0);
  assert_int_equal(push(4, TCP, 1, 2, 1), 0);
  expect(1, 1);
  assert_int_equal(send_queue_front(&queue, 1, &late).data[MARK_AT], 2);
  assert_int_equal(push(4, ICMP, 0, 3, 1), 0);
  assert_int_equal(send_queue_front(&queue, 1, &late).data[MARK_AT], 2);
  expect(2, 1);
  expect(3, 1);
}

static void a_queue_that_stands_is_thinned_and_the_others_are_not(void **state UNUSED) {
  late = 0;
  uint64_t now = MILLISECOND;
  for (int i = 0; i < 60; i++) { /* a wait of about 50 ms for a second */
    assert_int_equal(push(4, TCP, 1, 0, now), 0);
  }
  expect(0, now);
  for (int i = 0; i < 1000; i++) {
    now += MILLISECOND;
    assert_int_equal(push(4, TCP, 1, 0, now), 0);
    assert_int_equal(push(4, ICMP, 0, 7, now), 0);
    expect(7, now);
    if (send_queue_front(&queue, now, &late).size > 0) {
      send_queue_pop(&queue);
    }
  }
  assert_in_range(late, 10, 60);
}

static void who_understands_is_marked_and_not_dropped(void **state UNUSED) {
  late = 0;
  ecn = 2; /* ECT(0) */
  uint64_t now = MILLISECOND, marks = 0;
  for (int i = 0; i < 60; i++) {
    assert_int_equal(push(i % 2 == 0 ? 4 : 6, TCP, 1, 0, now), 0);
  }
  for (int i = 0; i < 1000; i++) {
    now += MILLISECOND;
    assert_int_equal(push(i % 2 == 0 ? 4 : 6, TCP, 1, 0, now), 0);
    struct span front = send_queue_front(&queue, now, &late);
    bool ipv4 = front.data[0] >> 4 == 4;
    marks += (front.data[1] >> (ipv4 ? 0 : 4) & 3) == 3;
    assert_true(!ipv4 || header_sum(front.data) == 0xffff);
    send_queue_pop(&queue);
  }
  ecn = 0;
  assert_int_equal(late, 0);
  assert_in_range(marks, 10, 60);
  assert_int_equal(queue.marked, marks);
}

static void the_oldest_of_the_same_kind_give_way(void **state UNUSED) {
  assert_int_equal(push(4, TCP, 1, 1, 1), 0); /* ahead: nothing of it waited */
  int gone = 0;
  for (int i = 0; i < PACKET_QUEUE_PACKETS + 100; i++) {
    gone += push(4, TCP, 1, 2, 1);
  }
  assert_true(gone >= 100);
  expect(1, 1);
  assert_int_equal(send_queue_front(&queue, 1, &late).data[MARK_AT], 2);
  assert_non_null(queue.chosen);
  assert_int_equal(push(4, TCP, 1, 3, 1), 1); /* the chosen was the oldest */
  assert_null(queue.chosen);
}

/* A path that takes nothing for five seconds. */
static void of_what_is_stale_the_last_of_each_flow_stays(void **state UNUSED) {
  late = 0;
  for (uint8_t i = 0; i < 50; i++) {
    assert_int_equal(push(4, TCP, 1, i, i * 100 * MILLISECOND), 0);
    assert_int_equal(push(4, TCP, 2, 100 + i, i * 100 * MILLISECOND), 0);
  }
  assert_int_equal(push(6, TCP, 3, 200, MILLISECOND), 0);
  uint64_t now = 5000 * MILLISECOND;
  expect(200, now);
  for (uint8_t i = 40; i < 50; i++) { /* the last second's */
    expect(i, now);
    expect(100 + i, now);
  }
  assert_int_equal(late, 80);
  assert_int_equal(send_queue_front(&queue, now, &late).size, 0);
}

static void what_is_no_ip_packet_waits_like_any_other(void **state UNUSED) {
  const uint8_t junk[] = {0x45, 0, 0};
  assert_int_equal(send_queue_push(&queue, (struct span){junk, sizeof(junk)}, 1), 0);
  assert_int_equal(send_queue_push(&queue, (struct span){junk, 1}, 1), 0);
  assert_int_equal(send_queue_push(&queue, (struct span){junk, 0}, 1), ERROR_LIMIT);
  assert_int_equal(send_queue_front(&queue, 1, &late).size, sizeof(junk));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_flow_keeps_its_order, setup, teardown),
      cmocka_unit_test_setup_teardown(who_has_nothing_waiting_goes_ahead, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_being_sent_is_not_overtaken, setup, teardown),
      cmocka_unit_test_setup_teardown(a_queue_that_stands_is_thinned_and_the_others_are_not, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(who_understands_is_marked_and_not_dropped, setup, teardown),
      cmocka_unit_test_setup_teardown(the_oldest_of_the_same_kind_give_way, setup, teardown),
      cmocka_unit_test_setup_teardown(of_what_is_stale_the_last_of_each_flow_stays, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(what_is_no_ip_packet_waits_like_any_other, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

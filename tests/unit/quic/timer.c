#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "quic/timer.h"

enum { TIMERS = 200 };

struct numbered {
  struct timer timer;
  uint64_t due;
};

struct record {
  uv_loop_t loop;
  uv_prepare_t prepare;
  struct timer_set *set;
  size_t fired;
  uint64_t last;
  size_t expected;
  bool closed;
};

static void note_closed(void *context) {
  ((struct record *)context)->closed = true;
}

static void note(struct timer *timer, uint64_t now, void *context) {
  struct record *record = context;
  const struct numbered *numbered = (const struct numbered *)timer;
  assert_true(now >= numbered->due);
  assert_true(numbered->due >= record->last);
  record->last = numbered->due;
  if (++record->fired == record->expected) {
    timer_set_close(record->set, note_closed, record);
    uv_close((uv_handle_t *)&record->prepare, NULL);
  }
}

static void about_to_wait(uv_prepare_t *prepare) {
  timer_set_arm(((struct record *)prepare->data)->set);
}

static void setup(struct record *record, size_t expected) {
  *record = (struct record){.expected = expected};
  assert_int_equal(uv_loop_init(&record->loop), 0);
  assert_int_equal(timer_set_new(&record->loop, note, record, &record->set, NULL), 0);
  uv_prepare_init(&record->loop, &record->prepare);
  record->prepare.data = record;
  uv_prepare_start(&record->prepare, about_to_wait);
}

static void run(struct record *record) {
  uv_run(&record->loop, UV_RUN_DEFAULT);
  assert_true(record->closed);
  assert_int_equal(record->fired, record->expected);
  assert_int_equal(uv_loop_close(&record->loop), 0);
}

static void timers_fire_in_the_order_of_their_expiry(void **state UNUSED) {
  struct record record;
  static struct numbered timers[TIMERS];
  setup(&record, TIMERS);
  uint64_t now = clock_now();
  srand(7);
  for (size_t i = 0; i < TIMERS; i++) {
    timers[i].due = now + (uint64_t)(rand() % 3000) * 1000;
    assert_int_equal(timer_set_put(record.set, &timers[i].timer, timers[i].due), 0);
  }
  run(&record);
}

static void a_timer_that_was_moved_fires_once_at_its_new_time(void **state UNUSED) {
  struct record record;
  static struct numbered timers[TIMERS];
  setup(&record, TIMERS / 2);
  uint64_t now = clock_now();
  for (size_t i = 0; i < TIMERS; i++) {
    assert_int_equal(timer_set_put(record.set, &timers[i].timer, now + 1000 + i), 0);
  }
  for (size_t i = 0; i < TIMERS; i++) {
    if (i % 2 == 0) {
      timer_set_clear(record.set, &timers[i].timer);
      timer_set_clear(record.set, &timers[i].timer); /* twice is once */
    } else {
      timers[i].due = now + 2000000 - i * 1000;
      assert_int_equal(timer_set_put(record.set, &timers[i].timer, timers[i].due), 0);
    }
  }
  run(&record);
}

static void never_means_cleared(void **state UNUSED) {
  struct record record;
  static struct numbered never, soon;
  setup(&record, 1);
  assert_int_equal(timer_set_put(record.set, &never.timer, clock_now()), 0);
  assert_int_equal(timer_set_put(record.set, &never.timer, UINT64_MAX), 0);
  assert_int_equal(timer_set_put(record.set, &soon.timer, 0), 0);
  run(&record);
  assert_int_equal(never.timer.position, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(timers_fire_in_the_order_of_their_expiry),
      cmocka_unit_test(a_timer_that_was_moved_fires_once_at_its_new_time),
      cmocka_unit_test(never_means_cleared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tunnel/codel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

enum { LONG = 100000 /* bytes of backlog */ };
#define MILLISECOND UINT64_C(1000000)

/* A packet a millisecond, each after a wait of `waited`; returns how many are dropped. */
static unsigned drops_in(struct codel *codel, uint64_t *now, unsigned milliseconds,
                         uint64_t waited) {
  unsigned drops = 0;
  for (unsigned i = 0; i < milliseconds; i++) {
    *now += MILLISECOND;
    drops += codel_drops(codel, *now, waited, LONG) ? 1 : 0;
  }
  return drops;
}

static void short_waits_are_fine_for_ever(void **state UNUSED) {
  struct codel codel = {0};
  uint64_t now = MILLISECOND;
  assert_int_equal(drops_in(&codel, &now, 10000, CODEL_TARGET - 1), 0);
}

static void a_burst_passes(void **state UNUSED) {
  struct codel codel = {0};
  uint64_t now = MILLISECOND;
  for (int i = 0; i < 20; i++) {
    assert_int_equal(drops_in(&codel, &now, 99, 50 * MILLISECOND), 0);
    assert_int_equal(drops_in(&codel, &now, 1, MILLISECOND), 0);
  }
}

static void a_standing_queue_loses_a_packet_and_then_more_and_more(void **state UNUSED) {
  struct codel codel = {0};
  uint64_t now = MILLISECOND;
  assert_int_equal(drops_in(&codel, &now, 100, 20 * MILLISECOND), 0);
  assert_int_equal(drops_in(&codel, &now, 2, 20 * MILLISECOND), 1);
  unsigned first = drops_in(&codel, &now, 1000, 20 * MILLISECOND);
  unsigned second = drops_in(&codel, &now, 1000, 20 * MILLISECOND);
  assert_in_range(first, 15, 40);
  assert_true(second > first);
}

static void it_stops_at_once_and_goes_on_where_it_was(void **state UNUSED) {
  struct codel codel = {0};
  uint64_t now = MILLISECOND;
  (void)drops_in(&codel, &now, 2000, 20 * MILLISECOND);
  assert_int_equal(drops_in(&codel, &now, 100, MILLISECOND), 0);
  unsigned again = drops_in(&codel, &now, 300, 20 * MILLISECOND);
  assert_true(again > 5); /* the first time it was 3 in 300 ms */
  (void)drops_in(&codel, &now, 10000, MILLISECOND);
  assert_in_range(drops_in(&codel, &now, 300, 20 * MILLISECOND), 1, 5);
}

static void a_queue_of_one_packet_is_never_too_long(void **state UNUSED) {
  struct codel codel = {0};
  for (uint64_t now = MILLISECOND; now < 3000 * MILLISECOND; now += MILLISECOND) {
    assert_false(codel_drops(&codel, now, 500 * MILLISECOND, CODEL_BYTES_MIN));
  }
}

static void an_empty_queue_is_a_new_beginning(void **state UNUSED) {
  struct codel codel = {0};
  uint64_t now = MILLISECOND;
  for (int i = 0; i < 20; i++) {
    assert_int_equal(drops_in(&codel, &now, 99, 50 * MILLISECOND), 0);
    codel_empty(&codel);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(short_waits_are_fine_for_ever),
      cmocka_unit_test(a_burst_passes),
      cmocka_unit_test(a_standing_queue_loses_a_packet_and_then_more_and_more),
      cmocka_unit_test(it_stops_at_once_and_goes_on_where_it_was),
      cmocka_unit_test(a_queue_of_one_packet_is_never_too_long),
      cmocka_unit_test(an_empty_queue_is_a_new_beginning),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

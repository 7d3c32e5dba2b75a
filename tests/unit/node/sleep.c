#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/sleep.h"

#define SECOND UINT64_C(1000000000)

static void who_is_awake_has_not_slept(void **state) {
  (void)state;
  struct sleep sleep = sleep_begin(500 * SECOND, 100 * SECOND);
  assert_int_equal(sleep_since(&sleep, 510 * SECOND, 110 * SECOND), 0);
  assert_int_equal(sleep_since(&sleep, 900 * SECOND, 500 * SECOND), 0);
}

static void a_sleep_is_told_once_and_in_full(void **state) {
  (void)state;
  struct sleep sleep = sleep_begin(500 * SECOND, 500 * SECOND);
  assert_int_equal(sleep_since(&sleep, 4100 * SECOND, 501 * SECOND), 3599 * SECOND);
  assert_int_equal(sleep_since(&sleep, 4110 * SECOND, 511 * SECOND), 0);
  assert_int_equal(sleep_since(&sleep, 4120 * SECOND, 512 * SECOND), 9 * SECOND);
}

/* The two clocks are read one after the other. */
static void a_clock_read_late_is_no_sleep_backwards(void **state) {
  (void)state;
  struct sleep sleep = sleep_begin(500 * SECOND, 500 * SECOND);
  assert_int_equal(sleep_since(&sleep, 510 * SECOND, 510 * SECOND + 7), 0);
  assert_int_equal(sleep_since(&sleep, 520 * SECOND, 520 * SECOND), 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_is_awake_has_not_slept),
      cmocka_unit_test(a_sleep_is_told_once_and_in_full),
      cmocka_unit_test(a_clock_read_late_is_no_sleep_backwards),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

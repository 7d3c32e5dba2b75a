#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/backoff.h"

static void the_wait_doubles_from_the_first_to_the_limit(void **state) {
  (void)state;
  struct backoff backoff = {.first = 500, .limit = 30000};
  const uint64_t steps[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    assert_int_equal(backoff_next(&backoff, UINT32_MAX), steps[i]);
}

static void the_wait_is_never_shorter_than_half_a_step(void **state) {
  (void)state;
  struct backoff backoff = {.first = 500, .limit = 30000};
  const uint64_t halves[] = {250, 500, 1000, 2000, 4000, 8000, 15000, 15000};
  for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
    assert_int_equal(backoff_next(&backoff, 0), halves[i]);
}

static void the_random_number_chooses_within_the_upper_half(void **state) {
  (void)state;
  struct backoff backoff = {.first = 1000, .limit = 1000};
  assert_int_equal(backoff_next(&backoff, UINT32_C(1) << 31), 750);
}

static void a_success_begins_anew(void **state) {
  (void)state;
  struct backoff backoff = {.first = 500, .limit = 30000};
  for (int i = 0; i < 5; i++)
    backoff_next(&backoff, 0);
  backoff_reset(&backoff);
  assert_int_equal(backoff_next(&backoff, UINT32_MAX), 500);
}

static void a_million_failures_overflow_nothing(void **state) {
  (void)state;
  struct backoff backoff = {.first = 500, .limit = 30000};
  for (int i = 0; i < 1000000; i++)
    assert_in_range(backoff_next(&backoff, (uint32_t)i * 2654435761U), 250, 30000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_wait_doubles_from_the_first_to_the_limit),
      cmocka_unit_test(the_wait_is_never_shorter_than_half_a_step),
      cmocka_unit_test(the_random_number_chooses_within_the_upper_half),
      cmocka_unit_test(a_success_begins_anew),
      cmocka_unit_test(a_million_failures_overflow_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

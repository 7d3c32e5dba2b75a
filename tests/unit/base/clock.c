#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"

static void the_monotonic_clock_never_goes_back(void **state UNUSED) {
  uint64_t before = clock_now();
  assert_true(before > 0);
  for (int i = 0; i < 1000; i++) {
    uint64_t now = clock_now();
    assert_true(now >= before);
    before = now;
  }
}

static void the_wall_clock_is_the_system_s(void **state UNUSED) {
  int64_t before = (int64_t)time(NULL), now = clock_wall();
  assert_true(now >= before && now - before < 60);
}

static void wall_time_is_written_in_utc(void **state UNUSED) {
  char text[CLOCK_TEXT_SIZE];
  assert_string_equal(clock_text(0, text), "1970-01-01T00:00:00Z");
  assert_string_equal(clock_text(1795532645, text), "2026-11-24T15:04:05Z");
  assert_string_equal(clock_text(-1, text), "1969-12-31T23:59:59Z");
}

static void a_time_beyond_the_calendar_is_written_as_a_number(void **state UNUSED) {
  char text[CLOCK_TEXT_SIZE];
  assert_string_equal(clock_text(INT64_MAX, text), "9223372036854775807");
  assert_string_equal(clock_text(INT64_MIN, text), "-9223372036854775808");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_monotonic_clock_never_goes_back),
      cmocka_unit_test(the_wall_clock_is_the_system_s),
      cmocka_unit_test(wall_time_is_written_in_utc),
      cmocka_unit_test(a_time_beyond_the_calendar_is_written_as_a_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

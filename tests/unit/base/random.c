#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/random.h"

static void two_draws_differ(void **state UNUSED) {
  uint8_t a[32] = {0}, b[32] = {0};
  random_bytes(a, sizeof(a));
  random_bytes(b, sizeof(b));
  assert_memory_not_equal(a, b, sizeof(a));
}

static void only_what_was_asked_for_is_filled(void **state UNUSED) {
  uint8_t data[34] = {0};
  random_bytes(data + 1, 32);
  assert_int_equal(data[0], 0);
  assert_int_equal(data[33], 0);
  random_bytes(data, 0);
  assert_int_equal(data[0], 0);
}

/* getrandom gives at most 256 bytes in one piece for sure. */
static void a_large_buffer_is_filled_to_its_end(void **state UNUSED) {
  static uint8_t data[1 << 16];
  static const uint8_t zero[64];
  random_bytes(data, sizeof(data));
  for (size_t i = 0; i < sizeof(data); i += sizeof(zero)) {
    assert_memory_not_equal(data + i, zero, sizeof(zero));
  }
}

static void numbers_stay_below_their_bound_and_reach_all_of_it(void **state UNUSED) {
  unsigned seen = 0;
  for (int i = 0; i < 1000; i++) {
    uint32_t value = random_below(5);
    assert_in_range(value, 0, 4);
    seen |= 1u << value;
  }
  assert_int_equal(seen, 0x1f);
  assert_int_equal(random_below(1), 0);
  assert_true(random_below(UINT32_MAX) < UINT32_MAX);
  assert_true(random_below(0x80000001u) < 0x80000001u);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_draws_differ),
      cmocka_unit_test(only_what_was_asked_for_is_filled),
      cmocka_unit_test(a_large_buffer_is_filled_to_its_end),
      cmocka_unit_test(numbers_stay_below_their_bound_and_reach_all_of_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

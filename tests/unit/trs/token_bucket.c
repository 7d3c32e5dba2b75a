#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "trs/token_bucket.h"

enum { MEGABYTE = 1000000, START = 123456789 /* milliseconds */ };

/* Takes packets of `size` until one is refused. */
static uint64_t take_all(struct token_bucket *bucket, uint64_t rate, size_t size, uint64_t now) {
  uint64_t taken = 0;
  while (token_bucket_take(bucket, rate, size, now)) {
    taken += size;
  }
  return taken;
}

static void a_new_bucket_lets_a_burst_through_and_no_more(void **state UNUSED) {
  struct token_bucket bucket = {0};
  assert_int_equal(take_all(&bucket, MEGABYTE, 1250, START), 250000);
  struct token_bucket slow = {0};
  assert_int_equal(take_all(&slow, 1, 1024, START), TOKEN_BUCKET_BURST_MIN);
}

static void over_time_the_rate_holds(void **state UNUSED) {
  struct token_bucket bucket = {0};
  take_all(&bucket, MEGABYTE, 1000, START);
  uint64_t taken = 0;
  for (uint64_t now = START + 1; now <= START + 10000; now++) {
    taken += take_all(&bucket, MEGABYTE, 1000, now);
  }
  assert_int_equal(taken, 10 * MEGABYTE);
}

static void slow_rates_lose_nothing_to_short_steps(void **state UNUSED) {
  struct token_bucket bucket = {0};
  take_all(&bucket, 100, 1, START);
  uint64_t taken = 0;
  for (uint64_t now = START + 1; now <= START + 5000; now++) {
    taken += take_all(&bucket, 100, 1, now);
  }
  assert_int_equal(taken, 500);
}

static void a_long_rest_gives_one_burst(void **state UNUSED) {
  struct token_bucket bucket = {0};
  take_all(&bucket, MEGABYTE, 1250, START);
  assert_int_equal(take_all(&bucket, MEGABYTE, 1250, START + UINT64_C(1000000000000)), 250000);
}

static void the_highest_rate_can_be_reckoned_with(void **state UNUSED) {
  struct token_bucket bucket = {0};
  assert_true(token_bucket_take(&bucket, TOKEN_BUCKET_RATE_MAX, 65535, UINT64_MAX / 2));
  assert_true(token_bucket_take(&bucket, TOKEN_BUCKET_RATE_MAX, 65535, UINT64_MAX / 2));
  assert_true(token_bucket_take(&bucket, TOKEN_BUCKET_RATE_MAX, 65535, UINT64_MAX));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_bucket_lets_a_burst_through_and_no_more),
      cmocka_unit_test(over_time_the_rate_holds),
      cmocka_unit_test(slow_rates_lose_nothing_to_short_steps),
      cmocka_unit_test(a_long_rest_gives_one_burst),
      cmocka_unit_test(the_highest_rate_can_be_reckoned_with),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

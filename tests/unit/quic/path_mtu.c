#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "quic/path_mtu.h"

enum { PATIENCE = 1000 };

static void send_large(struct path_mtu *mtu, uint64_t count, uint64_t now) {
  for (uint64_t id = 0; id < count; id++) {
    path_mtu_sent(mtu, id, 1452, now);
  }
}

static void large_ones_that_never_arrive_lower_the_limit(void **state UNUSED) {
  struct path_mtu mtu;
  path_mtu_init(&mtu, 0);
  send_large(&mtu, PATH_MTU_MISSING, 10);
  path_mtu_heard(&mtu, 10 + PATIENCE, PATIENCE);
  assert_int_equal(path_mtu_limit(&mtu, 0), 1452);
  path_mtu_heard(&mtu, 11 + PATIENCE, PATIENCE);
  assert_int_equal(path_mtu_limit(&mtu, 0), 1200);
}

static void one_that_arrives_starts_the_count_anew(void **state UNUSED) {
  struct path_mtu mtu;
  path_mtu_init(&mtu, 0);
  send_large(&mtu, 100, 10);
  path_mtu_arrived(&mtu, 3);
  path_mtu_heard(&mtu, 10 * PATIENCE, PATIENCE);
  assert_int_equal(path_mtu_limit(&mtu, 0), 1452);
}

static void a_few_are_not_enough_to_judge(void **state UNUSED) {
  struct path_mtu mtu;
  path_mtu_init(&mtu, 0);
  send_large(&mtu, PATH_MTU_MISSING - 1, 10);
  path_mtu_heard(&mtu, 10 * PATIENCE, PATIENCE);
  assert_int_equal(path_mtu_limit(&mtu, 0), 1452);
}

static void small_ones_tell_nothing(void **state UNUSED) {
  struct path_mtu mtu;
  path_mtu_init(&mtu, 0);
  for (uint64_t id = 0; id < 50; id++) {
    path_mtu_sent(&mtu, id, 1200, 10);
  }
  path_mtu_heard(&mtu, 10 * PATIENCE, PATIENCE);
  assert_int_equal(path_mtu_limit(&mtu, 0), 1452);
}

static void the_limit_rises_again(void **state UNUSED) {
  struct path_mtu mtu;
  path_mtu_init(&mtu, 0);
  send_large(&mtu, 50, 10);
  path_mtu_heard(&mtu, 10 * PATIENCE, PATIENCE);
  assert_int_equal(path_mtu_limit(&mtu, PATH_MTU_RAISE), 1200);
  assert_int_equal(path_mtu_limit(&mtu, 2 * PATH_MTU_RAISE), 1452);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(large_ones_that_never_arrive_lower_the_limit),
      cmocka_unit_test(one_that_arrives_starts_the_count_anew),
      cmocka_unit_test(a_few_are_not_enough_to_judge),
      cmocka_unit_test(small_ones_tell_nothing),
      cmocka_unit_test(the_limit_rises_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

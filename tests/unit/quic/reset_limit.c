#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "quic/reset_limit.h"

enum { ID_SIZE = 18 };
#define BEGIN (1000 * RESET_LIMIT_WINDOW)

static bool allows(struct reset_limit *limit, uint64_t number, uint64_t now) {
  uint8_t id[ID_SIZE] = {1, 2, 3, 4};
  memcpy(id + ID_SIZE - sizeof(number), &number, sizeof(number));
  return reset_limit_allows(limit, id, sizeof(id), now);
}

static void one_flood_does_not_use_up_what_others_need(void **state) {
  (void)state;
  struct reset_limit limit = {0};
  assert_true(allows(&limit, 1, BEGIN));
  for (int i = 0; i < 10000; i++) {
    assert_false(allows(&limit, 1, BEGIN + 1));
  }
  assert_true(allows(&limit, 2, BEGIN + 2));
}

static void each_is_answered_again_in_the_next_window(void **state) {
  (void)state;
  struct reset_limit limit = {0};
  assert_true(allows(&limit, 1, BEGIN));
  assert_false(allows(&limit, 1, BEGIN + RESET_LIMIT_WINDOW - 1));
  assert_true(allows(&limit, 1, BEGIN + RESET_LIMIT_WINDOW));
}

static void many_share_a_window(void **state) {
  (void)state;
  struct reset_limit limit = {0};
  unsigned allowed = 0;
  for (uint64_t i = 1; i <= 1000; i++) {
    allowed += allows(&limit, i, BEGIN);
  }
  assert_int_equal(allowed, RESET_LIMIT_COUNT);
  assert_true(allows(&limit, 2000, BEGIN + RESET_LIMIT_WINDOW));
}

static void ids_in_one_slot_push_each_other_out(void **state) {
  (void)state;
  struct reset_limit limit = {0};
  assert_true(allows(&limit, 1, BEGIN));
  assert_true(allows(&limit, 1 + RESET_LIMIT_REMEMBERED, BEGIN));
  assert_false(allows(&limit, 1 + RESET_LIMIT_REMEMBERED, BEGIN));
  assert_true(allows(&limit, 1, BEGIN));
}

static void short_ids_are_no_trouble(void **state) {
  (void)state;
  struct reset_limit limit = {0};
  uint8_t id[1] = {7};
  assert_true(reset_limit_allows(&limit, id, 1, BEGIN));
  assert_false(reset_limit_allows(&limit, id, 1, BEGIN));
  assert_false(reset_limit_allows(&limit, id, 0, BEGIN)); /* a packet with none wants no answer */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_flood_does_not_use_up_what_others_need),
      cmocka_unit_test(each_is_answered_again_in_the_next_window),
      cmocka_unit_test(many_share_a_window),
      cmocka_unit_test(ids_in_one_slot_push_each_other_out),
      cmocka_unit_test(short_ids_are_no_trouble),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

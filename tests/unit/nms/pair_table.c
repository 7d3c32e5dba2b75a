#include "../store/fixture.h"

#include "nms/pair_table.h"

static int open_table(void **state) {
  *state = pair_table_new();
  return *state == NULL;
}

static int close_table(void **state) {
  pair_table_free(*state);
  return 0;
}

static void put(struct pair_table *table, uint64_t id, int64_t initiator, int64_t responder,
                uint64_t now) {
  struct pair pair = {.direction_id = id, .initiator_id = initiator, .responder_id = responder};
  pair_table_put(table, &pair, now);
}

static void a_direction_is_found_whichever_of_the_two_asks(void **state) {
  put(*state, 11, 1, 2, 100);
  put(*state, 12, 3, 1, 100);
  assert_int_equal(pair_table_find(*state, 1, 2, 100)->direction_id, 11);
  assert_int_equal(pair_table_find(*state, 2, 1, 100)->direction_id, 11);
  assert_int_equal(pair_table_find(*state, 1, 3, 100)->direction_id, 12);
  assert_int_equal(pair_table_find(*state, 1, 3, 100)->initiator_id, 3);
  assert_null(pair_table_find(*state, 2, 3, 100));
}

static void a_direction_lasts_three_seconds(void **state) {
  put(*state, 11, 1, 2, 100);
  assert_non_null(pair_table_find(*state, 1, 2, 100 + PAIR_LIFETIME_MILLISECONDS - 1));
  assert_null(pair_table_find(*state, 1, 2, 100 + PAIR_LIFETIME_MILLISECONDS));
}

static void a_newer_direction_takes_the_place_of_the_older(void **state) {
  put(*state, 11, 1, 2, 100);
  put(*state, 12, 2, 1, 1000);
  assert_int_equal(pair_table_find(*state, 1, 2, 1000)->direction_id, 12);
  /* The older one's time ends, the newer one's does not. */
  assert_int_equal(pair_table_find(*state, 1, 2, 100 + PAIR_LIFETIME_MILLISECONDS)->direction_id,
                   12);
  assert_null(pair_table_find(*state, 1, 2, 1000 + PAIR_LIFETIME_MILLISECONDS));
  put(*state, 13, 1, 2, 9000);
  assert_int_equal(pair_table_find(*state, 1, 2, 9000)->direction_id, 13);
}

static void what_is_noted_on_a_direction_stays(void **state) {
  put(*state, 11, 1, 2, 100);
  pair_table_find(*state, 1, 2, 200)->responder_confirmed = true;
  assert_true(pair_table_find(*state, 2, 1, 300)->responder_confirmed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_direction_is_found_whichever_of_the_two_asks),
      TEST(a_direction_lasts_three_seconds),
      TEST(a_newer_direction_takes_the_place_of_the_older),
      TEST(what_is_noted_on_a_direction_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

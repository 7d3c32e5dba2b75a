#include "../store/fixture.h"

#include "nms/route_ids.h"

static int open_ids(void **state) {
  *state = route_ids_new();
  return *state == NULL;
}

static int close_ids(void **state) {
  route_ids_free(*state);
  return 0;
}

static void expect_holder(const struct route_ids *ids, uint32_t route_id, int64_t device_id) {
  int64_t holder;
  assert_true(route_ids_holder(ids, route_id, &holder));
  assert_int_equal(holder, device_id);
}

static void expect_free(const struct route_ids *ids, uint32_t route_id) {
  int64_t holder;
  assert_false(route_ids_holder(ids, route_id, &holder));
}

static void no_two_devices_have_the_same_and_none_has_zero(void **state) {
  for (int64_t device = 1; device <= 1000; device++) {
    uint32_t route_id = route_ids_take(*state, device, 0, 100);
    assert_int_not_equal(route_id, 0);
    expect_holder(*state, route_id, device);
  }
  for (int64_t device = 1; device <= 1000; device++) {
    expect_holder(*state, route_ids_take(*state, device, 0, 100), device);
  }
}

static void a_free_wish_is_granted(void **state) {
  assert_int_equal(route_ids_take(*state, 1, 7, 100), 7);
  assert_int_equal(route_ids_take(*state, 1, 7, 100), 7);
  assert_int_equal(route_ids_take(*state, 1, 8, 100), 8);
  expect_holder(*state, 8, 1);
  expect_free(*state, 7);
}

static void who_wishes_what_is_taken_keeps_what_it_has(void **state) {
  assert_int_equal(route_ids_take(*state, 1, 7, 100), 7);
  assert_int_equal(route_ids_take(*state, 2, 8, 100), 8);
  assert_int_equal(route_ids_take(*state, 2, 7, 100), 8);
  expect_holder(*state, 7, 1);
}

static void who_has_none_and_wishes_what_is_taken_gets_another(void **state) {
  assert_int_equal(route_ids_take(*state, 1, 7, 100), 7);
  uint32_t route_id = route_ids_take(*state, 2, 7, 100);
  assert_int_not_equal(route_id, 0);
  assert_int_not_equal(route_id, 7);
}

static void an_id_is_held_for_who_has_left_as_long_as_a_grant_holds(void **state) {
  route_ids_take(*state, 1, 7, 100);
  route_ids_leave(*state, 1, 200);
  assert_int_not_equal(route_ids_take(*state, 2, 7, 200 + ROUTE_ID_HOLD_SECONDS - 1), 7);
  assert_int_equal(route_ids_take(*state, 2, 7, 200 + ROUTE_ID_HOLD_SECONDS), 7);
  expect_holder(*state, 7, 2);
}

static void who_came_back_in_time_is_not_forgotten(void **state) {
  route_ids_take(*state, 1, 7, 100);
  route_ids_leave(*state, 1, 200);
  assert_int_equal(route_ids_take(*state, 1, 0, 300), 7);
  route_ids_take(*state, 2, 0, 200 + 10 * ROUTE_ID_HOLD_SECONDS);
  expect_holder(*state, 7, 1);
}

static void ids_become_free_in_the_order_in_which_their_devices_left(void **state) {
  route_ids_take(*state, 1, 7, 100);
  route_ids_take(*state, 2, 8, 100);
  route_ids_leave(*state, 2, 200);
  route_ids_leave(*state, 1, 300);
  route_ids_leave(*state, 2, 400); /* has left already */
  route_ids_take(*state, 3, 0, 200 + ROUTE_ID_HOLD_SECONDS);
  expect_free(*state, 8);
  expect_holder(*state, 7, 1);
}

static void that_a_stranger_leaves_is_nothing(void **state) {
  route_ids_leave(*state, 1, 100);
  expect_free(*state, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ids, close_ids)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(no_two_devices_have_the_same_and_none_has_zero),
      TEST(a_free_wish_is_granted),
      TEST(who_wishes_what_is_taken_keeps_what_it_has),
      TEST(who_has_none_and_wishes_what_is_taken_gets_another),
      TEST(an_id_is_held_for_who_has_left_as_long_as_a_grant_holds),
      TEST(who_came_back_in_time_is_not_forgotten),
      TEST(ids_become_free_in_the_order_in_which_their_devices_left),
      TEST(that_a_stranger_leaves_is_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

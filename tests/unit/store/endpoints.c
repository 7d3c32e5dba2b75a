#include "fixture.h"

static struct store_endpoint endpoint(const char *text, bool behind_nat, int64_t seen) {
  struct store_endpoint made = {.behind_nat = behind_nat, .seen = seen};
  assert_int_equal(address_parse(text, 443, &made.observed), 0);
  return made;
}

static void the_last_endpoint_of_each_ip_version_is_kept(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_endpoint first = endpoint("192.0.2.1:4000", true, 10),
                        second = endpoint("192.0.2.9:4001", false, 20),
                        other = endpoint("[2001:db8::1]:443", false, 30), read;
  must(store_endpoint_put(place->store, device.id, &first, &error), &error);
  must(store_endpoint_get(place->store, device.id, 4, &read, &error), &error);
  assert_true(address_equal(&read.observed, &first.observed));
  assert_true(read.behind_nat);
  must(store_endpoint_put(place->store, device.id, &second, &error), &error);
  must(store_endpoint_put(place->store, device.id, &other, &error), &error);
  must(store_endpoint_get(place->store, device.id, 4, &read, &error), &error);
  assert_true(address_equal(&read.observed, &second.observed));
  assert_false(read.behind_nat);
  assert_int_equal(read.seen, 20);
  must(store_endpoint_get(place->store, device.id, 6, &read, &error), &error);
  assert_true(address_equal(&read.observed, &other.observed));
}

static void an_unchanged_endpoint_keeps_the_time_since_when(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_endpoint same = endpoint("192.0.2.1:4000", true, 10), read;
  must(store_endpoint_put(place->store, device.id, &same, &error), &error);
  same.seen = 99;
  must(store_endpoint_put(place->store, device.id, &same, &error), &error);
  must(store_endpoint_get(place->store, device.id, 4, &read, &error), &error);
  assert_int_equal(read.seen, 10);
  same.behind_nat = false;
  must(store_endpoint_put(place->store, device.id, &same, &error), &error);
  must(store_endpoint_get(place->store, device.id, 4, &read, &error), &error);
  assert_int_equal(read.seen, 99);
}

static void who_was_never_seen_is_not_found(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_endpoint read;
  must_fail(store_endpoint_get(place->store, device.id, 6, &read, &error), ERROR_NOT_FOUND, &error,
            "IPv6");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_last_endpoint_of_each_ip_version_is_kept),
      TEST(an_unchanged_endpoint_keeps_the_time_since_when),
      TEST(who_was_never_seen_is_not_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

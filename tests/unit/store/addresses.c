#include "fixture.h"

static void a_device_gets_one_address_of_each_ip_version(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct ip_address first = ip("10.77.0.1"), second = ip("10.77.0.2"), other = ip("fd00::1"), read;
  assert_int_equal(store_address_get(place->store, device.id, 4, &read, &error), ERROR_NOT_FOUND);
  must(store_address_add(place->store, device.id, &first, 1, &error), &error);
  must(store_address_add(place->store, device.id, &other, 1, &error), &error);
  assert_int_equal(store_address_add(place->store, device.id, &second, 1, &error), ERROR_EXISTS);
  must(store_address_get(place->store, device.id, 4, &read, &error), &error);
  assert_true(ip_address_equal(&read, &first));
  must(store_address_get(place->store, device.id, 6, &read, &error), &error);
  assert_true(ip_address_equal(&read, &other));
}

static void an_address_belongs_to_one_device(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device a = added_device(place->store, "a"), b = added_device(place->store, "b");
  struct ip_address address = ip("10.77.0.1");
  bool taken;
  must(store_address_is_taken(place->store, &address, &taken, &error), &error);
  assert_false(taken);
  must(store_address_add(place->store, a.id, &address, 1, &error), &error);
  must(store_address_is_taken(place->store, &address, &taken, &error), &error);
  assert_true(taken);
  must_fail(store_address_add(place->store, b.id, &address, 1, &error), ERROR_EXISTS, &error,
            "10.77.0.1");
}

static void an_address_needs_a_device_and_a_family(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct ip_address address = ip("10.77.0.1"), none = {0};
  assert_int_equal(store_address_add(place->store, 99, &address, 1, &error), ERROR_DATABASE);
  assert_int_equal(store_address_add(place->store, device.id, &none, 1, &error), ERROR_DATABASE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_device_gets_one_address_of_each_ip_version),
      TEST(an_address_belongs_to_one_device),
      TEST(an_address_needs_a_device_and_a_family),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fixture.h"

#include <string.h>

static void a_device_is_found_by_all_it_is_known_by(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device added = added_device(place->store, "alice"), device;
  added_device(place->store, "bob");
  struct ip_address ipv4 = ip("10.77.1.2"), ipv6 = ip("fd12:3456:789a:1::5");
  must(store_address_add(place->store, added.id, &ipv4, 1, &error), &error);
  must(store_address_add(place->store, added.id, &ipv6, 1, &error), &error);
  added.ipv4 = ipv4;
  added.ipv6 = ipv6;
  int (*by_text[])(struct store *, const char *, struct store_device *,
                   struct error *) = {store_device_by_name, store_device_by_fqdn};
  const char *texts[] = {"alice", "alice.test.internal"};
  for (size_t i = 0; i < 2; i++) {
    must(by_text[i](place->store, texts[i], &device, &error), &error);
    assert_int_equal(device.id, added.id);
  }
  must(store_device_by_key(place->store, added.public_key, &device, &error), &error);
  assert_int_equal(device.id, added.id);
  must(store_device_by_address(place->store, &ipv6, &device, &error), &error);
  assert_int_equal(device.id, added.id);
  must(store_device_by_address(place->store, &ipv4, &device, &error), &error);
  assert_string_equal(device.name, added.name);
  assert_string_equal(device.fqdn, added.fqdn);
  assert_memory_equal(device.public_key, added.public_key, PKI_HASH_SIZE);
  assert_string_equal(device.hardware, "a box");
  assert_string_equal(device.os, "Debian 12");
  assert_string_equal(device.version, "0.1.0");
  assert_false(device.revoked);
  assert_int_equal(device.created, 1000);
  assert_int_equal(device.first_seen, 0);
  assert_int_equal(device.last_seen, 0);
  assert_true(ip_address_equal(&device.ipv4, &ipv4));
  assert_true(ip_address_equal(&device.ipv6, &ipv6));
}

static void who_is_not_there_is_not_found(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device;
  struct ip_address address = ip("10.77.1.2");
  uint8_t key[PKI_HASH_SIZE] = {0};
  must_fail(store_device_by_name(place->store, "carol", &device, &error), ERROR_NOT_FOUND, &error,
            "carol");
  must_fail(store_device_by_fqdn(place->store, "c.test.internal", &device, &error), ERROR_NOT_FOUND,
            &error, "c.test.internal");
  must_fail(store_device_by_address(place->store, &address, &device, &error), ERROR_NOT_FOUND,
            &error, "10.77.1.2");
  assert_int_equal(store_device_by_key(place->store, key, &device, &error), ERROR_NOT_FOUND);
  assert_int_equal(store_device_seen(place->store, 99, "", "", "", 1, &error), ERROR_NOT_FOUND);
}

static void a_device_without_addresses_has_none(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device;
  added_device(place->store, "alice");
  must(store_device_by_name(place->store, "alice", &device, &error), &error);
  assert_false(ip_address_is_set(&device.ipv4));
  assert_false(ip_address_is_set(&device.ipv6));
}

static void a_name_is_given_once(void **state) {
  struct place *place = *state;
  struct error error = {0};
  added_device(place->store, "alice");
  struct store_device device = some_device("alice");
  device.public_key[31] = 9;
  strcpy(device.fqdn, "other.test.internal");
  must_fail(store_device_add(place->store, &device, &error), ERROR_EXISTS, &error,
            "named alice already");
}

static void a_key_belongs_to_one_device(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device alice = added_device(place->store, "alice"), device = some_device("bob");
  memcpy(device.public_key, alice.public_key, PKI_HASH_SIZE);
  must_fail(store_device_add(place->store, &device, &error), ERROR_EXISTS, &error, "key");
}

static void a_login_is_remembered_and_the_first_one_for_ever(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "alice");
  must(store_device_seen(place->store, device.id, "box 2", "Debian 13", "0.2", 5000, &error),
       &error);
  must(store_device_seen(place->store, device.id, "box 3", "Debian 14", "0.3", 6000, &error),
       &error);
  must(store_device_by_name(place->store, "alice", &device, &error), &error);
  assert_string_equal(device.hardware, "box 3");
  assert_string_equal(device.os, "Debian 14");
  assert_string_equal(device.version, "0.3");
  assert_int_equal(device.first_seen, 5000);
  assert_int_equal(device.last_seen, 6000);
}

struct visit {
  char names[64];
  int stop_after;
};

static int note(const struct store_device *device, void *context) {
  struct visit *visit = context;
  strcat(visit->names, device->name);
  strcat(visit->names, " ");
  return --visit->stop_after == 0 ? 42 : 0;
}

static void all_are_visited_by_name(void **state) {
  struct place *place = *state;
  struct error error = {0};
  added_device(place->store, "c");
  added_device(place->store, "a");
  added_device(place->store, "b");
  struct visit visit = {.stop_after = 99};
  must(store_device_each(place->store, note, &visit, &error), &error);
  assert_string_equal(visit.names, "a b c ");
}

static void a_visitor_may_stop(void **state) {
  struct place *place = *state;
  struct error error = {0};
  added_device(place->store, "a");
  added_device(place->store, "b");
  struct visit visit = {.stop_after = 1};
  assert_int_equal(store_device_each(place->store, note, &visit, &error), 42);
  assert_string_equal(visit.names, "a ");
  added_device(place->store, "c"); /* the reading has ended: writing is possible */
}

static void a_key_of_the_wrong_size_is_a_damaged_database(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device;
  added_device(place->store, "a");
  meddle(place, "UPDATE devices SET public_key = x'0102'");
  must_fail(store_device_by_name(place->store, "a", &device, &error), ERROR_DATABASE, &error,
            "impossible size");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_device_is_found_by_all_it_is_known_by),
      TEST(who_is_not_there_is_not_found),
      TEST(a_device_without_addresses_has_none),
      TEST(a_name_is_given_once),
      TEST(a_key_belongs_to_one_device),
      TEST(a_login_is_remembered_and_the_first_one_for_ever),
      TEST(all_are_visited_by_name),
      TEST(a_visitor_may_stop),
      TEST(a_key_of_the_wrong_size_is_a_damaged_database),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

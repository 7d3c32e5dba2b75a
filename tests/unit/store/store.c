#include "fixture.h"

#include <string.h>
#include <unistd.h>

static void the_network_comes_back_after_reopening(void **state) {
  struct place *place = *state;
  struct error error = {0};
  store_close(place->store);
  must(store_open(place->path, true, &place->store, &error), &error);
  struct store_network network, expected = some_network();
  must(store_network_get(place->store, &network, &error), &error);
  assert_string_equal(network.domain, "test.internal");
  assert_memory_equal(&network.ipv4, &expected.ipv4, sizeof(expected.ipv4));
  assert_memory_equal(&network.ipv6, &expected.ipv6, sizeof(expected.ipv6));
}

static void a_database_is_never_made_over_another(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_network network = some_network();
  struct store *store;
  must_fail(store_create(place->path, &network, &store, &error), ERROR_EXISTS, &error, place->path);
  assert_null(store);
  added_device(place->store, "still-here");
}

static void a_network_without_prefixes_is_no_network(void **state) {
  const struct place *place = *state;
  struct error error = {0};
  struct store *store;
  struct store_network network = some_network();
  network.ipv6 = network.ipv4;
  must_fail(store_create(place->path, &network, &store, &error), ERROR_INVALID, &error, "IPv6");
  network = some_network();
  network.domain[0] = '\0';
  must_fail(store_create(place->path, &network, &store, &error), ERROR_INVALID, &error, "domain");
  assert_int_equal(access(place->path, F_OK), -1);
}

static void an_interrupted_init_is_named(void **state) {
  const struct place *place = *state;
  meddle(place, "DELETE FROM network");
  struct error error = {0};
  struct store_network network;
  must_fail(store_network_get(place->store, &network, &error), ERROR_DATABASE, &error,
            "init was interrupted");
}

static void prefixes_that_are_none_are_named(void **state) {
  const struct place *place = *state;
  meddle(place, "UPDATE network SET ipv4 = 'ten'");
  struct error error = {0};
  struct store_network network;
  must_fail(store_network_get(place->store, &network, &error), ERROR_DATABASE, &error, "ten");
}

static void a_database_that_does_not_exist_is_not_found(void **state) {
  const struct place *place = *state;
  struct error error = {0};
  struct store *store;
  must_fail(store_open(place->path, false, &store, &error), ERROR_NOT_FOUND, &error, place->path);
  assert_null(store);
  store_close(NULL);
}

static void what_is_read_only_refuses_to_be_written(void **state) {
  struct place *place = *state;
  struct error error = {0};
  store_close(place->store);
  must(store_open(place->path, true, &place->store, &error), &error);
  struct store_device device = some_device("a");
  must_fail(store_device_add(place->store, &device, &error), ERROR_DATABASE, &error,
            "cannot be written");
}

static void a_transaction_holds_or_falls_as_one(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device;
  must(store_begin(place->store, &error), &error);
  added_device(place->store, "a");
  store_rollback(place->store);
  assert_int_equal(store_device_by_name(place->store, "a", &device, &error), ERROR_NOT_FOUND);
  must(store_begin(place->store, &error), &error);
  added_device(place->store, "a");
  added_device(place->store, "b");
  must(store_commit(place->store, &error), &error);
  must(store_device_by_name(place->store, "b", &device, &error), &error);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_network_comes_back_after_reopening, place_with_store,
                                      place_clear),
      cmocka_unit_test_setup_teardown(a_database_is_never_made_over_another, place_with_store,
                                      place_clear),
      cmocka_unit_test_setup_teardown(a_network_without_prefixes_is_no_network, place_empty,
                                      place_clear),
      cmocka_unit_test_setup_teardown(an_interrupted_init_is_named, place_with_store, place_clear),
      cmocka_unit_test_setup_teardown(prefixes_that_are_none_are_named, place_with_store,
                                      place_clear),
      cmocka_unit_test_setup_teardown(a_database_that_does_not_exist_is_not_found, place_empty,
                                      place_clear),
      cmocka_unit_test_setup_teardown(what_is_read_only_refuses_to_be_written, place_with_store,
                                      place_clear),
      cmocka_unit_test_setup_teardown(a_transaction_holds_or_falls_as_one, place_with_store,
                                      place_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static struct store_certificate added_certificate(struct store *store, int64_t device_id,
                                                  uint8_t number, int64_t not_after) {
  static uint8_t der[] = "\x30 der";
  struct error error = {0};
  struct store_certificate certificate = {.device_id = device_id,
                                          .not_before = 100,
                                          .not_after = not_after,
                                          .der = der,
                                          .der_size = sizeof(der)};
  certificate.serial[0] = number;
  certificate.fingerprint[0] = number;
  must(store_certificate_add(store, &certificate, &error), &error);
  return certificate;
}

static void a_certificate_is_found_by_its_fingerprint(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_certificate added = added_certificate(place->store, device.id, 1, 900), read;
  added_certificate(place->store, device.id, 2, 900);
  must(store_certificate_by_fingerprint(place->store, added.fingerprint, &read, &error), &error);
  assert_int_equal(read.id, added.id);
  assert_int_equal(read.device_id, device.id);
  assert_memory_equal(read.serial, added.serial, PKI_SERIAL_SIZE);
  assert_memory_equal(read.fingerprint, added.fingerprint, PKI_HASH_SIZE);
  assert_int_equal(read.not_before, 100);
  assert_int_equal(read.not_after, 900);
  assert_false(read.revoked);
  assert_int_equal(read.der_size, added.der_size);
  assert_memory_equal(read.der, added.der, added.der_size);
  free(read.der);
}

static void the_newest_is_the_one_that_lasts_longest(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device a = added_device(place->store, "a"), b = added_device(place->store, "b");
  added_certificate(place->store, a.id, 1, 900);
  struct store_certificate longest = added_certificate(place->store, a.id, 2, 1900), read;
  added_certificate(place->store, a.id, 3, 1200);
  added_certificate(place->store, b.id, 4, 5000);
  must(store_certificate_newest(place->store, a.id, &read, &error), &error);
  assert_int_equal(read.id, longest.id);
  free(read.der);
}

static void what_was_not_issued_is_not_found(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_certificate read;
  uint8_t fingerprint[PKI_HASH_SIZE] = {7};
  struct store_device device = added_device(place->store, "a");
  assert_int_equal(store_certificate_by_fingerprint(place->store, fingerprint, &read, &error),
                   ERROR_NOT_FOUND);
  assert_null(read.der);
  assert_int_equal(store_certificate_newest(place->store, device.id, &read, &error),
                   ERROR_NOT_FOUND);
}

static void a_certificate_is_recorded_once_and_for_a_device(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_certificate certificate = added_certificate(place->store, device.id, 1, 900);
  assert_int_equal(store_certificate_add(place->store, &certificate, &error), ERROR_EXISTS);
  certificate.serial[0] = certificate.fingerprint[0] = 2;
  certificate.device_id = 99;
  assert_int_equal(store_certificate_add(place->store, &certificate, &error), ERROR_DATABASE);
}

static void an_empty_certificate_comes_back_empty(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_certificate certificate = {.device_id = device.id, .revoked = true}, read;
  must(store_certificate_add(place->store, &certificate, &error), &error);
  must(store_certificate_newest(place->store, device.id, &read, &error), &error);
  assert_int_equal(read.der_size, 0);
  assert_true(read.revoked);
  free(read.der);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_certificate_is_found_by_its_fingerprint),
      TEST(the_newest_is_the_one_that_lasts_longest),
      TEST(what_was_not_issued_is_not_found),
      TEST(a_certificate_is_recorded_once_and_for_a_device),
      TEST(an_empty_certificate_comes_back_empty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "as/login.h"

/* A device that has signed up: what its certificate says. */
static struct pki_identity signed_up(struct office *office) {
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &applicant, &result, &identity);
  as_sign_up_result_clear(&result);
  applicant_clear(&applicant);
  return identity;
}

static Cyphonic__LoginRequest some_request(void) {
  static char hardware[] = "a new box", os[] = "Debian\n13", version[] = "0.2.0";
  Cyphonic__LoginRequest request = CYPHONIC__LOGIN_REQUEST__INIT;
  request.hardware = hardware;
  request.os = os;
  request.version = version;
  return request;
}

static void refused(struct office *office, const struct pki_identity *identity,
                    Cyphonic__Error__Code code, const char *words) {
  Cyphonic__LoginRequest request = some_request();
  struct store_device device;
  struct as_refusal refusal;
  assert_false(as_login(office->store, identity, &request, NOW, &device, &refusal));
  if (refusal.code != code || strstr(refusal.message, words) == NULL) {
    fail_msg("expected code %d with \"%s\", got %d: %s (%s)", (int)code, words, (int)refusal.code,
             refusal.message, refusal.cause.message);
  }
}

static void a_known_device_logs_in_and_is_remembered(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  Cyphonic__LoginRequest request = some_request();
  struct store_device device;
  struct as_refusal refusal;
  assert_true(as_login(office->store, &identity, &request, NOW + 5, &device, &refusal));
  assert_string_equal(device.fqdn, "alice.test.internal");
  struct error error = {0};
  must(store_device_by_name(office->store, "alice", &device, &error), &error);
  assert_string_equal(device.hardware, "a new box");
  assert_string_equal(device.os, "Debian?13");
  assert_string_equal(device.version, "0.2.0");
  assert_int_equal(device.first_seen, NOW + 5);
  assert_int_equal(device.last_seen, NOW + 5);
}

static void a_name_that_is_not_known_is_refused(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  strcpy(identity.name, "mallory.test.internal");
  refused(office, &identity, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN, "no device of this name");
}

static void another_key_under_the_name_is_refused(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  identity.public_key[0] ^= 1;
  refused(office, &identity, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN, "another key");
}

static void other_virtual_addresses_are_refused(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  struct pki_identity other = identity;
  other.ipv4.bytes[3] ^= 1;
  refused(office, &other, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN, "other virtual addresses");
  other = identity;
  other.ipv6.bytes[15] ^= 1;
  refused(office, &other, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN, "other virtual addresses");
}

static void a_certificate_that_was_not_recorded_is_refused(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  identity.fingerprint[0] ^= 1;
  refused(office, &identity, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN, "not issued to this device");
}

static void a_certificate_of_another_device_is_refused(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  added_device(office->store, "bob");
  meddle(office->place,
         "UPDATE certificates SET device_id = (SELECT id FROM devices WHERE name = 'bob')");
  refused(office, &identity, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN, "not issued to this device");
}

static void a_revoked_device_is_refused(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  meddle(office->place, "UPDATE devices SET revoked = 1");
  refused(office, &identity, CYPHONIC__ERROR__CODE__DEVICE_REVOKED, "this device has been");
}

static void a_revoked_certificate_is_refused(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  meddle(office->place, "UPDATE certificates SET revoked = 1");
  refused(office, &identity, CYPHONIC__ERROR__CODE__DEVICE_REVOKED, "certificate has been");
}

static void a_database_that_fails_is_unavailable(void **state) {
  struct office *office = *state;
  struct pki_identity identity = signed_up(office);
  meddle(office->place, "DROP TABLE certificates");
  refused(office, &identity, CYPHONIC__ERROR__CODE__UNAVAILABLE, "try again");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, office_open, office_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_known_device_logs_in_and_is_remembered),
      TEST(a_name_that_is_not_known_is_refused),
      TEST(another_key_under_the_name_is_refused),
      TEST(other_virtual_addresses_are_refused),
      TEST(a_certificate_that_was_not_recorded_is_refused),
      TEST(a_certificate_of_another_device_is_refused),
      TEST(a_revoked_device_is_refused),
      TEST(a_revoked_certificate_is_refused),
      TEST(a_database_that_fails_is_unavailable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Expects a refusal, and that nothing has changed but that. */
static void refused(struct office *office, const struct applicant *applicant,
                    Cyphonic__Error__Code code, const char *words) {
  struct as_sign_up_result result;
  struct as_refusal refusal;
  assert_false(as_sign_up(&office->context, &applicant->request, NOW, &result, &refusal));
  if (refusal.code != code || strstr(refusal.message, words) == NULL) {
    fail_msg("expected code %d with \"%s\", got %d: %s (%s)", (int)code, words, (int)refusal.code,
             refusal.message, refusal.cause.message);
  }
  assert_null(result.root);
  assert_int_equal(result.chain.count, 0);
  /* No transaction is left open. */
  struct error error = {0};
  must(store_begin(office->store, &error), &error);
  store_rollback(office->store);
}

static int64_t uses_left(struct office *office) {
  uint8_t hash[PKI_HASH_SIZE];
  invitation_secret_hash(office->secret, hash);
  struct store_invitation invitation;
  struct error error = {0};
  must(store_invitation_by_hash(office->store, hash, &invitation, &error), &error);
  return invitation.uses_left;
}

static int count_one(const struct store_device *device UNUSED, void *context) {
  ++*(int *)context;
  return 0;
}

static int devices(struct office *office) {
  int count = 0;
  struct error error = {0};
  must(store_device_each(office->store, count_one, &count, &error), &error);
  return count;
}

static void an_invited_node_gets_name_addresses_and_certificate(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"Alice"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &applicant, &result, &identity);
  assert_false(result.again);
  assert_string_equal(result.domain, "test.internal");
  assert_string_equal(result.device.name, "alice");
  assert_string_equal(identity.name, "alice.test.internal");
  assert_true(ip_address_equal(&identity.ipv4, &result.device.ipv4));
  assert_true(ip_address_equal(&identity.ipv6, &result.device.ipv6));
  assert_int_equal(identity.not_before, NOW - PKI_BACKDATE_SECONDS);
  assert_int_equal(identity.not_after, NOW + CERTIFICATE_SECONDS);
  assert_int_equal(result.chain.count, 2);
  struct error error = {0};
  uint8_t key[PKI_HASH_SIZE];
  must(pki_key_hash(applicant.key, key, &error), &error);
  assert_memory_equal(identity.public_key, key, sizeof(key));
  struct store_device device;
  must(store_device_by_name(office->store, "alice", &device, &error), &error);
  assert_string_equal(device.fqdn, identity.name);
  assert_memory_equal(device.public_key, key, sizeof(key));
  assert_string_equal(device.hardware, "a box");
  assert_int_equal(device.created, NOW);
  assert_true(ip_address_equal(&device.ipv4, &identity.ipv4));
  struct store_certificate certificate;
  must(store_certificate_by_fingerprint(office->store, identity.fingerprint, &certificate, &error),
       &error);
  assert_int_equal(certificate.device_id, device.id);
  assert_memory_equal(certificate.serial, identity.serial, PKI_SERIAL_SIZE);
  assert_int_equal(certificate.not_after, identity.not_after);
  free(certificate.der);
  assert_int_equal(uses_left(office), 0);
  as_sign_up_result_clear(&result);
  applicant_clear(&applicant);
}

static void a_lost_answer_is_given_again(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  struct as_sign_up_result first, second;
  struct pki_identity one, two;
  sign_up(office, &applicant, &first, &one);
  applicant.request.name = (char[]){"another-wish"};
  sign_up(office, &applicant, &second, &two);
  assert_true(second.again);
  assert_memory_equal(one.fingerprint, two.fingerprint, PKI_HASH_SIZE);
  assert_string_equal(second.device.fqdn, first.device.fqdn);
  assert_string_equal(second.domain, first.domain);
  assert_true(ip_address_equal(&first.device.ipv6, &second.device.ipv6));
  assert_int_equal(second.chain.count, first.chain.count);
  assert_int_equal(devices(office), 1);
  assert_int_equal(uses_left(office), 0);
  as_sign_up_result_clear(&first);
  as_sign_up_result_clear(&second);
  applicant_clear(&applicant);
}

static void a_lost_answer_costs_no_second_use(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 5, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  for (int i = 0; i < 3; i++) {
    struct as_sign_up_result result;
    struct pki_identity identity;
    sign_up(office, &applicant, &result, &identity);
    as_sign_up_result_clear(&result);
  }
  assert_int_equal(uses_left(office), 4);
  applicant_clear(&applicant);
}

static void a_used_invitation_is_refused(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant first, second;
  applicant_init(&first, office, (char[]){"alice"});
  applicant_init(&second, office, (char[]){"bob"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &first, &result, &identity);
  refused(office, &second, CYPHONIC__ERROR__CODE__INVITATION_USED, "has been used");
  assert_int_equal(devices(office), 1);
  as_sign_up_result_clear(&result);
  applicant_clear(&first);
  applicant_clear(&second);
}

static void an_expired_invitation_is_refused_with_its_end(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  refused(office, &applicant, CYPHONIC__ERROR__CODE__INVITATION_EXPIRED, "2027-01-15T08:00:00Z");
  assert_int_equal(uses_left(office), 1);
  applicant_clear(&applicant);
}

static void an_unknown_secret_is_refused(void **state) {
  struct office *office = *state;
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  refused(office, &applicant, CYPHONIC__ERROR__CODE__INVITATION_INVALID, "no such invitation");
  applicant.request.secret.len = 3;
  refused(office, &applicant, CYPHONIC__ERROR__CODE__INVITATION_INVALID, "no such invitation");
  applicant.request.secret.len = 0;
  applicant.request.secret.data = NULL;
  refused(office, &applicant, CYPHONIC__ERROR__CODE__INVITATION_INVALID, "no such invitation");
  applicant_clear(&applicant);
}

static void a_request_that_does_not_hold_is_refused(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  applicant.csr[applicant.csr_size - 1] ^= 1; /* of the signature */
  refused(office, &applicant, CYPHONIC__ERROR__CODE__MALFORMED, "certificate request");
  applicant.request.csr.len = 0;
  refused(office, &applicant, CYPHONIC__ERROR__CODE__MALFORMED, "certificate request");
  assert_int_equal(uses_left(office), 1);
  applicant_clear(&applicant);
}

static void a_name_that_is_taken_is_refused_and_costs_nothing(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 2, NOW + 60);
  struct applicant first, second;
  applicant_init(&first, office, (char[]){"alice"});
  applicant_init(&second, office, (char[]){"ALICE"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &first, &result, &identity);
  as_sign_up_result_clear(&result);
  refused(office, &second, CYPHONIC__ERROR__CODE__NAME_TAKEN, "named alice already");
  assert_int_equal(uses_left(office), 1);
  second.request.name = (char[]){"bob"};
  sign_up(office, &second, &result, &identity);
  assert_string_equal(identity.name, "bob.test.internal");
  as_sign_up_result_clear(&result);
  applicant_clear(&first);
  applicant_clear(&second);
}

static void a_name_that_is_none_is_refused(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){""});
  refused(office, &applicant, CYPHONIC__ERROR__CODE__NAME_INVALID, "has no name");
  applicant.request.name = (char[]){"nms"};
  refused(office, &applicant, CYPHONIC__ERROR__CODE__NAME_INVALID, "reserved");
  applicant_clear(&applicant);
}

static void an_invitation_for_a_name_gives_that_name(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "carol", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &applicant, &result, &identity);
  assert_string_equal(identity.name, "carol.test.internal");
  as_sign_up_result_clear(&result);
  applicant_clear(&applicant);
}

static void a_name_too_long_under_the_domain_is_refused(void **state) {
  struct office *office = *state;
  char domain[PKI_NAME_SIZE + 64];
  snprintf(domain, sizeof(domain), "UPDATE network SET domain = '%0240d'", 0);
  meddle(office->place, domain);
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"a-rather-long-name"});
  refused(office, &applicant, CYPHONIC__ERROR__CODE__NAME_INVALID, "too long");
  applicant_clear(&applicant);
}

static void one_key_is_one_device(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &applicant, &result, &identity);
  as_sign_up_result_clear(&result);
  office_invite(office, 2, "", 1, NOW + 60); /* which the applicant's request now bears */
  applicant.request.name = (char[]){"bob"};
  refused(office, &applicant, CYPHONIC__ERROR__CODE__NAME_TAKEN, "signed up as alice");
  assert_int_equal(uses_left(office), 1);
  applicant_clear(&applicant);
}

static void who_was_revoked_gets_no_certificate_again(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &applicant, &result, &identity);
  as_sign_up_result_clear(&result);
  meddle(office->place, "UPDATE certificates SET revoked = 1");
  refused(office, &applicant, CYPHONIC__ERROR__CODE__DEVICE_REVOKED, "alice");
  meddle(office->place, "UPDATE devices SET revoked = 1");
  refused(office, &applicant, CYPHONIC__ERROR__CODE__DEVICE_REVOKED, "has been revoked");
  applicant_clear(&applicant);
}

static void an_expired_certificate_is_not_given_again(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &applicant, &result, &identity);
  as_sign_up_result_clear(&result);
  meddle(office->place, "UPDATE certificates SET not_after = 1799999999");
  refused(office, &applicant, CYPHONIC__ERROR__CODE__INVITATION_USED, "no longer valid");
  applicant_clear(&applicant);
}

static int allocate_nothing(struct store *store UNUSED, int64_t device_id UNUSED,
                            int64_t now UNUSED, struct ip_address *ipv4 UNUSED,
                            struct ip_address *ipv6 UNUSED, struct error *error) {
  return error_set(error, ERROR_LIMIT, "all are given");
}

static void exhausted_addresses_leave_no_device_behind(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  office->context.allocate = allocate_nothing;
  refused(office, &applicant, CYPHONIC__ERROR__CODE__ADDRESSES_EXHAUSTED, "no virtual address");
  assert_int_equal(devices(office), 0);
  assert_int_equal(uses_left(office), 1);
  applicant_clear(&applicant);
}

static void a_database_that_fails_is_unavailable_and_its_cause_stays_here(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct applicant applicant;
  applicant_init(&applicant, office, (char[]){"alice"});
  meddle(office->place, "DROP TABLE certificates");
  struct as_sign_up_result result;
  struct as_refusal refusal;
  assert_false(as_sign_up(&office->context, &applicant.request, NOW, &result, &refusal));
  assert_int_equal(refusal.code, CYPHONIC__ERROR__CODE__UNAVAILABLE);
  assert_null(strstr(refusal.message, "certificates"));
  assert_non_null(strstr(refusal.cause.message, "certificates"));
  assert_int_equal(devices(office), 0);
  assert_int_equal(uses_left(office), 1);
  applicant_clear(&applicant);
}

static void of_two_servers_at_once_one_lets_in(void **state) {
  struct office *office = *state;
  office_invite(office, 1, "", 1, NOW + 60);
  struct error error = {0};
  struct store *other;
  must(store_open(office->place->path, false, &other, &error), &error);
  struct applicant first, second;
  applicant_init(&first, office, (char[]){"alice"});
  applicant_init(&second, office, (char[]){"bob"});
  struct as_sign_up_result result;
  struct pki_identity identity;
  sign_up(office, &first, &result, &identity);
  as_sign_up_result_clear(&result);
  office->context.store = other;
  refused(office, &second, CYPHONIC__ERROR__CODE__INVITATION_USED, "has been used");
  store_close(other);
  applicant_clear(&first);
  applicant_clear(&second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, office_open, office_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_invited_node_gets_name_addresses_and_certificate),
      TEST(a_lost_answer_is_given_again),
      TEST(a_lost_answer_costs_no_second_use),
      TEST(a_used_invitation_is_refused),
      TEST(an_expired_invitation_is_refused_with_its_end),
      TEST(an_unknown_secret_is_refused),
      TEST(a_request_that_does_not_hold_is_refused),
      TEST(a_name_that_is_taken_is_refused_and_costs_nothing),
      TEST(a_name_that_is_none_is_refused),
      TEST(an_invitation_for_a_name_gives_that_name),
      TEST(a_name_too_long_under_the_domain_is_refused),
      TEST(one_key_is_one_device),
      TEST(who_was_revoked_gets_no_certificate_again),
      TEST(an_expired_certificate_is_not_given_again),
      TEST(exhausted_addresses_leave_no_device_behind),
      TEST(a_database_that_fails_is_unavailable_and_its_cause_stays_here),
      TEST(of_two_servers_at_once_one_lets_in),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

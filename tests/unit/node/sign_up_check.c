#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fixture.h"
#include "node/message.h"
#include "node/sign_up_check.h"

/* What an honest AS answers to a request with our key, for tests to spoil. */
struct answer {
  struct world world;
  struct pki_key *key;
  uint8_t key_hash[PKI_HASH_SIZE];
  struct pki_chain chain;
  uint8_t *root;
  size_t root_size;
  struct pki_identity identity;
  ProtobufCBinaryData certificates[PKI_CHAIN_MAX + 1];
  Cyphonic__SignUpResponse response;
  char domain[32];
};

static int answer_make(void **state) {
  struct answer *answer = calloc(1, sizeof *answer);
  assert_non_null(answer);
  world_init(&answer->world);
  struct error error = {0};
  uint8_t *request;
  size_t size;
  assert_int_equal(pki_key_new(&answer->key, &error), 0);
  assert_int_equal(pki_key_hash(answer->key, answer->key_hash, &error), 0);
  assert_int_equal(pki_request_new(answer->key, "carol", &request, &size, &error), 0);
  int64_t now = clock_wall();
  struct pki_node_subject subject = {
      .fqdn = "carol.test.internal", .not_before = now - 60, .not_after = now + 3600};
  assert_int_equal(ip_address_parse("10.9.0.3", &subject.ipv4), 0);
  assert_int_equal(ip_address_parse("fd00::3", &subject.ipv6), 0);
  struct span der = {.data = request, .size = size};
  assert_int_equal(pki_issue_node(answer->world.intermediate, der, &subject, &answer->chain,
                                  &answer->identity, &error),
                   0);
  free(request);
  assert_int_equal(pki_ca_root(answer->world.root, &answer->root, &answer->root_size, &error), 0);
  snprintf(answer->domain, sizeof answer->domain, "test.internal");
  cyphonic__sign_up_response__init(&answer->response);
  answer->response.fqdn = answer->identity.name;
  answer->response.domain = answer->domain;
  answer->response.ipv4 = message_bytes(&answer->identity.ipv4);
  answer->response.ipv6 = message_bytes(&answer->identity.ipv6);
  for (size_t i = 0; i < answer->chain.count; i++)
    answer->certificates[i] =
        message_data(answer->chain.certificate[i].data, answer->chain.certificate[i].size);
  answer->response.chain = answer->certificates;
  answer->response.n_chain = answer->chain.count;
  answer->response.root = message_data(answer->root, answer->root_size);
  *state = answer;
  return 0;
}

static int answer_free(void **state) {
  struct answer *answer = *state;
  free(answer->root);
  pki_chain_clear(&answer->chain);
  pki_key_free(answer->key);
  world_clear(&answer->world);
  free(answer);
  return 0;
}

static int check(const struct answer *answer, struct sign_up_answer *out, struct error *error) {
  *error = (struct error){0};
  return sign_up_check(&answer->response, answer->world.pin, answer->key_hash, clock_wall(), out,
                       error);
}

static void an_honest_answer_is_believed(void **state) {
  const struct answer *answer = *state;
  struct sign_up_answer out;
  struct error error;
  if (check(answer, &out, &error))
    fail_msg("%s", error.message);
  assert_string_equal(out.state.fqdn, "carol.test.internal");
  assert_string_equal(out.state.domain, "test.internal");
  assert_int_equal(out.chain_count, answer->chain.count);
  assert_int_equal(out.root.size, answer->root_size);
}

static void a_certificate_for_another_key_is_not(void **state) {
  struct answer *answer = *state;
  struct sign_up_answer out;
  struct error error;
  answer->key_hash[0] ^= 1;
  assert_int_equal(check(answer, &out, &error), ERROR_CERTIFICATE);
  assert_non_null(strstr(error.message, "key"));
}

static void a_root_other_than_the_invitations_is_not(void **state) {
  struct answer *answer = *state;
  struct sign_up_answer out;
  struct error error;
  struct pki_ca *other;
  uint8_t *root;
  size_t size;
  assert_int_equal(pki_root_new("test.internal", clock_wall(), &other, &error), 0);
  assert_int_equal(pki_ca_root(other, &root, &size, &error), 0);
  answer->response.root = message_data(root, size);
  assert_int_equal(check(answer, &out, &error), ERROR_CERTIFICATE);
  free(root);
  pki_ca_free(other);
}

static void names_and_addresses_other_than_the_certificates_are_not(void **state) {
  struct answer *answer = *state;
  struct sign_up_answer out;
  struct error error;
  char name[] = "mallory.test.internal";
  answer->response.fqdn = name;
  assert_int_equal(check(answer, &out, &error), ERROR_CERTIFICATE);
  answer->response.fqdn = answer->identity.name;
  struct ip_address ipv4 = answer->identity.ipv4;
  ipv4.bytes[3] ^= 1;
  answer->response.ipv4 = message_bytes(&ipv4);
  assert_int_equal(check(answer, &out, &error), ERROR_CERTIFICATE);
}

static void missing_parts_are_a_breach_of_the_protocol(void **state) {
  struct answer *answer = *state;
  struct sign_up_answer out;
  struct error error;
  const Cyphonic__SignUpResponse whole = answer->response;
  answer->response.n_chain = 0;
  assert_int_equal(check(answer, &out, &error), ERROR_PROTOCOL);
  answer->response.n_chain = PKI_CHAIN_MAX + 1;
  assert_int_equal(check(answer, &out, &error), ERROR_PROTOCOL);
  answer->response = whole;
  answer->response.root.len = 0;
  assert_int_equal(check(answer, &out, &error), ERROR_PROTOCOL);
  answer->response = whole;
  answer->response.ipv6.len = 4;
  assert_int_equal(check(answer, &out, &error), ERROR_PROTOCOL);
  answer->response = whole;
  snprintf(answer->domain, sizeof answer->domain, "example.com");
  assert_int_equal(check(answer, &out, &error), ERROR_PROTOCOL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_honest_answer_is_believed, answer_make, answer_free),
      cmocka_unit_test_setup_teardown(a_certificate_for_another_key_is_not, answer_make,
                                      answer_free),
      cmocka_unit_test_setup_teardown(a_root_other_than_the_invitations_is_not, answer_make,
                                      answer_free),
      cmocka_unit_test_setup_teardown(names_and_addresses_other_than_the_certificates_are_not,
                                      answer_make, answer_free),
      cmocka_unit_test_setup_teardown(missing_parts_are_a_breach_of_the_protocol, answer_make,
                                      answer_free),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

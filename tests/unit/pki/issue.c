#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pki/certificate.h"

static int setup(void **state) {
  static struct network network;
  network_init(&network);
  *state = &network;
  return 0;
}

static int teardown(void **state) {
  network_clear(*state);
  return 0;
}

struct issued {
  uint8_t *request;
  size_t request_size;
  struct pki_chain chain;
  struct pki_identity identity;
};

static struct issued issue(const struct pki_ca *ca, const struct pki_node_subject *subject,
                           int expected) {
  struct issued issued = {0};
  struct error error = {0};
  request_new(&issued.request, &issued.request_size);
  expect_code(pki_issue_node(ca, (struct span){issued.request, issued.request_size}, subject,
                             &issued.chain, &issued.identity, &error),
              expected, &error);
  return issued;
}

static void issued_clear(struct issued *issued) {
  pki_chain_clear(&issued->chain);
  free(issued->request);
}

static void the_identity_told_is_the_one_a_peer_will_see(void **state) {
  struct network *network = *state;
  struct pki_node_subject subject = node_subject("LapTop." DOMAIN);
  struct issued issued = issue(network->intermediate, &subject, 0);
  struct presented chain = {.count = issued.chain.count};
  struct pki_identity seen;
  struct error error = {0};
  uint8_t asked[PKI_HASH_SIZE];
  for (size_t i = 0; i < chain.count; i++) {
    chain.der[i] =
        (struct span){issued.chain.certificate[i].data, issued.chain.certificate[i].size};
  }
  assert_int_equal(chain.count, 2);
  expect_code(
      pki_trust_verify(network->trust, chain.der, chain.count, PKI_NODE, NOW, &seen, &error), 0,
      &error);
  assert_memory_equal(&seen, &issued.identity, sizeof(seen));
  assert_string_equal(seen.name, "laptop." DOMAIN);
  expect_code(
      pki_request_key_hash((struct span){issued.request, issued.request_size}, asked, &error), 0,
      &error);
  assert_memory_equal(asked, seen.public_key, sizeof(asked));
  issued_clear(&issued);
}

static void serial_numbers_differ(void **state) {
  struct network *network = *state;
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  struct issued a = issue(network->intermediate, &subject, 0);
  struct issued b = issue(network->intermediate, &subject, 0);
  assert_memory_not_equal(a.identity.serial, b.identity.serial, PKI_SERIAL_SIZE);
  issued_clear(&a);
  issued_clear(&b);
}

static void a_tampered_request_gets_nothing(void **state) {
  struct network *network = *state;
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  uint8_t *request;
  size_t size;
  request_new(&request, &size);
  for (size_t i = 0; i < size; i += 3) {
    struct pki_chain chain;
    struct pki_identity identity;
    struct error error = {0};
    request[i] ^= 0x10;
    expect_code(pki_issue_node(network->intermediate, (struct span){request, size}, &subject,
                               &chain, &identity, &error),
                ERROR_CERTIFICATE, &error);
    assert_int_equal(chain.count, 0);
    assert_int_equal(identity.name[0], '\0');
    request[i] ^= 0x10;
  }
  free(request);
}

static void subjects_outside_the_rules_get_nothing(void **state) {
  struct network *network = *state;
  const struct {
    const char *fqdn;
    int code;
  } names[] = {
      {"laptop.example.com", ERROR_CERTIFICATE},
      {"laptopcyphonic.internal", ERROR_CERTIFICATE},
      {"*." DOMAIN, ERROR_INVALID},
      {"", ERROR_INVALID},
      {"a b." DOMAIN, ERROR_INVALID},
      {"laptop." DOMAIN ".", ERROR_INVALID},
  };
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    struct pki_node_subject subject = node_subject(names[i].fqdn);
    struct issued issued = issue(network->intermediate, &subject, names[i].code);
    issued_clear(&issued);
  }
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  memset(&subject.ipv4, 0, sizeof(subject.ipv4));
  struct issued issued = issue(network->intermediate, &subject, ERROR_INVALID);
  issued_clear(&issued);
  subject = node_subject("laptop." DOMAIN);
  subject.ipv6 = subject.ipv4;
  issued = issue(network->intermediate, &subject, ERROR_INVALID);
  issued_clear(&issued);
}

static void a_certificate_does_not_outlive_its_issuer(void **state) {
  struct network *network = *state;
  const int64_t end = NOW + (int64_t)PKI_INTERMEDIATE_DAYS * 86400;
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  subject.not_before = end - 86400;
  subject.not_after = end + 86400;
  struct issued issued = issue(network->intermediate, &subject, 0);
  assert_int_equal(issued.identity.not_before, subject.not_before);
  assert_int_equal(issued.identity.not_after, end);
  issued_clear(&issued);
  subject.not_before = end + 1;
  issued = issue(network->intermediate, &subject, ERROR_EXPIRED);
  issued_clear(&issued);
  subject = node_subject("laptop." DOMAIN);
  subject.not_after = subject.not_before;
  issued = issue(network->intermediate, &subject, ERROR_EXPIRED);
  issued_clear(&issued);
}

static mode_t mode_of(const struct network *network, const char *name) {
  char path[PATH_SIZE];
  struct stat status;
  assert_int_equal(stat(network_path(network, name, path), &status), 0);
  return status.st_mode & 07777;
}

static void services_get_their_files(void **state) {
  struct network *network = *state;
  struct error error = {0};
  expect_code(
      pki_issue_service(network->root, PKI_NMS, "NMS." DOMAIN, NOW, network->folder, &error), 0,
      &error);
  assert_int_equal(mode_of(network, "nms.crt"), 0644);
  assert_int_equal(mode_of(network, "nms.key"), 0600);
  char certificate[PATH_SIZE], key[PATH_SIZE];
  struct pki_credentials *credentials;
  struct pki_identity identity;
  expect_code(pki_credentials_load(network_path(network, "nms.crt", certificate),
                                   network_path(network, "nms.key", key), &credentials, &error),
              0, &error);
  expect_code(pki_credentials_verify(credentials, network->trust, PKI_NMS, NOW, &identity, &error),
              0, &error);
  assert_string_equal(identity.name, "nms." DOMAIN);
  assert_int_equal(identity.not_before, NOW - PKI_BACKDATE_SECONDS);
  assert_int_equal(identity.not_after, NOW + (int64_t)PKI_SERVICE_DAYS * 86400);
  assert_int_equal(identity.ipv4.family, 0);
  pki_credentials_free(credentials);
}

static void a_services_files_are_never_written_over(void **state) {
  struct network *network = *state;
  struct error error = {0};
  char path[PATH_SIZE];
  expect_code(
      pki_issue_service(network->root, PKI_TRS, "trs." DOMAIN, NOW, network->folder, &error), 0,
      &error);
  expect_code(
      pki_issue_service(network->root, PKI_TRS, "trs." DOMAIN, NOW, network->folder, &error),
      ERROR_EXISTS, &error);
  assert_int_equal(unlink(network_path(network, "trs.key", path)), 0);
  expect_code(
      pki_issue_service(network->root, PKI_TRS, "trs." DOMAIN, NOW, network->folder, &error),
      ERROR_EXISTS, &error);
  assert_int_equal(access(path, F_OK), -1);
  assert_int_equal(access(network_path(network, "trs.crt", path), F_OK), 0);
}

static void only_the_root_issues_services_and_only_for_services(void **state) {
  struct network *network = *state;
  struct error error = {0};
  expect_code(
      pki_issue_service(network->intermediate, PKI_AS, "as." DOMAIN, NOW, network->folder, &error),
      ERROR_INVALID, &error);
  expect_code(pki_issue_service(network->root, PKI_NODE, "a." DOMAIN, NOW, network->folder, &error),
              ERROR_INVALID, &error);
  expect_code(pki_issue_service(network->root, PKI_AS, "*." DOMAIN, NOW, network->folder, &error),
              ERROR_INVALID, &error);
  expect_code(pki_issue_service(network->root, PKI_AS, "as." DOMAIN,
                                NOW + (int64_t)(PKI_ROOT_DAYS + 1) * 86400, network->folder,
                                &error),
              ERROR_EXPIRED, &error);
  expect_code(pki_issue_service(network->root, PKI_AS, "as." DOMAIN, NOW, "/nonexistent", &error),
              ERROR_NOT_FOUND, &error);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(the_identity_told_is_the_one_a_peer_will_see),
      TEST(serial_numbers_differ),
      TEST(a_tampered_request_gets_nothing),
      TEST(subjects_outside_the_rules_get_nothing),
      TEST(a_certificate_does_not_outlive_its_issuer),
      TEST(services_get_their_files),
      TEST(a_services_files_are_never_written_over),
      TEST(only_the_root_issues_services_and_only_for_services),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

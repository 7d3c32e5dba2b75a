#include "fixture.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
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

struct paths {
  char certificate[PATH_SIZE], key[PATH_SIZE];
};

static struct paths paths_of(const struct network *network, const char *name) {
  struct paths paths;
  char file[64];
  snprintf(file, sizeof(file), "%s.crt", name);
  network_path(network, file, paths.certificate);
  snprintf(file, sizeof(file), "%s.key", name);
  network_path(network, file, paths.key);
  return paths;
}

static struct paths save(const struct network *network, const struct pki_ca *ca, const char *name) {
  struct paths paths = paths_of(network, name);
  struct error error = {0};
  expect_code(pki_ca_save(ca, paths.certificate, paths.key, &error), 0, &error);
  return paths;
}

static mode_t mode_of(const char *path) {
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  return status.st_mode & 07777;
}

static void a_saved_authority_issues_as_before(void **state) {
  struct network *network = *state;
  struct paths paths = save(network, network->intermediate, "node");
  struct network loaded = *network;
  struct error error = {0};
  assert_int_equal(mode_of(paths.certificate), 0644);
  assert_int_equal(mode_of(paths.key), 0600);
  expect_code(pki_ca_load(paths.certificate, paths.key, &loaded.intermediate, &error), 0, &error);
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(&loaded, &subject, &chain);
  assert_int_equal(chain.count, 2);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, 0);
  presented_clear(&chain);
  pki_ca_free(loaded.intermediate);
}

static void the_fingerprint_is_the_roots_for_both(void **state) {
  struct network *network = *state;
  uint8_t of_root[PKI_HASH_SIZE], of_intermediate[PKI_HASH_SIZE], expected[PKI_HASH_SIZE], *der;
  size_t size;
  struct error error = {0};
  expect_code(pki_ca_root_fingerprint(network->root, of_root, &error), 0, &error);
  expect_code(pki_ca_root_fingerprint(network->intermediate, of_intermediate, &error), 0, &error);
  expect_code(pki_ca_root(network->intermediate, &der, &size, &error), 0, &error);
  gnutls_hash_fast(GNUTLS_DIG_SHA256, der, size, expected);
  assert_memory_equal(of_root, expected, sizeof(expected));
  assert_memory_equal(of_intermediate, expected, sizeof(expected));
  free(der);
}

static void an_authority_is_never_written_over_files(void **state) {
  struct network *network = *state;
  struct paths paths = save(network, network->intermediate, "node"), other;
  struct error error = {0};
  expect_code(pki_ca_save(network->intermediate, paths.certificate, paths.key, &error),
              ERROR_EXISTS, &error);
  other = paths_of(network, "other");
  expect_code(pki_ca_save(network->intermediate, paths.certificate, other.key, &error),
              ERROR_EXISTS, &error);
  assert_int_equal(access(other.key, F_OK), -1);
  expect_code(pki_ca_save(network->intermediate, other.certificate, paths.key, &error),
              ERROR_EXISTS, &error);
  assert_int_equal(access(other.certificate, F_OK), -1);
  struct pki_ca *loaded;
  expect_code(pki_ca_load(paths.certificate, paths.key, &loaded, &error), 0, &error);
  pki_ca_free(loaded);
}

static void files_that_do_not_belong_together_are_refused(void **state) {
  struct network *network = *state;
  struct paths node = save(network, network->intermediate, "node");
  struct paths root = paths_of(network, "root");
  struct pki_ca *loaded;
  struct error error = {0};
  expect_code(pki_ca_load(node.certificate, root.key, &loaded, &error), ERROR_CERTIFICATE, &error);
  assert_null(loaded);
  assert_non_null(strstr(error.message, root.key));
  expect_code(pki_ca_load(root.certificate, node.key, &loaded, &error), ERROR_CERTIFICATE, &error);
  expect_code(pki_ca_load("/nonexistent.crt", node.key, &loaded, &error), ERROR_NOT_FOUND, &error);
  expect_code(pki_ca_load(node.certificate, "/nonexistent.key", &loaded, &error), ERROR_NOT_FOUND,
              &error);
  assert_int_equal(chmod(node.key, 0640), 0);
  expect_code(pki_ca_load(node.certificate, node.key, &loaded, &error), ERROR_PERMISSION, &error);
}

static void a_leaf_is_no_authority(void **state) {
  struct network *network = *state;
  struct error error = {0};
  struct pki_ca *loaded;
  expect_code(pki_issue_service(network->root, PKI_AS, "as." DOMAIN, NOW, network->folder, &error),
              0, &error);
  struct paths service = paths_of(network, "as");
  expect_code(pki_ca_load(service.certificate, service.key, &loaded, &error), ERROR_CERTIFICATE,
              &error);
}

static void an_authority_without_its_root_is_refused(void **state) {
  struct network *network = *state;
  struct paths node = paths_of(network, "node");
  struct error error = {0};
  struct pki_ca *loaded;
  struct pki_certificates alone = {.count = 1,
                                   .handle = {network->intermediate->certificates.handle[0]}};
  expect_code(pki_certificates_save(&alone, node.certificate, &error), 0, &error);
  expect_code(pki_key_save(network->intermediate->key, node.key, &error), 0, &error);
  expect_code(pki_ca_load(node.certificate, node.key, &loaded, &error), ERROR_CERTIFICATE, &error);
}

static void a_file_of_too_many_certificates_is_refused(void **state) {
  struct network *network = *state;
  struct paths paths = paths_of(network, "long");
  struct error error = {0};
  uint8_t *pem;
  size_t size;
  char root[PATH_SIZE];
  expect_code(file_read(network_path(network, "root.crt", root), 65536, &pem, &size, &error), 0,
              &error);
  char *text = malloc(size * 6 + 1);
  assert_non_null(text);
  for (size_t i = 0; i < 6; i++) {
    memcpy(text + i * size, pem, size);
  }
  expect_code(file_create(paths.certificate, text, size * 6, 0644, &error), 0, &error);
  struct pki_certificates certificates;
  expect_code(pki_certificates_load(paths.certificate, &certificates, &error), ERROR_CERTIFICATE,
              &error);
  assert_int_equal(certificates.count, 0);
  free(text);
  free(pem);
}

static void a_domain_must_be_a_host_name(void **state) {
  struct network *network = *state;
  static const char *const wrong[] = {"", ".", "a b", "*.x", "x.", "-x", "x_y"};
  struct error error = {0};
  struct pki_ca *ca;
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    expect_code(pki_root_new(wrong[i], NOW, &ca, &error), ERROR_INVALID, &error);
    assert_null(ca);
    expect_code(pki_intermediate_new(network->root, wrong[i], NOW, &ca, &error), ERROR_INVALID,
                &error);
    assert_null(ca);
  }
}

static void the_longest_domain_works(void **state) {
  struct network *network = *state;
  char domain[PKI_NAME_SIZE] = {0}, fqdn[PKI_NAME_SIZE];
  for (size_t i = 0; i < 251; i++) {
    domain[i] = i % 50 == 49 ? '.' : 'a';
  }
  struct network large = *network;
  struct error error = {0};
  expect_code(pki_root_new(domain, NOW, &large.root, &error), 0, &error);
  expect_code(pki_intermediate_new(large.root, domain, NOW, &large.intermediate, &error), 0,
              &error);
  struct paths paths = save(network, large.root, "large");
  expect_code(pki_trust_load(paths.certificate, &large.trust, &error), 0, &error);
  assert_true(snprintf(fqdn, sizeof(fqdn), "n.%s", domain) == 253);
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject(fqdn);
  node_issue(&large, &subject, &chain);
  expect_verdict(large.trust, &chain, PKI_NODE, NOW, 0);
  presented_clear(&chain);
  pki_trust_free(large.trust);
  pki_ca_free(large.intermediate);
  pki_ca_free(large.root);
}

static void only_a_valid_root_makes_an_intermediate(void **state) {
  struct network *network = *state;
  struct error error = {0};
  struct pki_ca *ca;
  expect_code(pki_intermediate_new(network->intermediate, DOMAIN, NOW, &ca, &error), ERROR_INVALID,
              &error);
  const int64_t root_end = NOW + (int64_t)PKI_ROOT_DAYS * 86400;
  expect_code(pki_intermediate_new(network->root, DOMAIN, root_end + 1, &ca, &error), ERROR_EXPIRED,
              &error);
  expect_code(pki_intermediate_new(network->root, DOMAIN, NOW - 86400, &ca, &error), ERROR_EXPIRED,
              &error);
  assert_null(ca);
  expect_code(pki_intermediate_new(network->root, DOMAIN, root_end - 86400, &ca, &error), 0,
              &error);
  assert_int_equal(gnutls_x509_crt_get_expiration_time(ca->certificates.handle[0]), root_end);
  pki_ca_free(ca);
}

static void authorities_say_what_they_may(void **state) {
  struct network *network = *state;
  gnutls_x509_crt_t root = network->root->certificates.handle[0];
  gnutls_x509_crt_t node = network->intermediate->certificates.handle[0];
  char oid[64];
  size_t size = sizeof(oid);
  unsigned authority, usage, critical;
  int path_length;
  assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(root, 0, oid, &size, NULL),
                   GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
  size = sizeof(oid);
  assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(node, 0, oid, &size, &critical), 0);
  assert_string_equal(oid, pki_purpose_oid(PKI_NODE));
  assert_int_equal(critical, 1);
  size = sizeof(oid);
  assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(node, 1, oid, &size, NULL),
                   GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
  assert_true(gnutls_x509_crt_get_basic_constraints(node, &critical, &authority, &path_length) >=
              0);
  assert_int_equal(authority, 1);
  assert_int_equal(path_length, 0);
  assert_int_equal(gnutls_x509_crt_get_key_usage(node, &usage, NULL), 0);
  assert_int_equal(usage, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
}

static void a_free_of_nothing_is_harmless(void **state) {
  (void)state;
  pki_ca_free(NULL);
  pki_key_free(NULL);
  struct pki_chain chain = {0};
  pki_chain_clear(&chain);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_saved_authority_issues_as_before),
      TEST(the_fingerprint_is_the_roots_for_both),
      TEST(an_authority_is_never_written_over_files),
      TEST(files_that_do_not_belong_together_are_refused),
      TEST(a_leaf_is_no_authority),
      TEST(an_authority_without_its_root_is_refused),
      TEST(a_file_of_too_many_certificates_is_refused),
      TEST(a_domain_must_be_a_host_name),
      TEST(the_longest_domain_works),
      TEST(only_a_valid_root_makes_an_intermediate),
      TEST(authorities_say_what_they_may),
      cmocka_unit_test(a_free_of_nothing_is_harmless),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fixture.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "pki/key_handle.h"

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

static void a_saved_key_is_the_same_when_loaded(void **state) {
  char path[PATH_SIZE];
  network_path(*state, "node.key", path);
  struct pki_key *key, *loaded;
  struct error error = {0};
  uint8_t first[PKI_HASH_SIZE], second[PKI_HASH_SIZE];
  expect_code(pki_key_new(&key, &error), 0, &error);
  expect_code(pki_key_save(key, path, &error), 0, &error);
  expect_code(pki_key_load(path, &loaded, &error), 0, &error);
  expect_code(pki_key_hash(key, first, &error), 0, &error);
  expect_code(pki_key_hash(loaded, second, &error), 0, &error);
  assert_memory_equal(first, second, sizeof(first));
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 07777, 0600);
  pki_key_free(loaded);
  pki_key_free(key);
}

static void two_keys_differ(void **state) {
  (void)state;
  struct pki_key *a, *b;
  struct error error = {0};
  uint8_t first[PKI_HASH_SIZE], second[PKI_HASH_SIZE];
  expect_code(pki_key_new(&a, &error), 0, &error);
  expect_code(pki_key_new(&b, &error), 0, &error);
  expect_code(pki_key_hash(a, first, &error), 0, &error);
  expect_code(pki_key_hash(b, second, &error), 0, &error);
  assert_memory_not_equal(first, second, sizeof(first));
  pki_key_free(b);
  pki_key_free(a);
}

static void a_key_is_never_written_over_a_file(void **state) {
  char path[PATH_SIZE];
  network_path(*state, "node.key", path);
  struct pki_key *key;
  struct error error = {0};
  expect_code(file_create(path, "precious", 8, 0600, &error), 0, &error);
  expect_code(pki_key_new(&key, &error), 0, &error);
  expect_code(pki_key_save(key, path, &error), ERROR_EXISTS, &error);
  uint8_t *data;
  size_t size;
  expect_code(file_read(path, 100, &data, &size, &error), 0, &error);
  assert_string_equal((char *)data, "precious");
  free(data);
  pki_key_free(key);
}

static void a_key_that_others_may_read_is_refused(void **state) {
  static const mode_t modes[] = {0640, 0604, 0644, 0660};
  char path[PATH_SIZE];
  network_path(*state, "node.key", path);
  struct pki_key *key;
  struct error error = {0};
  expect_code(pki_key_new(&key, &error), 0, &error);
  expect_code(pki_key_save(key, path, &error), 0, &error);
  pki_key_free(key);
  for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
    assert_int_equal(chmod(path, modes[i]), 0);
    expect_code(pki_key_load(path, &key, &error), ERROR_PERMISSION, &error);
    assert_null(key);
    assert_non_null(strstr(error.message, path));
  }
}

static void write_foreign_key(const char *path, gnutls_pk_algorithm_t algorithm, unsigned bits,
                              const char *password) {
  gnutls_x509_privkey_t key;
  gnutls_datum_t pem;
  struct error error = {0};
  assert_int_equal(gnutls_x509_privkey_init(&key), 0);
  assert_int_equal(gnutls_x509_privkey_generate(key, algorithm, bits, 0), 0);
  assert_int_equal(gnutls_x509_privkey_export2_pkcs8(
                       key, GNUTLS_X509_FMT_PEM, password,
                       password == NULL ? GNUTLS_PKCS_PLAIN : GNUTLS_PKCS_PBES2_AES_256, &pem),
                   0);
  expect_code(file_create(path, pem.data, pem.size, 0600, &error), 0, &error);
  gnutls_free(pem.data);
  gnutls_x509_privkey_deinit(key);
}

static void other_keys_and_other_files_are_refused(void **state) {
  const unsigned p256 = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
  const unsigned p384 = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1);
  char path[PATH_SIZE];
  struct pki_key *key;
  struct error error = {0};
  write_foreign_key(network_path(*state, "right.key", path), GNUTLS_PK_ECDSA, p256, NULL);
  expect_code(pki_key_load(path, &key, &error), 0, &error);
  pki_key_free(key);
  write_foreign_key(network_path(*state, "rsa.key", path), GNUTLS_PK_RSA, 2048, NULL);
  expect_code(pki_key_load(path, &key, &error), ERROR_CERTIFICATE, &error);
  assert_non_null(strstr(error.message, "P-256"));
  write_foreign_key(network_path(*state, "p384.key", path), GNUTLS_PK_ECDSA, p384, NULL);
  expect_code(pki_key_load(path, &key, &error), ERROR_CERTIFICATE, &error);
  write_foreign_key(network_path(*state, "locked.key", path), GNUTLS_PK_ECDSA, p256, "password");
  expect_code(pki_key_load(path, &key, &error), ERROR_CERTIFICATE, &error);
  expect_code(file_create(network_path(*state, "nonsense.key", path), "nonsense", 8, 0600, &error),
              0, &error);
  expect_code(pki_key_load(path, &key, &error), ERROR_CERTIFICATE, &error);
  expect_code(file_create(network_path(*state, "empty.key", path), "", 0, 0600, &error), 0, &error);
  expect_code(pki_key_load(path, &key, &error), ERROR_CERTIFICATE, &error);
  expect_code(pki_key_load(network_path(*state, "missing.key", path), &key, &error),
              ERROR_NOT_FOUND, &error);
  assert_null(key);
}

static void the_hash_is_that_of_the_subject_public_key_info(void **state) {
  (void)state;
  struct pki_key *key;
  gnutls_pubkey_t public_key;
  gnutls_datum_t der;
  struct error error = {0};
  uint8_t hash[PKI_HASH_SIZE], expected[PKI_HASH_SIZE];
  expect_code(pki_key_new(&key, &error), 0, &error);
  expect_code(pki_key_public(key, &public_key, &error), 0, &error);
  assert_int_equal(gnutls_pubkey_export2(public_key, GNUTLS_X509_FMT_DER, &der), 0);
  assert_int_equal(der.size, 91); /* an uncompressed point on a named curve, RFC 5480 */
  gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, expected);
  expect_code(pki_key_hash(key, hash, &error), 0, &error);
  assert_memory_equal(hash, expected, sizeof(hash));
  gnutls_free(der.data);
  gnutls_pubkey_deinit(public_key);
  pki_key_free(key);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_saved_key_is_the_same_when_loaded),
      TEST(two_keys_differ),
      TEST(a_key_is_never_written_over_a_file),
      TEST(a_key_that_others_may_read_is_refused),
      TEST(other_keys_and_other_files_are_refused),
      TEST(the_hash_is_that_of_the_subject_public_key_info),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

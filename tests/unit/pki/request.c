#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "pki/certificate.h"

static void a_request_tells_its_key(void **state) {
  (void)state;
  struct pki_key *key;
  uint8_t *der, own[PKI_HASH_SIZE], asked[PKI_HASH_SIZE];
  size_t size;
  struct error error = {0};
  expect_code(pki_key_new(&key, &error), 0, &error);
  expect_code(pki_request_new(key, "laptop", &der, &size, &error), 0, &error);
  expect_code(pki_key_hash(key, own, &error), 0, &error);
  expect_code(pki_request_key_hash((struct span){der, size}, asked, &error), 0, &error);
  assert_memory_equal(own, asked, sizeof(own));
  free(der);
  pki_key_free(key);
}

static void no_single_bit_of_a_request_can_be_changed(void **state) {
  (void)state;
  uint8_t *der, hash[PKI_HASH_SIZE];
  size_t size;
  request_new(&der, &size);
  for (size_t i = 0; i < size * 8; i++) {
    struct error error = {0};
    der[i / 8] ^= (uint8_t)(1 << i % 8);
    expect_code(pki_request_key_hash((struct span){der, size}, hash, &error), ERROR_CERTIFICATE,
                &error);
    der[i / 8] ^= (uint8_t)(1 << i % 8);
  }
  free(der);
}

static void a_truncated_request_is_refused(void **state) {
  (void)state;
  uint8_t *der, hash[PKI_HASH_SIZE];
  size_t size;
  request_new(&der, &size);
  for (size_t length = 0; length < size; length++) {
    struct error error = {0};
    expect_code(pki_request_key_hash((struct span){der, length}, hash, &error), ERROR_CERTIFICATE,
                &error);
  }
  free(der);
}

static void a_request_larger_than_the_bound_is_not_parsed(void **state) {
  (void)state;
  uint8_t *huge = calloc(1, PKI_CERTIFICATE_MAX + 1), hash[PKI_HASH_SIZE];
  struct error error = {0};
  assert_non_null(huge);
  expect_code(pki_request_key_hash((struct span){huge, PKI_CERTIFICATE_MAX + 1}, hash, &error),
              ERROR_CERTIFICATE, &error);
  free(huge);
}

static void requests_by_other_kinds_of_keys_are_refused(void **state) {
  (void)state;
  static const struct {
    gnutls_pk_algorithm_t algorithm;
    unsigned bits;
    gnutls_digest_algorithm_t digest;
  } kinds[] = {
      {GNUTLS_PK_RSA, 2048, GNUTLS_DIG_SHA256},
      {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), GNUTLS_DIG_SHA384},
      {GNUTLS_PK_EDDSA_ED25519, 256, GNUTLS_DIG_SHA512},
  };
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    gnutls_x509_privkey_t key;
    gnutls_x509_crq_t request;
    gnutls_datum_t der;
    uint8_t hash[PKI_HASH_SIZE];
    struct error error = {0};
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, kinds[i].algorithm, kinds[i].bits, 0), 0);
    assert_int_equal(gnutls_x509_crq_init(&request), 0);
    assert_int_equal(gnutls_x509_crq_set_key(request, key), 0);
    assert_int_equal(gnutls_x509_crq_sign2(request, key, kinds[i].digest, 0), 0);
    assert_int_equal(gnutls_x509_crq_export2(request, GNUTLS_X509_FMT_DER, &der), 0);
    expect_code(pki_request_key_hash((struct span){der.data, der.size}, hash, &error),
                ERROR_CERTIFICATE, &error);
    assert_non_null(strstr(error.message, "P-256"));
    gnutls_free(der.data);
    gnutls_x509_crq_deinit(request);
    gnutls_x509_privkey_deinit(key);
  }
}

static void a_name_of_any_length_gives_a_sound_request_or_an_error(void **state) {
  (void)state;
  static const size_t lengths[] = {0, 1, 64, 253};
  struct pki_key *key;
  struct error error = {0};
  expect_code(pki_key_new(&key, &error), 0, &error);
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    char name[256] = {0};
    uint8_t *der, hash[PKI_HASH_SIZE];
    size_t size;
    memset(name, 'a', lengths[i]);
    int code = pki_request_new(key, name, &der, &size, &error);
    if (code == 0) {
      expect_code(pki_request_key_hash((struct span){der, size}, hash, &error), 0, &error);
    } else {
      assert_null(der);
    }
    free(der);
  }
  pki_key_free(key);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_tells_its_key),
      cmocka_unit_test(no_single_bit_of_a_request_can_be_changed),
      cmocka_unit_test(a_truncated_request_is_refused),
      cmocka_unit_test(a_request_larger_than_the_bound_is_not_parsed),
      cmocka_unit_test(requests_by_other_kinds_of_keys_are_refused),
      cmocka_unit_test(a_name_of_any_length_gives_a_sound_request_or_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

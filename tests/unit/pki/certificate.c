#include "fixture.h"

#include <string.h>

#include "pki/certificate.h"
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

/* Like pki_certificate_make's leaf, with a second purpose. */
static void a_leaf_of_two_purposes_has_none(void **state) {
  struct network *network = *state;
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  gnutls_x509_crt_t made;
  struct error error = {0};
  const struct pki_ca *root = network->root;
  expect_code(pki_certificate_make(&terms, root->certificates.handle[0], root->key, &made, &error),
              0, &error);
  assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(made, pki_purpose_oid(PKI_NMS), 1), 0);
  assert_int_equal(gnutls_x509_crt_sign2(made, root->certificates.handle[0],
                                         pki_key_handle(root->key), GNUTLS_DIG_SHA256, 0),
                   0);
  struct presented chain = {0};
  presented_add(&chain, made);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  expect_verdict(network->trust, &chain, PKI_NMS, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
  gnutls_x509_crt_deinit(made);
  gnutls_pubkey_deinit(terms.public_key);
}

static void an_unknown_critical_extension_is_refused(void **state) {
  struct network *network = *state;
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  gnutls_x509_crt_t made;
  struct error error = {0};
  const struct pki_ca *root = network->root;
  expect_code(pki_certificate_make(&terms, root->certificates.handle[0], root->key, &made, &error),
              0, &error);
  assert_int_equal(gnutls_x509_crt_set_extension_by_oid(made, "1.2.3.4.5", "\x05\x00", 2, 1), 0);
  assert_int_equal(gnutls_x509_crt_sign2(made, root->certificates.handle[0],
                                         pki_key_handle(root->key), GNUTLS_DIG_SHA256, 0),
                   0);
  struct presented chain = {0};
  presented_add(&chain, made);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
  gnutls_x509_crt_deinit(made);
  gnutls_pubkey_deinit(terms.public_key);
}

static void a_signature_with_another_hash_is_refused(void **state) {
  struct network *network = *state;
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  gnutls_x509_crt_t made;
  struct error error = {0};
  const struct pki_ca *root = network->root;
  expect_code(pki_certificate_make(&terms, root->certificates.handle[0], root->key, &made, &error),
              0, &error);
  assert_int_equal(gnutls_x509_crt_sign2(made, root->certificates.handle[0],
                                         pki_key_handle(root->key), GNUTLS_DIG_SHA384, 0),
                   0);
  struct presented chain = {0};
  presented_add(&chain, made);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
  gnutls_x509_crt_deinit(made);
  gnutls_pubkey_deinit(terms.public_key);
}

static void names_and_addresses_must_be_as_the_kind_asks(void **state) {
  static const struct ip_address ipv4 = {.family = 4, .bytes = {10, 77, 0, 5}};
  static const struct ip_address ipv6 = {.family = 6, .bytes = {0xfd, [15] = 5}};
  const struct ip_address both[] = {ipv4, ipv6}, twice[] = {ipv4, ipv6, ipv4};
  const struct {
    enum pki_purpose purpose;
    const char *name;
    const struct ip_address *addresses;
    size_t count;
    int code;
  } cases[] = {
      {PKI_NODE, "a." DOMAIN, both, 2, 0},
      {PKI_NODE, "a." DOMAIN, &ipv4, 1, ERROR_CERTIFICATE},
      {PKI_NODE, "a." DOMAIN, &ipv6, 1, ERROR_CERTIFICATE},
      {PKI_NODE, "a." DOMAIN, NULL, 0, ERROR_CERTIFICATE},
      {PKI_NODE, "a." DOMAIN, twice, 3, ERROR_CERTIFICATE},
      {PKI_NODE, NULL, both, 2, ERROR_CERTIFICATE},
      {PKI_NODE, "*." DOMAIN, both, 2, ERROR_CERTIFICATE},
      {PKI_NODE, "a b." DOMAIN, both, 2, ERROR_CERTIFICATE},
      {PKI_NODE, "a." DOMAIN ".", both, 2, ERROR_CERTIFICATE},
      {PKI_NMS, "nms." DOMAIN, NULL, 0, 0},
      {PKI_NMS, "nms." DOMAIN, both, 2, ERROR_CERTIFICATE},
      {PKI_NMS, "nms." DOMAIN, &ipv6, 1, ERROR_CERTIFICATE},
      {PKI_NMS, NULL, NULL, 0, ERROR_CERTIFICATE},
      {PKI_NMS, "*." DOMAIN, NULL, 0, ERROR_CERTIFICATE},
  };
  struct network *network = *state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct presented chain = {0};
    struct pki_certificate_terms terms = leaf_terms(cases[i].purpose);
    terms.dns_name = cases[i].name;
    terms.addresses = cases[i].addresses;
    terms.address_count = cases[i].count;
    forge(&terms, network->root, &chain);
    expect_verdict(network->trust, &chain, cases[i].purpose, NOW, cases[i].code);
    presented_clear(&chain);
  }
}

/* An extension written byte by byte, since GnuTLS would tidy up names. `names` holds general names
 * in DER. */
static void forge_with_names(const struct pki_ca *root, const char *names, size_t size,
                             struct presented *chain) {
  struct pki_certificate_terms terms = leaf_terms(PKI_NMS);
  gnutls_x509_crt_t made;
  struct error error = {0};
  uint8_t extension[128] = {0x30, (uint8_t)size};
  assert_true(size < 126);
  memcpy(extension + 2, names, size);
  terms.dns_name = NULL;
  expect_code(pki_certificate_make(&terms, root->certificates.handle[0], root->key, &made, &error),
              0, &error);
  assert_int_equal(gnutls_x509_crt_set_extension_by_oid(made, "2.5.29.17", extension, size + 2, 0),
                   0);
  assert_int_equal(gnutls_x509_crt_sign2(made, root->certificates.handle[0],
                                         pki_key_handle(root->key), GNUTLS_DIG_SHA256, 0),
                   0);
  presented_add(chain, made);
  gnutls_x509_crt_deinit(made);
  gnutls_pubkey_deinit(terms.public_key);
}

static void odd_alternative_names_are_refused(void **state) {
#define NAMES(bytes) bytes, sizeof(bytes) - 1
  struct network *network = *state;
  const struct {
    const char *names;
    size_t size;
    int code;
  } cases[] = {
      {NAMES("\x82\x05nms.x"), 0},
      {NAMES("\x82\x05NMS.x"), 0},
      {NAMES("\x82\x05nms.x\x82\x05two.x"), ERROR_CERTIFICATE},
      {NAMES("\x82\x05nms.x\x82\x05nms.x"), ERROR_CERTIFICATE},
      {NAMES("\x82\x08nms.x\0.z"), ERROR_CERTIFICATE},
      {NAMES("\x82\x06nms.x\0"), ERROR_CERTIFICATE},
      {NAMES("\x82\x09nms\x1b[2J.x"), ERROR_CERTIFICATE},
      {NAMES("\x82\x07nms\xc3\xbc.x"), ERROR_CERTIFICATE},
      {NAMES("\x82\x06nms.x\n"), ERROR_CERTIFICATE},
      {NAMES("\x82\x06nms.x."), ERROR_CERTIFICATE},
      {NAMES("\x82\x06nms..x"), ERROR_CERTIFICATE},
      {NAMES("\x82\x06*.nm.x"), ERROR_CERTIFICATE},
      {NAMES("\x82\x00"), ERROR_CERTIFICATE},
      {NAMES("\x82\x05nms.x\x81\x03x@y"), ERROR_CERTIFICATE},
      {NAMES("\x82\x05nms.x\x86\x03x:y"), ERROR_CERTIFICATE},
      {NAMES("\x82\x05nms.x\x88\x02\x2a\x03"), ERROR_CERTIFICATE},
      {NAMES("\x82\x05nms.x\x87\x05"
             "12345"),
       ERROR_CERTIFICATE},
      {NAMES("\x82\x05nms.x\x87\x00"), ERROR_CERTIFICATE},
      {NAMES("\x82\x55nms.x"), ERROR_CERTIFICATE},
      {NAMES(""), ERROR_CERTIFICATE},
  };
#undef NAMES
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct presented chain = {0};
    struct pki_identity identity;
    struct error error = {0};
    forge_with_names(network->root, cases[i].names, cases[i].size, &chain);
    int code =
        pki_trust_verify(network->trust, chain.der, chain.count, PKI_NMS, NOW, &identity, &error);
    if (code != cases[i].code) {
      fail_msg("case %zu gave %s, name \"%s\"", i, error_name(code), identity.name);
    }
    assert_string_equal(identity.name, code == 0 ? "nms.x" : "");
    presented_clear(&chain);
  }
}

static void other_kinds_of_keys_are_refused(void **state) {
  static const struct {
    gnutls_pk_algorithm_t algorithm;
    unsigned bits;
  } kinds[] = {
      {GNUTLS_PK_RSA, 2048},
      {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1)},
      {GNUTLS_PK_EDDSA_ED25519, 256},
  };
  struct network *network = *state;
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
    gnutls_privkey_t key;
    assert_int_equal(gnutls_privkey_init(&key), 0);
    assert_int_equal(gnutls_privkey_generate(key, kinds[i].algorithm, kinds[i].bits, 0), 0);
    gnutls_pubkey_deinit(terms.public_key);
    assert_int_equal(gnutls_pubkey_init(&terms.public_key), 0);
    assert_int_equal(gnutls_pubkey_import_privkey(terms.public_key, key, 0, 0), 0);
    struct presented chain = {0};
    forge(&terms, network->root, &chain);
    expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
    presented_clear(&chain);
    gnutls_privkey_deinit(key);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_leaf_of_two_purposes_has_none),
      TEST(an_unknown_critical_extension_is_refused),
      TEST(a_signature_with_another_hash_is_refused),
      TEST(names_and_addresses_must_be_as_the_kind_asks),
      TEST(odd_alternative_names_are_refused),
      TEST(other_kinds_of_keys_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

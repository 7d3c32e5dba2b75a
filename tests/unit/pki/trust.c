#include "fixture.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

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

static void a_nodes_chain_holds_and_tells_who_it_is(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("Laptop." DOMAIN);
  node_issue(network, &subject, &chain);
  struct pki_identity identity;
  struct error error = {0};
  expect_code(
      pki_trust_verify(network->trust, chain.der, chain.count, PKI_NODE, NOW, &identity, &error), 0,
      &error);
  assert_int_equal(identity.purpose, PKI_NODE);
  assert_string_equal(identity.name, "laptop." DOMAIN);
  assert_true(ip_address_equal(&identity.ipv4, &subject.ipv4));
  assert_true(ip_address_equal(&identity.ipv6, &subject.ipv6));
  assert_int_equal(identity.not_before, subject.not_before);
  assert_int_equal(identity.not_after, subject.not_after);
  uint8_t hash[PKI_HASH_SIZE];
  gnutls_hash_fast(GNUTLS_DIG_SHA256, chain.der[0].data, chain.der[0].size, hash);
  assert_memory_equal(identity.fingerprint, hash, sizeof(hash));
  assert_true(identity.serial[0] >= 0x40 && identity.serial[0] < 0x80);
  presented_add(&chain, network->root->certificates.handle[0]);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, 0);
  presented_clear(&chain);
}

static void each_purpose_passes_for_itself_alone(void **state) {
  struct network *network = *state;
  for (int bears = PKI_NODE; bears <= PKI_TRS; bears++) {
    struct presented chain = {0};
    struct pki_node_subject subject = node_subject("laptop." DOMAIN);
    if (bears == PKI_NODE) {
      node_issue(network, &subject, &chain);
    } else {
      service_issue(network, (enum pki_purpose)bears, &chain);
    }
    for (int asked = PKI_NODE; asked <= PKI_TRS; asked++) {
      expect_verdict(network->trust, &chain, (enum pki_purpose)asked, NOW,
                     asked == bears ? 0 : ERROR_CERTIFICATE);
    }
    presented_clear(&chain);
  }
}

static void the_node_authority_cannot_make_a_service(void **state) {
  struct network *network = *state;
  for (int purpose = PKI_AS; purpose <= PKI_TRS; purpose++) {
    struct presented chain = {0};
    struct pki_certificate_terms terms = leaf_terms((enum pki_purpose)purpose);
    forge(&terms, network->intermediate, &chain);
    for (int asked = PKI_NODE; asked <= PKI_TRS; asked++) {
      expect_verdict(network->trust, &chain, (enum pki_purpose)asked, NOW, ERROR_CERTIFICATE);
    }
    presented_clear(&chain);
  }
}

static void the_node_authority_cannot_make_another_authority(void **state) {
  struct network *network = *state;
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  gnutls_pubkey_deinit(terms.public_key);
  terms.authority = true;
  terms.dns_name = NULL;
  terms.address_count = 0;
  struct pki_ca *below = forge_authority(&terms, network->intermediate);
  struct presented chain = {0};
  struct pki_certificate_terms leaf = leaf_terms(PKI_NODE);
  forge(&leaf, below, &chain);
  assert_int_equal(chain.count, 3);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
  pki_ca_free(below);
}

static void a_node_cannot_issue(void **state) {
  struct network *network = *state;
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  gnutls_pubkey_deinit(terms.public_key);
  struct pki_ca *node = forge_authority(&terms, network->intermediate);
  struct presented chain = {0};
  struct pki_certificate_terms leaf = leaf_terms(PKI_NODE);
  forge(&leaf, node, &chain);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
  pki_ca_free(node);
}

static void the_node_authority_keeps_to_its_domain(void **state) {
  static const char *const names[] = {"laptop.example.com", "laptopcyphonic.internal", "internal"};
  struct network *network = *state;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    struct presented chain = {0};
    struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
    terms.dns_name = names[i];
    forge(&terms, network->intermediate, &chain);
    expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
    presented_clear(&chain);
  }
}

static void an_authority_is_no_leaf(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  presented_add_authority(&chain, network->intermediate, 1);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
  presented_add_authority(&chain, network->root, 1);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  terms.authority = true;
  forge(&terms, network->root, &chain);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&chain);
}

static void any_extended_key_usage_is_not_ours(void **state) {
  struct network *network = *state;
  static const char *const purposes[] = {GNUTLS_KP_ANY, GNUTLS_KP_TLS_WWW_SERVER, NULL};
  for (size_t i = 0; i < 3; i++) {
    for (int asked = PKI_NODE; asked <= PKI_TRS; asked++) {
      struct presented chain = {0};
      struct pki_certificate_terms terms = leaf_terms((enum pki_purpose)asked);
      terms.purpose_oid = purposes[i];
      forge(&terms, network->root, &chain);
      expect_verdict(network->trust, &chain, (enum pki_purpose)asked, NOW, ERROR_CERTIFICATE);
      presented_clear(&chain);
    }
  }
}

static void an_intermediate_for_any_purpose_makes_nothing(void **state) {
  struct network *network = *state;
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  gnutls_pubkey_deinit(terms.public_key);
  terms.authority = true;
  terms.dns_name = NULL;
  terms.address_count = 0;
  terms.purpose_oid = GNUTLS_KP_ANY;
  struct pki_ca *any = forge_authority(&terms, network->root);
  for (int asked = PKI_NODE; asked <= PKI_TRS; asked++) {
    struct presented chain = {0};
    struct pki_certificate_terms leaf = leaf_terms((enum pki_purpose)asked);
    forge(&leaf, any, &chain);
    expect_verdict(network->trust, &chain, (enum pki_purpose)asked, NOW, ERROR_CERTIFICATE);
    presented_clear(&chain);
  }
  pki_ca_free(any);
}

static void another_networks_certificate_is_refused(void **state) {
  struct network *network = *state, other;
  network_init(&other);
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(&other, &subject, &chain);
  expect_verdict(other.trust, &chain, PKI_NODE, NOW, 0);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_add_authority(&chain, other.root, 1);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  /* Our own authority behind the other's leaf. */
  struct presented mixed = {.count = 2, .der = {chain.der[0]}};
  struct presented ours = {0};
  presented_add_authority(&ours, network->intermediate, 0);
  mixed.der[1] = ours.der[0];
  expect_verdict(network->trust, &mixed, PKI_NODE, NOW, ERROR_CERTIFICATE);
  presented_clear(&ours);
  presented_clear(&chain);
  network_clear(&other);
}

static void validity_ends_at_both_ends(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(network, &subject, &chain);
  expect_verdict(network->trust, &chain, PKI_NODE, subject.not_before, 0);
  expect_verdict(network->trust, &chain, PKI_NODE, subject.not_before - 1, ERROR_EXPIRED);
  expect_verdict(network->trust, &chain, PKI_NODE, subject.not_after, 0);
  expect_verdict(network->trust, &chain, PKI_NODE, subject.not_after + 1, ERROR_EXPIRED);
  expect_verdict(network->trust, &chain, PKI_NODE, 0, ERROR_EXPIRED);
  expect_verdict(network->trust, &chain, PKI_NODE, INT64_MAX, ERROR_EXPIRED);
  expect_verdict(network->trust, &chain, PKI_NODE, INT64_MIN, ERROR_EXPIRED);
  struct pki_identity identity;
  struct error error = {0};
  expect_code(pki_trust_verify(network->trust, chain.der, chain.count, PKI_NODE,
                               subject.not_after + 1, &identity, &error),
              ERROR_EXPIRED, &error);
  assert_non_null(strstr(error.message, "until 2026-05-30 12:00:00 UTC"));
  assert_non_null(strstr(error.message, "2026-05-30 12:00:01 UTC"));
  assert_non_null(strstr(error.message, "clock"));
  presented_clear(&chain);
}

static void an_expired_intermediate_ends_what_it_issued(void **state) {
  struct network *network = *state;
  struct pki_certificate_terms terms = leaf_terms(PKI_NODE);
  gnutls_pubkey_deinit(terms.public_key);
  terms.authority = true;
  terms.dns_name = NULL;
  terms.address_count = 0;
  terms.not_after = NOW + 60;
  struct pki_ca *brief = forge_authority(&terms, network->root);
  struct presented chain = {0};
  struct pki_certificate_terms leaf = leaf_terms(PKI_NODE);
  forge(&leaf, brief, &chain);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW + 60, 0);
  expect_verdict(network->trust, &chain, PKI_NODE, NOW + 61, ERROR_EXPIRED);
  presented_clear(&chain);
  pki_ca_free(brief);
}

static void an_hour_of_clock_error_is_tolerated_at_first_contact(void **state) {
  struct network *network = *state;
  struct presented node = {0}, service = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(network, &subject, &node);
  service_issue(network, PKI_AS, &service);
  expect_verdict(network->trust, &node, PKI_NODE, NOW - 3600, 0);
  expect_verdict(network->trust, &service, PKI_AS, NOW - 3600, 0);
  expect_verdict(network->trust, &service, PKI_AS, NOW - 3 * 3600, ERROR_EXPIRED);
  presented_clear(&service);
  presented_clear(&node);
}

static void a_pin_trusts_the_root_with_the_fingerprint_and_no_other(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  service_issue(network, PKI_AS, &chain);
  uint8_t fingerprint[PKI_HASH_SIZE];
  struct pki_trust *pin;
  struct error error = {0};
  expect_code(pki_ca_root_fingerprint(network->root, fingerprint, &error), 0, &error);
  expect_code(pki_trust_pin(fingerprint, &pin, &error), 0, &error);
  expect_verdict(pin, &chain, PKI_AS, NOW, 0);
  expect_verdict(pin, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  expect_verdict(pin, &chain, PKI_AS, NOW - 3 * 3600, ERROR_EXPIRED);
  struct presented rootless = {.count = 1, .der = {chain.der[0]}};
  expect_verdict(pin, &rootless, PKI_AS, NOW, ERROR_CERTIFICATE);
  struct presented root_only = {.count = 1, .der = {chain.der[1]}};
  expect_verdict(pin, &root_only, PKI_AS, NOW, ERROR_CERTIFICATE);
  pki_trust_free(pin);
  for (size_t i = 0; i < PKI_HASH_SIZE; i++) {
    fingerprint[i] ^= 1;
    expect_code(pki_trust_pin(fingerprint, &pin, &error), 0, &error);
    struct pki_identity identity;
    expect_code(pki_trust_verify(pin, chain.der, chain.count, PKI_AS, NOW, &identity, &error),
                ERROR_CERTIFICATE, &error);
    assert_non_null(strstr(error.message, "not the one the invitation is for"));
    pki_trust_free(pin);
    fingerprint[i] ^= 1;
  }
  presented_clear(&chain);
}

static void a_pin_of_a_certificate_that_is_no_root_is_refused(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(network, &subject, &chain);
  uint8_t fingerprint[PKI_HASH_SIZE];
  gnutls_hash_fast(GNUTLS_DIG_SHA256, chain.der[1].data, chain.der[1].size, fingerprint);
  struct pki_trust *pin;
  struct error error = {0};
  expect_code(pki_trust_pin(fingerprint, &pin, &error), 0, &error);
  expect_verdict(pin, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  pki_trust_free(pin);
  presented_clear(&chain);
}

static void a_root_whose_own_signature_does_not_hold_is_refused(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  service_issue(network, PKI_AS, &chain);
  uint8_t *root = (uint8_t *)chain.der[1].data;
  root[chain.der[1].size - 1] ^= 1;
  uint8_t fingerprint[PKI_HASH_SIZE];
  gnutls_hash_fast(GNUTLS_DIG_SHA256, root, chain.der[1].size, fingerprint);
  struct pki_trust *pin;
  struct error error = {0};
  expect_code(pki_trust_pin(fingerprint, &pin, &error), 0, &error);
  expect_verdict(pin, &chain, PKI_AS, NOW, ERROR_CERTIFICATE);
  pki_trust_free(pin);
  presented_clear(&chain);
}

static void no_single_bit_of_a_leaf_can_be_changed(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(network, &subject, &chain);
  uint8_t *leaf = (uint8_t *)chain.der[0].data;
  for (size_t i = 0; i < chain.der[0].size; i++) {
    leaf[i] ^= (uint8_t)(1 << i % 8);
    struct pki_identity identity;
    struct error error = {0};
    assert_int_not_equal(
        pki_trust_verify(network->trust, chain.der, chain.count, PKI_NODE, NOW, &identity, &error),
        0);
    assert_int_equal(identity.name[0], '\0');
    leaf[i] ^= (uint8_t)(1 << i % 8);
  }
  expect_verdict(network->trust, &chain, PKI_NODE, NOW, 0);
  presented_clear(&chain);
}

static void truncated_and_padded_certificates_are_refused(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(network, &subject, &chain);
  size_t whole = chain.der[0].size;
  for (size_t size = 0; size < whole; size++) {
    chain.der[0].size = size;
    expect_verdict(network->trust, &chain, PKI_NODE, NOW, ERROR_CERTIFICATE);
  }
  chain.der[0].size = whole;
  uint8_t *padded = calloc(1, whole + 1);
  assert_non_null(padded);
  memcpy(padded, chain.der[0].data, whole);
  struct presented longer = {.count = 2, .der = {{padded, whole + 1}, chain.der[1]}};
  expect_verdict(network->trust, &longer, PKI_NODE, NOW, ERROR_CERTIFICATE);
  free(padded);
  presented_clear(&chain);
}

static void chains_beyond_the_bounds_are_refused(void **state) {
  struct network *network = *state;
  struct presented chain = {0};
  struct pki_node_subject subject = node_subject("laptop." DOMAIN);
  node_issue(network, &subject, &chain);
  struct presented none = {0};
  expect_verdict(network->trust, &none, PKI_NODE, NOW, ERROR_CERTIFICATE);
  struct presented leaf_alone = {.count = 1, .der = {chain.der[0]}};
  expect_verdict(network->trust, &leaf_alone, PKI_NODE, NOW, ERROR_CERTIFICATE);
  struct presented swapped = {.count = 2, .der = {chain.der[1], chain.der[0]}};
  expect_verdict(network->trust, &swapped, PKI_NODE, NOW, ERROR_CERTIFICATE);
  struct presented repeated = {.count = 3, .der = {chain.der[0], chain.der[1], chain.der[1]}};
  expect_verdict(network->trust, &repeated, PKI_NODE, NOW, ERROR_CERTIFICATE);
  struct presented many = {.count = PKI_CHAIN_MAX + 2};
  for (size_t i = 0; i < many.count; i++) {
    many.der[i] = chain.der[i == 0 ? 0 : 1];
  }
  expect_verdict(network->trust, &many, PKI_NODE, NOW, ERROR_CERTIFICATE);
  many.count = PKI_CHAIN_MAX + 1; /* and none of them the root */
  expect_verdict(network->trust, &many, PKI_NODE, NOW, ERROR_CERTIFICATE);
  uint8_t *huge = calloc(1, PKI_CERTIFICATE_MAX + 1);
  assert_non_null(huge);
  struct presented large = {.count = 2, .der = {chain.der[0], {huge, PKI_CERTIFICATE_MAX + 1}}};
  expect_verdict(network->trust, &large, PKI_NODE, NOW, ERROR_CERTIFICATE);
  free(huge);
  presented_clear(&chain);
}

static void a_root_file_must_end_with_a_root(void **state) {
  struct network *network = *state;
  char path[PATH_SIZE], text[] = "-----BEGIN NONSENSE-----\n";
  struct error error = {0};
  struct pki_trust *trust;
  expect_code(pki_trust_load(network_path(network, "missing.crt", path), &trust, &error),
              ERROR_NOT_FOUND, &error);
  expect_code(
      file_create(network_path(network, "nonsense.crt", path), text, strlen(text), 0644, &error), 0,
      &error);
  expect_code(pki_trust_load(path, &trust, &error), ERROR_CERTIFICATE, &error);
  struct pki_certificates only = {.count = 1,
                                  .handle = {network->intermediate->certificates.handle[0]}};
  expect_code(pki_certificates_save(&only, network_path(network, "middle.crt", path), &error), 0,
              &error);
  expect_code(pki_trust_load(path, &trust, &error), ERROR_CERTIFICATE, &error);
  assert_null(trust);
  pki_trust_free(NULL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_nodes_chain_holds_and_tells_who_it_is),
      TEST(each_purpose_passes_for_itself_alone),
      TEST(the_node_authority_cannot_make_a_service),
      TEST(the_node_authority_cannot_make_another_authority),
      TEST(a_node_cannot_issue),
      TEST(the_node_authority_keeps_to_its_domain),
      TEST(an_authority_is_no_leaf),
      TEST(any_extended_key_usage_is_not_ours),
      TEST(an_intermediate_for_any_purpose_makes_nothing),
      TEST(another_networks_certificate_is_refused),
      TEST(validity_ends_at_both_ends),
      TEST(an_expired_intermediate_ends_what_it_issued),
      TEST(an_hour_of_clock_error_is_tolerated_at_first_contact),
      TEST(a_pin_trusts_the_root_with_the_fingerprint_and_no_other),
      TEST(a_pin_of_a_certificate_that_is_no_root_is_refused),
      TEST(a_root_whose_own_signature_does_not_hold_is_refused),
      TEST(no_single_bit_of_a_leaf_can_be_changed),
      TEST(truncated_and_padded_certificates_are_refused),
      TEST(chains_beyond_the_bounds_are_refused),
      TEST(a_root_file_must_end_with_a_root),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

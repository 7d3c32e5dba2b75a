#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pki/signature.h"

/* A service signs; what of it a verifier gets. */
struct signed_text {
  struct network network;
  struct pki_credentials *credentials;
  struct span chain[PKI_CHAIN_MAX];
  size_t count;
  uint8_t *signature;
  size_t size;
};

static const struct span text = {(const uint8_t *)"may relay", 9};

static void sign(struct signed_text *signed_text) {
  struct error error = {0};
  network_init(&signed_text->network);
  char certificate[PATH_SIZE], key[PATH_SIZE];
  const char *folder = signed_text->network.folder;
  assert_int_equal(
      pki_issue_service(signed_text->network.root, PKI_NMS, "nms." DOMAIN, NOW, folder, &error), 0);
  assert_int_equal(pki_credentials_load(network_path(&signed_text->network, "nms.crt", certificate),
                                        network_path(&signed_text->network, "nms.key", key),
                                        &signed_text->credentials, &error),
                   0);
  assert_int_equal(pki_credentials_chain(signed_text->credentials, signed_text->chain,
                                         PKI_CHAIN_MAX, &signed_text->count, &error),
                   0);
  assert_int_equal(
      pki_sign(signed_text->credentials, text, &signed_text->signature, &signed_text->size, &error),
      0);
}

static int verify(const struct signed_text *signed_text, enum pki_purpose purpose,
                  struct span data) {
  struct error error = {0};
  struct pki_identity identity;
  struct span signature = {signed_text->signature, signed_text->size};
  int code =
      pki_signature_verify(signed_text->network.trust, signed_text->chain, signed_text->count,
                           purpose, NOW, data, signature, &identity, &error);
  if (code == 0) {
    assert_string_equal(identity.name, "nms." DOMAIN);
  } else {
    assert_true(error.message[0] != '\0');
  }
  return code;
}

static void clear(struct signed_text *signed_text) {
  free(signed_text->signature);
  pki_credentials_free(signed_text->credentials);
  network_clear(&signed_text->network);
}

static void a_signature_holds_for_what_was_signed_and_for_nothing_else(void **state UNUSED) {
  struct signed_text signed_text;
  sign(&signed_text);
  assert_int_equal(verify(&signed_text, PKI_NMS, text), 0);
  const struct span other = {(const uint8_t *)"may Relay", 9};
  assert_int_equal(verify(&signed_text, PKI_NMS, other), ERROR_CERTIFICATE);
  for (size_t i = 0; i < signed_text.size; i++) {
    signed_text.signature[i] ^= 1;
    assert_int_equal(verify(&signed_text, PKI_NMS, text), ERROR_CERTIFICATE);
    signed_text.signature[i] ^= 1;
  }
  signed_text.size = 0;
  assert_int_equal(verify(&signed_text, PKI_NMS, text), ERROR_CERTIFICATE);
  clear(&signed_text);
}

static void only_the_right_service_may_sign(void **state UNUSED) {
  struct signed_text signed_text;
  sign(&signed_text);
  assert_int_equal(verify(&signed_text, PKI_AS, text), ERROR_CERTIFICATE);
  struct network other;
  network_init(&other);
  struct pki_trust *ours = signed_text.network.trust;
  signed_text.network.trust = other.trust;
  assert_int_equal(verify(&signed_text, PKI_NMS, text), ERROR_CERTIFICATE);
  signed_text.network.trust = ours;
  network_clear(&other);
  clear(&signed_text);
}

static void our_chain_is_told_without_the_root(void **state UNUSED) {
  struct signed_text signed_text;
  sign(&signed_text);
  assert_int_equal(signed_text.count, 1);
  clear(&signed_text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_signature_holds_for_what_was_signed_and_for_nothing_else),
      cmocka_unit_test(only_the_right_service_may_sign),
      cmocka_unit_test(our_chain_is_told_without_the_root),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

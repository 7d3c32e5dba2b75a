#include "pki/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/x509.h>
#include <string.h>

#include "pki/certificate.h"

static void each_purpose_has_a_name(void **state) {
  (void)state;
  assert_string_equal(pki_purpose_name(PKI_NODE), "node");
  assert_string_equal(pki_purpose_name(PKI_AS), "AS");
  assert_string_equal(pki_purpose_name(PKI_NMS), "NMS");
  assert_string_equal(pki_purpose_name(PKI_TRS), "TRS");
}

/* The arc's number is large; a library that cut it short would make purposes of others ours. */
static void the_identifiers_survive_encoding_and_differ(void **state) {
  (void)state;
  for (int a = PKI_NODE; a <= PKI_TRS; a++) {
    gnutls_x509_crt_t certificate;
    char oid[64];
    size_t size = sizeof(oid);
    const char *expected = pki_purpose_oid((enum pki_purpose)a);
    assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
    assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(certificate, expected, 1), 0);
    assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(certificate, 0, oid, &size, NULL), 0);
    assert_string_equal(oid, expected);
    gnutls_x509_crt_deinit(certificate);
    for (int b = PKI_NODE; b < a; b++) {
      assert_string_not_equal(expected, pki_purpose_oid((enum pki_purpose)b));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_purpose_has_a_name),
      cmocka_unit_test(the_identifiers_survive_encoding_and_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "pki/name.h"

static const char label63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void host_names_pass_in_lower_case(void **state) {
  (void)state;
  static const char *const right[][2] = {
      {"a", "a"},
      {"A.B-c.D9", "a.b-c.d9"},
      {"cyphonic.internal", "cyphonic.internal"},
      {"9.9", "9.9"},
      {"xn--bcher-kva.x", "xn--bcher-kva.x"},
      {label63, label63},
  };
  for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
    char name[PKI_NAME_SIZE];
    assert_true(pki_name_normalise_text(right[i][0], name));
    assert_string_equal(name, right[i][1]);
  }
}

static void everything_else_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",
      ".",
      "a.",
      ".a",
      "a..b",
      "-a",
      "a-",
      "a-.b",
      "a.-b",
      "a_b",
      "*.a",
      "a b",
      "a/b",
      "a\n",
      "a\x7f",
      "\xc3\xbc",
      "a:1",
      "[a]",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  };
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    char name[PKI_NAME_SIZE] = "x";
    if (pki_name_normalise_text(wrong[i], name)) {
      fail_msg("\"%s\" was taken", wrong[i]);
    }
    assert_string_equal(name, "");
  }
  char name[PKI_NAME_SIZE];
  assert_false(pki_name_normalise((struct span){(const uint8_t *)"a\0b", 3}, name));
  assert_false(pki_name_normalise((struct span){NULL, 0}, name));
}

static void a_name_has_at_most_253_bytes(void **state) {
  (void)state;
  char text[256] = {0}, name[PKI_NAME_SIZE];
  for (size_t i = 0; i < 253; i++) {
    text[i] = i % 50 == 49 ? '.' : 'a';
  }
  assert_true(pki_name_normalise_text(text, name));
  assert_string_equal(name, text);
  text[253] = 'a';
  assert_false(pki_name_normalise_text(text, name));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(host_names_pass_in_lower_case),
      cmocka_unit_test(everything_else_is_refused),
      cmocka_unit_test(a_name_has_at_most_253_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/domain.h"

static void a_domain_is_taken_in_lower_case_without_a_final_dot(void **state) {
  (void)state;
  static const struct {
    const char *text, *domain;
  } cases[] = {
      {"cyphonic.internal", "cyphonic.internal"},
      {"Cyphonic.INTERNAL.", "cyphonic.internal"},
      {"a-b.x9.example.org", "a-b.x9.example.org"},
      {"home.arpa", "home.arpa"},
      {"1.2.3.org", "1.2.3.org"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char domain[DOMAIN_SIZE];
    struct error error = {0};
    assert_int_equal(domain_parse(cases[i].text, domain, &error), ERROR_NONE);
    assert_string_equal(domain, cases[i].domain);
  }
}

static void a_domain_that_cannot_be_is_refused_with_a_reason(void **state) {
  (void)state;
  static const struct {
    const char *text, *reason;
  } cases[] = {
      {"", "empty label"},
      {".", "empty label"},
      {"a..b", "empty label"},
      {".a.b", "empty label"},
      {"a.b..", "empty label"},
      {"internal", "one label"},
      {"-a.b", "hyphen"},
      {"a-.b", "hyphen"},
      {"a_b.c", "characters"},
      {"a b.c", "characters"},
      {"\xc3\xa4.org", "characters"},
      {"a.b\n", "characters"},
      {"net.local", ".local"},
      {"x.localhost", "by themselves"},
      {"10.1.2.3", "number"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char domain[DOMAIN_SIZE];
    struct error error = {0};
    assert_int_equal(domain_parse(cases[i].text, domain, &error), ERROR_CONFIG);
    if (strstr(error.message, cases[i].reason) == NULL) {
      fail_msg("'%s' gave '%s'", cases[i].text, error.message);
    }
  }
}

static void a_domain_leaves_room_for_a_nodes_label(void **state) {
  (void)state;
  char text[DOMAIN_TEXT_MAX + 2];
  memset(text, 'a', sizeof(text));
  text[60] = text[120] = '.';
  char domain[DOMAIN_SIZE];
  struct error error = {0};
  text[DOMAIN_TEXT_MAX] = '\0';
  text[180] = '.';
  assert_int_equal(domain_parse(text, domain, &error), ERROR_NONE);
  text[DOMAIN_TEXT_MAX] = 'a';
  text[DOMAIN_TEXT_MAX + 1] = '\0';
  assert_int_equal(domain_parse(text, domain, &error), ERROR_CONFIG);
}

static void a_label_of_64_characters_is_too_long(void **state) {
  (void)state;
  char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  char label[DOMAIN_LABEL_SIZE];
  struct error error = {0};
  assert_int_equal(strlen(text), 64);
  assert_int_equal(domain_label_parse(text, label, &error), ERROR_CONFIG);
  assert_int_equal(domain_label_parse(text + 1, label, &error), ERROR_NONE);
}

static void a_nodes_name_is_one_label(void **state) {
  (void)state;
  char label[DOMAIN_LABEL_SIZE];
  struct error error = {0};
  assert_int_equal(domain_label_parse("LapTop-7", label, &error), ERROR_NONE);
  assert_string_equal(label, "laptop-7");
  static const char *const wrong[] = {"", "a.b", "-a", "a-", "a b", "a_b", "\xc3\xa4"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    assert_int_equal(domain_label_parse(wrong[i], label, &error), ERROR_CONFIG);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_domain_is_taken_in_lower_case_without_a_final_dot),
      cmocka_unit_test(a_domain_that_cannot_be_is_refused_with_a_reason),
      cmocka_unit_test(a_domain_leaves_room_for_a_nodes_label),
      cmocka_unit_test(a_label_of_64_characters_is_too_long),
      cmocka_unit_test(a_nodes_name_is_one_label),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/fqdn.h"

#define DOMAIN "cyphonic.internal"

static void expect(const char *text, const char *wanted) {
  char fqdn[FQDN_SIZE];
  struct error error = {0};
  assert_int_equal(fqdn_from_text(text, DOMAIN, fqdn, &error), 0);
  assert_string_equal(fqdn, wanted);
}

static void expect_fault(const char *text, int code) {
  char fqdn[FQDN_SIZE];
  struct error error = {0};
  assert_int_equal(fqdn_from_text(text, DOMAIN, fqdn, &error), code);
  assert_string_not_equal(error.message, "");
}

static void a_bare_label_is_completed_with_the_domain(void **state) {
  (void)state;
  expect("bob", "bob." DOMAIN);
  expect("BOB", "bob." DOMAIN);
  expect("bob.", "bob." DOMAIN);
}

static void a_full_name_passes_in_any_case(void **state) {
  (void)state;
  expect("bob." DOMAIN, "bob." DOMAIN);
  expect("Bob.Cyphonic.Internal.", "bob." DOMAIN);
}

static void a_name_of_another_domain_is_not_found(void **state) {
  (void)state;
  expect_fault("bob.example.com", ERROR_NOT_FOUND);
  expect_fault("bob.xcyphonic.internal", ERROR_NOT_FOUND);
  expect_fault(DOMAIN, ERROR_NOT_FOUND);
}

static void what_is_no_host_name_is_refused(void **state) {
  (void)state;
  const char *const names[] = {"",
                               ".",
                               "-bob",
                               "bob-",
                               "b_b",
                               "bob..x",
                               "b b",
                               "b\xc3\xb6"
                               "b"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    expect_fault(names[i], ERROR_INVALID);
}

static void names_at_the_limits_of_length(void **state) {
  (void)state;
  char label[66];
  memset(label, 'a', sizeof label);
  label[63] = '\0';
  char wanted[FQDN_SIZE];
  snprintf(wanted, sizeof wanted, "%s.%s", label, DOMAIN);
  expect(label, wanted);
  label[63] = 'a';
  label[64] = '\0';
  expect_fault(label, ERROR_INVALID);
  char name[300];
  memset(name, 'a', sizeof name);
  name[299] = '\0';
  expect_fault(name, ERROR_INVALID);
}

static void a_wished_name_is_one_label(void **state) {
  (void)state;
  char label[LABEL_SIZE];
  struct error error = {0};
  assert_int_equal(fqdn_label("Lap-Top7", label, &error), 0);
  assert_string_equal(label, "lap-top7");
  const char *const wrong[] = {"", "a.b", "a b", "-a", "a-"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(fqdn_label(wrong[i], label, &error), ERROR_INVALID);
  char text[65];
  memset(text, 'a', 64);
  text[64] = '\0';
  assert_int_equal(fqdn_label(text, label, &error), ERROR_INVALID);
}

static void a_host_name_becomes_a_label(void **state) {
  (void)state;
  char label[LABEL_SIZE];
  struct error error = {0};
  assert_int_equal(fqdn_label_from_host("Alices_Laptop.home.arpa", label, &error), 0);
  assert_string_equal(label, "alices-laptop");
  assert_int_equal(fqdn_label_from_host("__x__", label, &error), 0);
  assert_string_equal(label, "x");
  assert_int_equal(fqdn_label_from_host("...", label, &error), ERROR_INVALID);
  assert_non_null(strstr(error.message, "--name"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_bare_label_is_completed_with_the_domain),
      cmocka_unit_test(a_full_name_passes_in_any_case),
      cmocka_unit_test(a_name_of_another_domain_is_not_found),
      cmocka_unit_test(what_is_no_host_name_is_refused),
      cmocka_unit_test(names_at_the_limits_of_length),
      cmocka_unit_test(a_wished_name_is_one_label),
      cmocka_unit_test(a_host_name_becomes_a_label),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

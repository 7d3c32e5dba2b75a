#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/range.h"

static struct range_network network(const char *interface, const char *ip, const char *prefix) {
  struct range_network made;
  memset(&made, 0, sizeof(made));
  snprintf(made.interface, sizeof(made.interface), "%s", interface);
  assert_int_equal(ip_address_parse(ip, &made.ip), ERROR_NONE);
  assert_int_equal(ip_prefix_parse(prefix, &made.prefix), ERROR_NONE);
  return made;
}

static uint32_t below_last(uint32_t bound) {
  return bound - 1;
}

static uint32_t below_first(uint32_t bound) {
  (void)bound;
  return 0;
}

static void expect(const struct ip_prefix *range, const char *text) {
  char buffer[ADDRESS_TEXT_SIZE];
  assert_string_equal(ip_prefix_text(range, buffer), text);
}

static void a_free_ipv4_range_is_chosen_at_random(void **state) {
  (void)state;
  struct ip_prefix range;
  struct error error = {0};
  assert_int_equal(range_choose_ipv4(NULL, 0, below_first, &range, &error), ERROR_NONE);
  expect(&range, "10.0.0.0/16");
  assert_int_equal(range_choose_ipv4(NULL, 0, below_last, &range, &error), ERROR_NONE);
  expect(&range, "10.255.0.0/16");
}

static void a_range_in_use_is_passed_over(void **state) {
  (void)state;
  struct range_network networks[] = {
      network("lo", "127.0.0.1", "127.0.0.0/8"),
      network("lo", "::1", "::1/128"),
      network("eth0", "10.255.3.4", "10.255.3.0/24"),
      network("eth1", "10.0.0.1", "10.0.0.0/15"),
  };
  struct ip_prefix range;
  struct error error = {0};
  assert_int_equal(range_choose_ipv4(networks, 4, below_last, &range, &error), ERROR_NONE);
  expect(&range, "10.2.0.0/16");
}

static void a_host_that_is_in_all_of_10_must_be_told(void **state) {
  (void)state;
  struct range_network networks[] = {network("eth0", "10.1.2.3", "10.0.0.0/8")};
  struct ip_prefix range;
  struct error error = {0};
  assert_int_equal(range_choose_ipv4(networks, 1, below_first, &range, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, "--ipv4-range"));
}

static void a_ula_is_chosen_that_is_free(void **state) {
  (void)state;
  struct ip_prefix range;
  struct error error = {0};
  assert_int_equal(range_choose_ipv6(NULL, 0, below_last, &range, &error), ERROR_NONE);
  expect(&range, "fdff:ffff:ffff::/64");
  struct range_network networks[] = {network("eth0", "fdff:ffff:ffff::1", "fdff:ffff:ffff::/48")};
  assert_int_equal(range_choose_ipv6(networks, 1, below_last, &range, &error), ERROR_EXISTS);
}

static void a_given_range_is_taken(void **state) {
  (void)state;
  struct ip_prefix range;
  struct error error = {0};
  static const char *const good[] = {"10.0.0.0/8", "10.20.0.0/16", "172.20.0.0/14", "100.64.0.0/10",
                                     "192.168.7.8/29"};
  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    assert_int_equal(range_parse_ipv4(good[i], NULL, 0, &range, &error), ERROR_NONE);
    expect(&range, good[i]);
  }
  assert_int_equal(range_parse_ipv6("fd12:3456:789a::/64", NULL, 0, &range, &error), ERROR_NONE);
  assert_int_equal(range_parse_ipv6("2001:db8:1:2::/64", NULL, 0, &range, &error), ERROR_NONE);
}

static void a_range_that_cannot_be_is_refused(void **state) {
  (void)state;
  struct ip_prefix range;
  struct error error = {0};
  static const char *const wrong_ipv4[] = {
      "",          "10.20.0.0",   "10.20.0.0/30", "8.0.0.0/7",   "10.20.0.1/16",
      "fd12::/64", "x/16",        "127.0.0.0/8",  "224.0.0.0/8", "169.254.0.0/16",
      "0.0.0.0/8", "240.0.0.0/8", "10.0.0.0/33",  "10.0.0.0/-1",
  };
  for (size_t i = 0; i < sizeof(wrong_ipv4) / sizeof(wrong_ipv4[0]); i++) {
    if (range_parse_ipv4(wrong_ipv4[i], NULL, 0, &range, &error) != ERROR_CONFIG) {
      fail_msg("'%s' was taken", wrong_ipv4[i]);
    }
  }
  static const char *const wrong_ipv6[] = {"fd12::/48", "fd12::/65",    "fd12::1/64",
                                           "ff02::/64", "fe80::/64",    "::/64",
                                           "fd12::",    "10.20.0.0/16", ""};
  for (size_t i = 0; i < sizeof(wrong_ipv6) / sizeof(wrong_ipv6[0]); i++) {
    if (range_parse_ipv6(wrong_ipv6[i], NULL, 0, &range, &error) != ERROR_CONFIG) {
      fail_msg("'%s' was taken", wrong_ipv6[i]);
    }
  }
}

static void an_overlap_names_interface_address_and_range(void **state) {
  (void)state;
  struct range_network networks[] = {network("eth0", "10.20.3.4", "10.20.3.0/24"),
                                     network("eth1", "fd12::7", "fd12::/64")};
  struct ip_prefix range;
  struct error error = {0};
  assert_int_equal(range_parse_ipv4("10.20.0.0/16", networks, 2, &range, &error), ERROR_CONFIG);
  assert_non_null(strstr(error.message, "eth0"));
  assert_non_null(strstr(error.message, "10.20.3.4"));
  assert_non_null(strstr(error.message, "10.20.0.0/16"));
  assert_int_equal(range_parse_ipv4("10.21.0.0/16", networks, 2, &range, &error), ERROR_NONE);
  assert_int_equal(range_parse_ipv6("fd12::/64", networks, 2, &range, &error), ERROR_CONFIG);
  assert_non_null(strstr(error.message, "eth1"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_free_ipv4_range_is_chosen_at_random),
      cmocka_unit_test(a_range_in_use_is_passed_over),
      cmocka_unit_test(a_host_that_is_in_all_of_10_must_be_told),
      cmocka_unit_test(a_ula_is_chosen_that_is_free),
      cmocka_unit_test(a_given_range_is_taken),
      cmocka_unit_test(a_range_that_cannot_be_is_refused),
      cmocka_unit_test(an_overlap_names_interface_address_and_range),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

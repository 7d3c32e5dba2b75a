#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/public_hosts.h"

static void hosts_and_ports_are_told_apart(void **state) {
  (void)state;
  static const char *const texts[] = {"vpn.example.org", "vpn.example.org:8443", "192.0.2.1",
                                      "[2001:db8::1]:444", "2001:db8::1"};
  struct public_hosts hosts;
  struct error error = {0};
  assert_int_equal(public_hosts_parse(texts, 5, &hosts, &error), ERROR_NONE);
  assert_int_equal(hosts.count, 5);
  assert_string_equal(hosts.entry[0].host, "vpn.example.org");
  assert_int_equal(hosts.entry[0].port, 443);
  assert_int_equal(hosts.entry[1].port, 8443);
  assert_string_equal(hosts.entry[3].host, "2001:db8::1");
  assert_int_equal(hosts.entry[3].port, 444);
  assert_string_equal(hosts.entry[4].host, "2001:db8::1");
  assert_int_equal(hosts.entry[4].port, 443);
  public_hosts_clear(&hosts);
}

static void what_is_no_host_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"",       "a b", "a,b",  "a/b", "host:0", "host:99999",
                                      "host:x", "-a",  "[::1", "a;b", "a#b",    "a\nb"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    struct public_hosts hosts;
    struct error error = {0};
    const char *const texts[] = {"good.example", wrong[i]};
    if (public_hosts_parse(texts, 2, &hosts, &error) == ERROR_NONE) {
      fail_msg("'%s' was taken", wrong[i]);
    }
    assert_int_equal(hosts.count, 0);
    assert_true(error.message[0] != '\0');
  }
}

static void too_many_are_refused(void **state) {
  (void)state;
  const char *texts[CONFIG_ADDRESSES_MAX + 1];
  for (size_t i = 0; i <= CONFIG_ADDRESSES_MAX; i++) {
    texts[i] = "a.example";
  }
  struct public_hosts hosts;
  struct error error = {0};
  assert_int_equal(public_hosts_parse(texts, CONFIG_ADDRESSES_MAX + 1, &hosts, &error),
                   ERROR_CONFIG);
  assert_int_equal(public_hosts_parse(texts, CONFIG_ADDRESSES_MAX, &hosts, &error), ERROR_NONE);
  public_hosts_clear(&hosts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hosts_and_ports_are_told_apart),
      cmocka_unit_test(what_is_no_host_is_refused),
      cmocka_unit_test(too_many_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/config.h"

static void hosts_are_split_from_their_ports(void **state UNUSED) {
  static const struct {
    const char *text, *host;
    uint16_t port;
  } table[] = {
      {"example.org", "example.org", 443},
      {"example.org:8443", "example.org", 8443},
      {"example.org.", "example.org.", 443},
      {"server", "server", 443},
      {"xn--caf-dma.example:1", "xn--caf-dma.example", 1},
      {"a_b.example", "a_b.example", 443},
      {"3com.com", "3com.com", 443},
      {"192.0.2.1", "192.0.2.1", 443},
      {"192.0.2.1:65535", "192.0.2.1", 65535},
      {"2001:db8::1", "2001:db8::1", 443},
      {"[2001:db8::1]", "2001:db8::1", 443},
      {"[2001:db8::1]:53", "2001:db8::1", 53},
      {"::", "::", 443},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    char *host;
    uint16_t port;
    struct error error = {0};
    if (config_host_parse(table[i].text, 443, &host, &port, &error) != 0) {
      fail_msg("%s", error.message);
    }
    assert_string_equal(host, table[i].host);
    assert_int_equal(port, table[i].port);
    free(host);
  }
}

static void what_is_no_host_is_refused_with_its_text(void **state UNUSED) {
  static const char *const texts[] = {
      "x y",        "-:",          "host:",
      "host:0",     "host:65536",  "host:http",
      "host:+1",    "[::1",        "[::1]x",
      "[::1]:",     "[::1]:0",     "[1.2.3.4]",
      "[host]:443", "a..b",        ".a",
      "300.1.1.1",  "1.2.3",       "https://host",
      "host/path",  "user@host",   "2001:db8::zz",
      "host:1:2",   "h\xc3\xb6st", "*",
      "[]:1",       "12345",       "host:99999999999999999999",
  };
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    char *host;
    uint16_t port;
    struct error error = {0};
    if (config_host_parse(texts[i], 443, &host, &port, &error) != ERROR_CONFIG) {
      fail_msg("'%s' was taken", texts[i]);
    }
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_non_null(strstr(error.message, texts[i]));
  }
  char *host;
  uint16_t port;
  assert_int_equal(config_host_parse("", 443, &host, &port, NULL), ERROR_CONFIG);
  assert_int_equal(config_host_parse(".", 443, &host, &port, NULL), ERROR_CONFIG);
  assert_int_equal(config_host_parse(":443", 443, &host, &port, NULL), ERROR_CONFIG);
}

static void names_end_at_the_limits_of_dns(void **state UNUSED) {
  char name[260];
  char *host;
  uint16_t port;
  memset(name, 'a', sizeof(name));
  name[63] = '\0';
  assert_int_equal(config_host_parse(name, 443, &host, &port, NULL), 0);
  free(host);
  name[63] = 'a';
  name[64] = '\0';
  assert_int_equal(config_host_parse(name, 443, &host, &port, NULL), ERROR_CONFIG);
  name[64] = 'a';
  for (size_t i = 62; i < sizeof(name); i += 63) {
    name[i] = '.';
  }
  name[253] = '\0';
  assert_int_equal(config_host_parse(name, 443, &host, &port, NULL), 0);
  free(host);
  name[253] = 'a';
  name[254] = '\0';
  assert_int_equal(config_host_parse(name, 443, &host, &port, NULL), ERROR_CONFIG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hosts_are_split_from_their_ports),
      cmocka_unit_test(what_is_no_host_is_refused_with_its_text),
      cmocka_unit_test(names_end_at_the_limits_of_dns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

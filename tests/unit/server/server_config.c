#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/server_config.h"

static void the_defaults_need_a_public_address_alone(void **state) {
  (void)state;
  struct server_config config;
  struct error error = {0};
  assert_int_equal(server_config_parse("f", "[server]\npublic=vpn.example.org\n", &config, &error),
                   ERROR_NONE);
  assert_string_equal(config.state, "/var/lib/cyphonic-server");
  assert_int_equal(config.public.count, 1);
  assert_int_equal(config.port, 443);
  assert_int_equal(config.ipv4.family, 0);
  assert_int_equal(config.ipv6.family, 0);
  assert_int_equal(config.log, LOG_LEVEL_INFO);
  assert_true(config.as_enabled);
  assert_true(config.nms_enabled);
  assert_int_equal(config.certificate_validity, 90 * 86400);
  assert_int_equal(config.nms.count, 0);
  assert_true(config.trs_enabled);
  assert_int_equal(config.trs_public.count, 0);
  assert_int_equal(config.trs_nms.count, 0);
  assert_int_equal(config.trs_rate_limit, 0);
  assert_string_equal(config.trs_xdp, "auto");
  server_config_clear(&config);
}

static void all_keys_are_read(void **state) {
  (void)state;
  static const char text[] = "[server]\nstate=/s\npublic=a.example, 192.0.2.1:444\nport=444\n"
                             "ipv4=192.0.2.1\nipv6=2001:db8::1\nlog=debug\nqlog=/q\n"
                             "[as]\nenabled=yes\ncertificate_validity=24h\nnms=n.example:9\n"
                             "[nms]\nenabled=no\n"
                             "[trs]\nenabled=no\npublic=t.example, 192.0.2.2:8\n"
                             "nms=o.example:7\nrate_limit=12500000\nxdp=off\n";
  struct server_config config;
  struct error error = {0};
  assert_int_equal(server_config_parse("f", text, &config, &error), ERROR_NONE);
  assert_string_equal(config.state, "/s");
  assert_string_equal(config.qlog, "/q");
  assert_int_equal(config.public.count, 2);
  assert_string_equal(config.public.text[1], "192.0.2.1:444");
  assert_int_equal(config.port, 444);
  assert_int_equal(config.ipv4.family, 4);
  assert_int_equal(config.ipv6.family, 6);
  assert_int_equal(config.certificate_validity, 86400);
  assert_string_equal(config.nms.text[0], "n.example:9");
  assert_false(config.nms_enabled);
  assert_false(config.trs_enabled);
  assert_int_equal(config.trs_public.count, 2);
  assert_string_equal(config.trs_public.text[1], "192.0.2.2:8");
  assert_string_equal(config.trs_nms.text[0], "o.example:7");
  assert_int_equal(config.trs_rate_limit, 12500000);
  assert_string_equal(config.trs_xdp, "off");
  server_config_clear(&config);
}

static void wrong_values_name_file_and_key(void **state) {
  (void)state;
  static const struct {
    const char *text, *key;
  } cases[] = {
      {"", "public"},
      {"[server]\npublic=a\nport=0\n", "port"},
      {"[server]\npublic=a\nport=70000\n", "port"},
      {"[server]\npublic=a\nstate=relative\n", "state"},
      {"[server]\npublic=a\nipv4=::1\n", "ipv4"},
      {"[server]\npublic=a\nipv6=192.0.2.1\n", "ipv6"},
      {"[server]\npublic=a\n[as]\ncertificate_validity=10s\n", "certificate_validity"},
      {"[server]\npublic=a\n[as]\nenabled=no\n[nms]\nenabled=no\n[trs]\nenabled=no\n", "[trs]"},
      {"[server]\npublic=a\n[trs]\nrate_limit=-1\n", "rate_limit"},
      {"[server]\npublic=a\n[trs]\nrate_limit=9000000000000\n", "rate_limit"},
      {"[server]\npublic=a\n[trs]\nxdp=yes\n", "xdp"},
      {"[server]\npublic=a\n[relay]\nenabled=yes\n", "relay"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct server_config config;
    struct error error = {0};
    assert_int_equal(server_config_parse("server.conf", cases[i].text, &config, &error),
                     ERROR_CONFIG);
    if (strstr(error.message, "server.conf") == NULL ||
        strstr(error.message, cases[i].key) == NULL) {
      fail_msg("'%s' gave '%s'", cases[i].text, error.message);
    }
  }
}

static void what_init_writes_is_read_back(void **state) {
  (void)state;
  static const char *const hosts[] = {"vpn.example.org", "[2001:db8::1]:8443"};
  char *text = server_config_text("/var/lib/x", hosts, 2, 8443);
  assert_non_null(text);
  struct server_config config;
  struct error error = {0};
  if (server_config_parse("server.conf", text, &config, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
  assert_string_equal(config.state, "/var/lib/x");
  assert_int_equal(config.public.count, 2);
  assert_string_equal(config.public.text[0], hosts[0]);
  assert_string_equal(config.public.text[1], hosts[1]);
  assert_int_equal(config.port, 8443);
  server_config_clear(&config);
  free(text);
}

/* So that a section of one's own can be added. */
static void what_init_writes_leaves_the_relay_to_its_defaults(void **state) {
  (void)state;
  static const char *const hosts[] = {"vpn.example.org"};
  char *text = server_config_text("/s", hosts, 1, 443), longer[4096];
  assert_non_null(text);
  snprintf(longer, sizeof(longer), "%s\n[trs]\nenabled = no\n", text);
  struct server_config config;
  struct error error = {0};
  assert_int_equal(server_config_parse("f", text, &config, &error), ERROR_NONE);
  assert_true(config.trs_enabled);
  server_config_clear(&config);
  assert_int_equal(server_config_parse("f", longer, &config, &error), ERROR_NONE);
  assert_false(config.trs_enabled);
  assert_true(config.as_enabled);
  server_config_clear(&config);
  free(text);
}

static void a_relays_configuration_enables_it_alone(void **state) {
  (void)state;
  static const char *const hosts[] = {"trs.example.org:8443", "[2001:db8::1]:8443"};
  static const char *const nms[] = {"vpn.example.org", "192.0.2.1:444"};
  char *text = server_config_relay_text("/var/lib/x", hosts, 2, 8443, nms, 2);
  assert_non_null(text);
  struct server_config config;
  struct error error = {0};
  if (server_config_parse("server.conf", text, &config, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
  assert_string_equal(config.state, "/var/lib/x");
  assert_false(config.as_enabled);
  assert_false(config.nms_enabled);
  assert_true(config.trs_enabled);
  assert_string_equal(config.public.text[1], hosts[1]);
  assert_int_equal(config.port, 8443);
  assert_int_equal(config.trs_nms.count, 2);
  assert_string_equal(config.trs_nms.text[1], nms[1]);
  server_config_clear(&config);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_defaults_need_a_public_address_alone),
      cmocka_unit_test(all_keys_are_read),
      cmocka_unit_test(wrong_values_name_file_and_key),
      cmocka_unit_test(what_init_writes_is_read_back),
      cmocka_unit_test(what_init_writes_leaves_the_relay_to_its_defaults),
      cmocka_unit_test(a_relays_configuration_enables_it_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/main/node_config.h"

static void an_empty_file_gives_the_defaults(void **state) {
  (void)state;
  struct node_settings settings;
  struct error error = {0};
  assert_int_equal(node_config_parse("node.conf", "", &settings, &error), ERROR_NONE);
  assert_string_equal(settings.state, "/var/lib/cyphonic");
  assert_string_equal(settings.socket, "/run/cyphonic/cyphonicd.sock");
  assert_string_equal(settings.interface, "cyphonic0");
  assert_null(settings.user);
  assert_null(settings.qlog);
  assert_int_equal(settings.port, 443);
  assert_int_equal(settings.threads, 1);
  assert_int_equal(settings.log, LOG_LEVEL_INFO);
  assert_int_equal(settings.tunnel_idle, 300);
  assert_int_equal(settings.keep_alive, 25);
  assert_int_equal(settings.keep_alive_limit, 240);
  assert_int_equal(settings.dns_listen.ip.family, 0);
  assert_true(settings.dns_setup);
  node_config_clear(&settings);
}

static void all_keys_are_read(void **state) {
  (void)state;
  static const char text[] =
      "[node]\nstate=/s\nsocket=/r/x.sock\ninterface=tun7\nuser=cyphonic\n"
      "port=0\nthreads=4\nlog=debug\ntunnel_idle=90s\nkeep_alive=10s\nkeep_alive_limit=0\nqlog=/q\n"
      "[dns]\nlisten=127.0.0.9:5353\nsetup=no\n";
  struct node_settings settings;
  struct error error = {0};
  assert_int_equal(node_config_parse("node.conf", text, &settings, &error), ERROR_NONE);
  assert_string_equal(settings.state, "/s");
  assert_string_equal(settings.socket, "/r/x.sock");
  assert_string_equal(settings.interface, "tun7");
  assert_string_equal(settings.user, "cyphonic");
  assert_string_equal(settings.qlog, "/q");
  assert_int_equal(settings.port, 0);
  assert_int_equal(settings.threads, 4);
  assert_int_equal(settings.log, LOG_LEVEL_DEBUG);
  assert_int_equal(settings.tunnel_idle, 90);
  assert_int_equal(settings.keep_alive, 10);
  assert_int_equal(settings.keep_alive_limit, 0);
  char address[ADDRESS_TEXT_SIZE];
  assert_string_equal(address_text(&settings.dns_listen, address), "127.0.0.9:5353");
  assert_false(settings.dns_setup);
  node_config_clear(&settings);
}

static void the_resolver_listens_on_port_53_unless_told(void **state) {
  (void)state;
  struct node_settings settings;
  struct error error = {0};
  assert_int_equal(node_config_parse("f", "[dns]\nlisten=::1\n", &settings, &error), ERROR_NONE);
  char address[ADDRESS_TEXT_SIZE];
  assert_string_equal(address_text(&settings.dns_listen, address), "[::1]:53");
  node_config_clear(&settings);
}

static void wrong_values_name_file_and_key(void **state) {
  (void)state;
  static const struct {
    const char *text, *key;
  } cases[] = {
      {"[node]\ninterface=a-name-that-is-too-long\n", "interface"},
      {"[node]\ninterface=a/b\n", "interface"},
      {"[node]\nsocket=relative\n", "socket"},
      {"[node]\nstate=relative\n", "state"},
      {"[node]\nport=65536\n", "port"},
      {"[node]\nthreads=0\n", "threads"},
      {"[node]\nthreads=17\n", "threads"},
      {"[node]\ntunnel_idle=1s\n", "tunnel_idle"},
      {"[node]\nkeep_alive=1h\n", "keep_alive"},
      {"[node]\nkeep_alive_limit=6m\n", "keep_alive_limit"},
      {"[node]\nlog=loud\n", "log"},
      {"[node]\nunknown=1\n", "unknown"},
      {"[dns]\nlisten=localhost\n", "listen"},
      {"[dns]\nsetup=maybe\n", "setup"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct node_settings settings;
    struct error error = {0};
    assert_int_equal(node_config_parse("node.conf", cases[i].text, &settings, &error),
                     ERROR_CONFIG);
    if (strstr(error.message, "node.conf") == NULL || strstr(error.message, cases[i].key) == NULL) {
      fail_msg("'%s' gave '%s'", cases[i].text, error.message);
    }
    assert_null(settings.state);
  }
}

static void a_socket_path_longer_than_the_kernel_takes_is_refused(void **state) {
  (void)state;
  char text[256] = "[node]\nsocket=/";
  size_t size = strlen(text);
  memset(text + size, 'a', 120);
  text[size + 120] = '\n';
  text[size + 121] = '\0';
  struct node_settings settings;
  struct error error = {0};
  assert_int_equal(node_config_parse("node.conf", text, &settings, &error), ERROR_CONFIG);
}

static void a_named_file_that_is_missing_is_an_error(void **state) {
  (void)state;
  struct node_settings settings;
  struct error error = {0};
  assert_int_equal(node_config_load("/nonexistent/node.conf", &settings, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "/nonexistent/node.conf"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_file_gives_the_defaults),
      cmocka_unit_test(all_keys_are_read),
      cmocka_unit_test(the_resolver_listens_on_port_53_unless_told),
      cmocka_unit_test(wrong_values_name_file_and_key),
      cmocka_unit_test(a_socket_path_longer_than_the_kernel_takes_is_refused),
      cmocka_unit_test(a_named_file_that_is_missing_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

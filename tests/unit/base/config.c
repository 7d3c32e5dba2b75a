#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"

struct settings {
  char *state;
  uint64_t port;
  char *user;
  bool setup;
  char *listen;
};

#define FIELD(field) .offset = offsetof(struct settings, field)

static const struct config_key keys[] = {
    {"node", "state", CONFIG_STRING, FIELD(state), .otherwise = "/var/lib/node"},
    {"node", "port", CONFIG_UNSIGNED, FIELD(port), .otherwise = "443", .maximum = 65535},
    {"node", "user", CONFIG_STRING, FIELD(user)},
    {"dns", "setup", CONFIG_BOOLEAN, FIELD(setup), .otherwise = "yes"},
    {"dns", "listen", CONFIG_STRING, FIELD(listen)},
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static int parse_bytes(const char *text, size_t size, struct settings *settings,
                       struct error *error) {
  *settings = (struct settings){0};
  return config_parse("node.conf", text, size, keys, KEY_COUNT, settings, error);
}

static struct settings taken(const char *text) {
  struct settings settings;
  struct error error = {0};
  if (parse_bytes(text, strlen(text), &settings, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return settings;
}

/* Refused with this very message, and nothing left behind. */
static void refused(const char *text, const char *message) {
  struct settings settings;
  struct error error = {0};
  assert_int_equal(parse_bytes(text, strlen(text), &settings, &error), ERROR_CONFIG);
  assert_string_equal(error.message, message);
  static const struct settings zero;
  assert_memory_equal(&settings, &zero, sizeof(zero));
  assert_int_equal(parse_bytes(text, strlen(text), &settings, NULL), ERROR_CONFIG);
}

static void clear(struct settings *settings) {
  config_clear(keys, KEY_COUNT, settings);
}

static void what_is_given_is_taken_and_the_rest_has_defaults(void **state UNUSED) {
  struct settings settings = taken("# comment\n\n[node]\nport = 4501\n; another\nuser=me\n"
                                   "[dns]\nsetup = no\n");
  assert_string_equal(settings.state, "/var/lib/node");
  assert_true(settings.port == 4501);
  assert_string_equal(settings.user, "me");
  assert_false(settings.setup);
  assert_null(settings.listen);
  clear(&settings);
}

static void an_empty_file_gives_the_defaults(void **state UNUSED) {
  struct settings settings = taken(""), defaults = {0};
  assert_true(settings.port == 443);
  assert_true(settings.setup);
  clear(&settings);
  assert_null(settings.state);
  struct error error;
  assert_int_equal(config_defaults(keys, KEY_COUNT, &defaults, &error), 0);
  assert_true(defaults.port == 443);
  assert_string_equal(defaults.state, "/var/lib/node");
  clear(&defaults);
}

static void white_space_and_line_ends_do_not_matter(void **state UNUSED) {
  struct settings settings = taken(
      "\xef\xbb\xbf[node]\r\n  port\t=  4501  \r\n\tuser = me ; the operator\r\n[dns] # names\n"
      "listen = [::1]:53");
  assert_true(settings.port == 4501);
  assert_string_equal(settings.user, "me");
  assert_string_equal(settings.listen, "[::1]:53");
  clear(&settings);
}

static void a_section_may_be_continued_later(void **state UNUSED) {
  struct settings settings = taken("[node]\nport=1\n[dns]\n[node]\nuser=me\n");
  assert_true(settings.port == 1);
  assert_string_equal(settings.user, "me");
  clear(&settings);
}

static void an_unknown_section_is_named_with_what_was_meant(void **state UNUSED) {
  refused("\n[nodes]\nport = 1\n", "node.conf:2: unknown section [nodes]: did you mean [node]?");
  refused("[wonderland]\n", "node.conf:1: unknown section [wonderland]: there are [node], [dns]");
  refused("[]\n", "node.conf:1: unknown section []: there are [node], [dns]");
  refused("[ node ]\n", "node.conf:1: unknown section [ node ]: did you mean [node]?");
}

static void an_unknown_key_is_named_with_what_was_meant(void **state UNUSED) {
  refused("[node]\n\nprot = 1\n", "node.conf:3: [node] unknown key 'prot': did you mean 'port'?");
  refused("[node]\nPort = 1\n", "node.conf:2: [node] unknown key 'Port': did you mean 'port'?");
  refused("[node]\nlisten = x\n", "node.conf:2: [node] unknown key 'listen': it belongs in [dns]");
  refused("[dns]\nwonderland = x\n",
          "node.conf:2: [dns] unknown key 'wonderland': there are setup, listen");
}

static void an_indented_key_is_a_key_and_no_continuation(void **state UNUSED) {
  refused("[node]\nuser = me\n  prot = 1\n",
          "node.conf:3: [node] unknown key 'prot': did you mean 'port'?");
}

static void a_key_before_any_section_is_refused(void **state UNUSED) {
  refused("port = 1\n[node]\n", "node.conf:1: the key 'port' stands before the first [section]: "
                                "put it below the one it belongs to");
}

static void a_key_given_twice_is_refused_with_both_lines(void **state UNUSED) {
  refused("[node]\nuser = a\n[dns]\n[node]\nuser = b\n",
          "node.conf:5: [node] user was given before, in line 2: remove one of the two");
}

static void a_key_without_a_value_is_refused(void **state UNUSED) {
  refused("[node]\nuser =\n",
          "node.conf:2: [node] user has no value: give one, or remove the line");
  refused("[node]\nuser = ; none\n",
          "node.conf:2: [node] user has no value: give one, or remove the line");
}

static void a_bad_value_is_refused_with_its_place(void **state UNUSED) {
  refused("[node]\nuser = me\nport = 65536\n",
          "node.conf:3: [node] port: '65536' is too large: at most 65535");
}

static void a_line_that_is_nothing_is_refused(void **state UNUSED) {
  static const char message[] =
      "node.conf:2: the line is neither '[section]' nor 'key = value' nor "
      "a comment (which begins with '#')";
  refused("[node]\nport\n", message);
  refused("\n[node\nport = 1\n", message);
}

static void the_first_fault_is_the_one_that_is_shown(void **state UNUSED) {
  refused("[node]\nnothing\nport = x\n",
          "node.conf:2: the line is neither '[section]' nor 'key = value' nor "
          "a comment (which begins with '#')");
  refused("[node]\nport = x\nnothing\n", "node.conf:2: [node] port: 'x' is no number from 0 up, in "
                                         "digits");
  refused("[node]\nnothing\n[nodes]\n",
          "node.conf:2: the line is neither '[section]' nor 'key = value' nor "
          "a comment (which begins with '#')");
}

static void what_stands_behind_a_section_is_not_overlooked(void **state UNUSED) {
  refused("[node] port = 1\n", "node.conf:1: there is more behind the ']' of the section: put "
                               "'port = 1' in a line of its own");
}

/* The limit is the INI library's; where it lies does not matter, that nothing is cut does. */
static void a_line_too_long_is_refused_and_never_cut(void **state UNUSED) {
  char text[4096];
  size_t start = (size_t)snprintf(text, sizeof(text), "[node]\nuser = ");
  bool refused_before = false;
  for (size_t length = 1; length < 2000; length++) {
    memset(text + start, 'u', length);
    memcpy(text + start + length, "\nport = 7\n", 11);
    struct settings settings;
    struct error error = {0};
    int code = parse_bytes(text, strlen(text), &settings, &error);
    if (code == 0) {
      assert_false(refused_before);
      assert_int_equal(strlen(settings.user), length);
      assert_true(settings.port == 7);
      clear(&settings);
    } else {
      refused_before = true;
      assert_non_null(strstr(error.message, "node.conf:2: the line is too long: "));
    }
  }
  assert_true(refused_before);
}

static void a_long_comment_is_no_matter(void **state UNUSED) {
  char text[4096];
  memset(text, 'c', sizeof(text));
  text[0] = '#';
  memcpy(text + sizeof(text) - 16, "\n[node]\nport=7\n", 16);
  struct settings settings = taken(text);
  assert_true(settings.port == 7);
  clear(&settings);
}

static void bytes_that_are_no_text_are_refused(void **state UNUSED) {
  struct settings settings;
  struct error error = {0};
  assert_int_equal(parse_bytes("[node]\nuser = a\0b\n", 18, &settings, &error), ERROR_CONFIG);
  assert_string_equal(error.message,
                      "node.conf:2: the line holds a control character: is it a text file?");
  refused("[node]\nuser = \x1b[2J\n",
          "node.conf:2: the line holds a control character: is it a text file?");
}

static void a_required_key_that_is_missing_is_named(void **state UNUSED) {
  static const struct config_key required[] = {
      {"node", "user", CONFIG_STRING, FIELD(user), .required = true},
      {"node", "state", CONFIG_STRING, FIELD(state), .otherwise = "x"},
  };
  struct settings settings = {0};
  struct error error = {0};
  assert_int_equal(config_parse("f", "[node]\nstate=y\n", 15, required, 2, &settings, &error),
                   ERROR_CONFIG);
  assert_string_equal(error.message,
                      "f: [node] user is missing: add a line 'user = ...' below [node]");
  assert_null(settings.state);
  assert_int_equal(config_defaults(required, 2, &settings, &error), ERROR_CONFIG);
  assert_int_equal(config_parse("f", "[node]\nuser=y\n", 14, required, 2, &settings, &error), 0);
  assert_string_equal(settings.user, "y");
  config_clear(required, 2, &settings);
}

static void a_default_that_does_not_hold_is_found(void **state UNUSED) {
  static const struct config_key wrong[] = {
      {"node", "port", CONFIG_UNSIGNED, FIELD(port), .otherwise = "many"}};
  struct settings settings = {0};
  struct error error = {0};
  assert_int_equal(config_defaults(wrong, 1, &settings, &error), ERROR_CONFIG);
  assert_non_null(strstr(error.message, "default of [node] port: 'many'"));
}

static void a_table_without_keys_takes_an_empty_file(void **state UNUSED) {
  struct error error = {0};
  char target = 0;
  assert_int_equal(config_parse("f", "# nothing\n", 10, NULL, 0, &target, &error), 0);
  assert_int_equal(config_parse("f", "[a]\n", 4, NULL, 0, &target, &error), ERROR_CONFIG);
}

static void files_are_loaded_by_path(void **state UNUSED) {
  char path[] = "/tmp/cyphonic-test-XXXXXX";
  int descriptor = mkstemp(path);
  assert_true(descriptor >= 0);
  static const char text[] = "[node]\nport = 4501\nuser = 1\nuser = 2\n";
  struct settings settings = {0};
  struct error error = {0};
  assert_int_equal(write(descriptor, text, 19), 19);
  assert_int_equal(config_load(path, keys, KEY_COUNT, &settings, &error), 0);
  assert_true(settings.port == 4501);
  clear(&settings);
  ssize_t rest = (ssize_t)sizeof(text) - 1 - 19;
  assert_int_equal(write(descriptor, text + 19, (size_t)rest), rest);
  assert_int_equal(config_load(path, keys, KEY_COUNT, &settings, &error), ERROR_CONFIG);
  assert_non_null(strstr(error.message, path));
  close(descriptor);
  unlink(path);
  assert_int_equal(config_load(path, keys, KEY_COUNT, &settings, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, path));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_given_is_taken_and_the_rest_has_defaults),
      cmocka_unit_test(an_empty_file_gives_the_defaults),
      cmocka_unit_test(white_space_and_line_ends_do_not_matter),
      cmocka_unit_test(a_section_may_be_continued_later),
      cmocka_unit_test(an_unknown_section_is_named_with_what_was_meant),
      cmocka_unit_test(an_unknown_key_is_named_with_what_was_meant),
      cmocka_unit_test(an_indented_key_is_a_key_and_no_continuation),
      cmocka_unit_test(a_key_before_any_section_is_refused),
      cmocka_unit_test(a_key_given_twice_is_refused_with_both_lines),
      cmocka_unit_test(a_key_without_a_value_is_refused),
      cmocka_unit_test(a_bad_value_is_refused_with_its_place),
      cmocka_unit_test(a_line_that_is_nothing_is_refused),
      cmocka_unit_test(the_first_fault_is_the_one_that_is_shown),
      cmocka_unit_test(what_stands_behind_a_section_is_not_overlooked),
      cmocka_unit_test(a_line_too_long_is_refused_and_never_cut),
      cmocka_unit_test(a_long_comment_is_no_matter),
      cmocka_unit_test(bytes_that_are_no_text_are_refused),
      cmocka_unit_test(a_required_key_that_is_missing_is_named),
      cmocka_unit_test(a_default_that_does_not_hold_is_found),
      cmocka_unit_test(a_table_without_keys_takes_an_empty_file),
      cmocka_unit_test(files_are_loaded_by_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"

/* One field of each type, all under [s]. */
struct values {
  char *string;
  bool boolean;
  uint64_t number;
  uint64_t bounded;
  uint64_t duration;
  uint64_t timeout;
  struct config_addresses addresses;
  struct ip_address ip;
  struct ip_prefix prefix;
  enum log_level level;
};

#define FIELD(field) .offset = offsetof(struct values, field)

static const struct config_key keys[] = {
    {"s", "string", CONFIG_STRING, FIELD(string)},
    {"s", "boolean", CONFIG_BOOLEAN, FIELD(boolean)},
    {"s", "number", CONFIG_UNSIGNED, FIELD(number)},
    {"s", "bounded", CONFIG_UNSIGNED, FIELD(bounded), .minimum = 2, .maximum = 65535},
    {"s", "duration", CONFIG_DURATION, FIELD(duration)},
    {"s", "timeout", CONFIG_DURATION, FIELD(timeout), .minimum = 10, .maximum = 3600},
    {"s", "addresses", CONFIG_ADDRESS_LIST, FIELD(addresses)},
    {"s", "ip", CONFIG_IP, FIELD(ip)},
    {"s", "prefix", CONFIG_PREFIX, FIELD(prefix)},
    {"s", "level", CONFIG_LOG_LEVEL, FIELD(level)},
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static int parse(const char *name, const char *value, struct values *values, struct error *error) {
  char text[256];
  snprintf(text, sizeof(text), "[s]\n%s = %s\n", name, value);
  *values = (struct values){0};
  return config_parse("test.conf", text, strlen(text), keys, KEY_COUNT, values, error);
}

static struct values taken(const char *name, const char *value) {
  struct values values;
  struct error error = {0};
  if (parse(name, value, &values, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return values;
}

/* Refused, with the value, the place and the advice in the message, and nothing left behind. */
static void refused(const char *name, const char *value, const char *advice) {
  struct values values;
  struct error error = {0};
  if (parse(name, value, &values, &error) != ERROR_CONFIG) {
    fail_msg("%s = %s was taken", name, value);
  }
  char place[64];
  snprintf(place, sizeof(place), "test.conf:2: [s] %s: ", name);
  if (strncmp(error.message, place, strlen(place)) != 0 || strstr(error.message, advice) == NULL) {
    fail_msg("%s", error.message);
  }
  static const struct values zero;
  assert_memory_equal(&values, &zero, sizeof(zero));
}

static void strings_keep_their_inner_space(void **state UNUSED) {
  struct values values = taken("string", "  /var/lib/a folder  ");
  assert_string_equal(values.string, "/var/lib/a folder");
  config_clear(keys, KEY_COUNT, &values);
  assert_null(values.string);
}

static void booleans_are_words(void **state UNUSED) {
  static const char *const yes[] = {"yes", "true", "on", "Yes", "ON"};
  static const char *const no[] = {"no", "false", "off", "No", "OFF"};
  for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
    assert_true(taken("boolean", yes[i]).boolean);
    assert_false(taken("boolean", no[i]).boolean);
  }
  refused("boolean", "1", "neither yes nor no");
  refused("boolean", "yess", "neither yes nor no");
}

static void numbers_are_digits(void **state UNUSED) {
  assert_true(taken("number", "0").number == 0);
  assert_true(taken("number", "18446744073709551615").number == UINT64_MAX);
  refused("number", "18446744073709551616", "no number");
  refused("number", "99999999999999999999999", "no number");
  refused("number", "-1", "no number");
  refused("number", "+1", "no number");
  refused("number", "1 000", "no number");
  refused("number", "0x10", "no number");
  refused("number", "1.5", "no number");
}

static void numbers_keep_their_bounds(void **state UNUSED) {
  assert_true(taken("bounded", "2").bounded == 2);
  assert_true(taken("bounded", "65535").bounded == 65535);
  refused("bounded", "1", "'1' is too small: at least 2");
  refused("bounded", "65536", "'65536' is too large: at most 65535");
}

static void durations_have_units(void **state UNUSED) {
  static const struct {
    const char *text;
    uint64_t seconds;
  } table[] = {{"0", 0},       {"90", 90},          {"30s", 30}, {"5m", 300},
               {"24h", 86400}, {"90d", 90 * 86400}, {"0d", 0}};
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    assert_true(taken("duration", table[i].text).duration == table[i].seconds);
  }
  refused("duration", "s", "no duration");
  refused("duration", "5 m", "no duration");
  refused("duration", "5min", "no duration");
  refused("duration", "5M", "no duration");
  refused("duration", "1h30m", "no duration");
  refused("duration", "-5m", "no duration");
  refused("duration", "18446744073709551615d", "no duration");
}

static void a_duration_is_parsed_on_its_own_too(void **state UNUSED) {
  uint64_t seconds = 7;
  assert_int_equal(config_duration_parse("", &seconds), ERROR_INVALID);
  assert_int_equal(config_duration_parse("5w", &seconds), ERROR_INVALID);
  assert_int_equal(config_duration_parse("18446744073709551615m", &seconds), ERROR_INVALID);
  assert_true(seconds == 7);
  assert_int_equal(config_duration_parse("18446744073709551615s", &seconds), 0);
  assert_true(seconds == UINT64_MAX);
  assert_int_equal(config_duration_parse("2h", &seconds), 0);
  assert_true(seconds == 7200);
}

static void durations_keep_their_bounds_in_seconds(void **state UNUSED) {
  assert_true(taken("timeout", "1h").timeout == 3600);
  refused("timeout", "9", "at least 10s");
  refused("timeout", "2h", "at most 3600s");
}

static void lists_of_addresses_stay_text(void **state UNUSED) {
  struct values values = taken("addresses", "a.example , [2001:db8::1]:443,192.0.2.1:53");
  assert_int_equal(values.addresses.count, 3);
  assert_string_equal(values.addresses.text[0], "a.example");
  assert_string_equal(values.addresses.text[1], "[2001:db8::1]:443");
  assert_string_equal(values.addresses.text[2], "192.0.2.1:53");
  config_clear(keys, KEY_COUNT, &values);
  assert_int_equal(values.addresses.count, 0);
  assert_null(values.addresses.text[0]);
  refused("addresses", "a,,b", "empty item");
  refused("addresses", "a,", "empty item");
  refused("addresses", ",", "empty item");
  refused("addresses", "a, b:0", "'b:0' has no valid port");
  refused("addresses", "a b", "is no host");
}

static void lists_of_addresses_have_a_limit(void **state UNUSED) {
  struct values values = taken("addresses", "a,b,c,d,e,f,g,h");
  assert_int_equal(values.addresses.count, CONFIG_ADDRESSES_MAX);
  config_clear(keys, KEY_COUNT, &values);
  refused("addresses", "a,b,c,d,e,f,g,h,i", "more than 8 addresses");
}

static void ip_addresses_are_parsed(void **state UNUSED) {
  char text[ADDRESS_TEXT_SIZE];
  struct values values = taken("ip", "2001:db8::7");
  assert_string_equal(ip_address_text(&values.ip, text), "2001:db8::7");
  refused("ip", "192.0.2.1:443", "is no IP address");
  refused("ip", "host.example", "is no IP address");
}

static void prefixes_are_parsed(void **state UNUSED) {
  char text[ADDRESS_TEXT_SIZE];
  struct values values = taken("prefix", "10.77.0.0/16");
  assert_string_equal(ip_prefix_text(&values.prefix, text), "10.77.0.0/16");
  refused("prefix", "10.77.0.1/16", "is no range");
  refused("prefix", "10.77.0.0", "is no range");
}

static void log_levels_are_parsed(void **state UNUSED) {
  assert_int_equal(taken("level", "debug").level, LOG_LEVEL_DEBUG);
  refused("level", "loud", "error, warning, info, debug");
}

static void a_value_of_any_length_leaves_the_place_readable(void **state UNUSED) {
  char value[190];
  memset(value, 'z', sizeof(value) - 1);
  value[sizeof(value) - 1] = '\0';
  refused("ip", value, "is no IP address");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strings_keep_their_inner_space),
      cmocka_unit_test(booleans_are_words),
      cmocka_unit_test(numbers_are_digits),
      cmocka_unit_test(numbers_keep_their_bounds),
      cmocka_unit_test(durations_have_units),
      cmocka_unit_test(a_duration_is_parsed_on_its_own_too),
      cmocka_unit_test(durations_keep_their_bounds_in_seconds),
      cmocka_unit_test(lists_of_addresses_stay_text),
      cmocka_unit_test(lists_of_addresses_have_a_limit),
      cmocka_unit_test(ip_addresses_are_parsed),
      cmocka_unit_test(prefixes_are_parsed),
      cmocka_unit_test(log_levels_are_parsed),
      cmocka_unit_test(a_value_of_any_length_leaves_the_place_readable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

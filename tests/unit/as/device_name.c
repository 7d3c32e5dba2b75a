#include "../store/fixture.h"

#include <stdio.h>
#include <string.h>

#include "as/device_name.h"

static void names_that_are_labels_pass_in_lower_case(void **state UNUSED) {
  static const struct {
    const char *wished, *given;
  } names[] = {
      {"a", "a"},
      {"alice", "alice"},
      {"Alice-Laptop", "alice-laptop"},
      {"0", "0"},
      {"4you", "4you"},
      {"a--b", "a--b"},
      {"xn--bcher-kva", "xn--bcher-kva"},
      {"as1", "as1"},
      {"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890",
       "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567890"},
  };
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char name[STORE_NAME_SIZE];
    struct error error = {0};
    must(as_device_name(names[i].wished, name, &error), &error);
    assert_string_equal(name, names[i].given);
  }
}

static void names_that_are_none_are_refused_with_the_reason(void **state UNUSED) {
  static const struct {
    const char *wished, *reason;
  } names[] = {
      {"", "has no name"},
      {"-a", "character 1"},
      {"a-", "character 2"},
      {"-", "character 1"},
      {"a.b", "character 2"},
      {"a_b", "character 2"},
      {"a b", "character 2"},
      {"b\xc3\xbc"
       "cher",
       "character 2"},
      {"a\n", "character 2"},
      {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz012345678901", "64 characters"},
      {"as", "reserved"},
      {"NMS", "reserved"},
      {"trs", "reserved"},
      {"localhost", "reserved"},
  };
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char name[STORE_NAME_SIZE];
    struct error error = {0};
    must_fail(as_device_name(names[i].wished, name, &error), ERROR_INVALID, &error,
              names[i].reason);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_that_are_labels_pass_in_lower_case),
      cmocka_unit_test(names_that_are_none_are_refused_with_the_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

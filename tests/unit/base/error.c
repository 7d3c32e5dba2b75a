#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void an_error_bears_its_code_and_its_message(void **state UNUSED) {
  struct error error = {0};
  assert_int_equal(error_set(&error, ERROR_CONFIG, "%s:%d: %s", "file", 7, "no"), ERROR_CONFIG);
  assert_int_equal(error.code, ERROR_CONFIG);
  assert_string_equal(error.message, "file:7: no");
}

static void without_a_place_for_the_message_the_code_still_comes_back(void **state UNUSED) {
  assert_int_equal(error_set(NULL, ERROR_LIMIT, "%d", 1), ERROR_LIMIT);
  assert_int_equal(error_set_errno(NULL, ENOENT, "x"), ERROR_NOT_FOUND);
}

static void a_failure_is_never_turned_into_success_by_a_prefix(void **state UNUSED) {
  assert_int_not_equal(error_prefix(NULL, "while joining: "), 0);
}

static void a_message_too_long_is_cut_and_terminated(void **state UNUSED) {
  char text[2000];
  memset(text, 'a', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  struct error error;
  error_set(&error, ERROR_INVALID, "%s", text);
  assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
}

static void errno_becomes_a_code_and_a_text(void **state UNUSED) {
  static const struct {
    int errno_value;
    enum error_code code;
  } table[] = {
      {EACCES, ERROR_PERMISSION},
      {EPERM, ERROR_PERMISSION},
      {ENOENT, ERROR_NOT_FOUND},
      {EEXIST, ERROR_EXISTS},
      {EADDRINUSE, ERROR_EXISTS},
      {ENOMEM, ERROR_NO_MEMORY},
      {ENETUNREACH, ERROR_UNREACHABLE},
      {EHOSTUNREACH, ERROR_UNREACHABLE},
      {EIO, ERROR_SYSTEM},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    struct error error = {0};
    assert_int_equal(error_set_errno(&error, table[i].errno_value, "cannot"), table[i].code);
    assert_int_equal(error.code, table[i].code);
    assert_memory_equal(error.message, "cannot: ", 8);
    assert_string_equal(error.message + 8, strerror(table[i].errno_value));
  }
}

static void the_reason_of_the_system_survives_a_message_too_long(void **state UNUSED) {
  char text[2000];
  memset(text, 'a', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  struct error error;
  error_set_errno(&error, ENOENT, "%s", text);
  assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
  const char *end = ": No such file or directory";
  assert_string_equal(error.message + strlen(error.message) - strlen(end), end);
}

static void a_prefix_goes_in_front(void **state UNUSED) {
  struct error error;
  error_set(&error, ERROR_TLS, "bad record");
  assert_int_equal(error_prefix(&error, "while joining %s: ", "here"), ERROR_TLS);
  assert_string_equal(error.message, "while joining here: bad record");
}

static void a_prefix_that_leaves_no_room_cuts_the_end(void **state UNUSED) {
  struct error error;
  char text[sizeof(error.message)];
  memset(text, 'a', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  error_set(&error, ERROR_TLS, "%s", text);
  error_prefix(&error, "bc");
  assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
  assert_memory_equal(error.message, "bca", 3);
  error_prefix(&error, "%s", text);
  assert_string_equal(error.message, text);
}

static void every_code_has_a_name_of_its_own(void **state UNUSED) {
  for (int code = ERROR_RELAY; code <= ERROR_NONE; code++) {
    assert_string_not_equal(error_name(code), "unknown");
    for (int other = ERROR_RELAY; other < code; other++) {
      assert_string_not_equal(error_name(code), error_name(other));
    }
  }
  assert_string_equal(error_name(ERROR_NOT_FOUND), "not-found");
  assert_string_equal(error_name(1), "unknown");
  assert_string_equal(error_name(-1000), "unknown");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_error_bears_its_code_and_its_message),
      cmocka_unit_test(without_a_place_for_the_message_the_code_still_comes_back),
      cmocka_unit_test(a_failure_is_never_turned_into_success_by_a_prefix),
      cmocka_unit_test(a_message_too_long_is_cut_and_terminated),
      cmocka_unit_test(errno_becomes_a_code_and_a_text),
      cmocka_unit_test(the_reason_of_the_system_survives_a_message_too_long),
      cmocka_unit_test(a_prefix_goes_in_front),
      cmocka_unit_test(a_prefix_that_leaves_no_room_cuts_the_end),
      cmocka_unit_test(every_code_has_a_name_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

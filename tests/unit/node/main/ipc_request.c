#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/main/ipc_request.h"

static int parse(const char *line, struct ipc_request *request, struct error *error) {
  *error = (struct error){0};
  return ipc_request_parse(line, strlen(line), request, error);
}

static void commands_without_arguments_are_read(void **state) {
  (void)state;
  static const struct {
    const char *line;
    enum ipc_command command;
  } cases[] = {
      {"{\"command\":\"status\"}", IPC_STATUS},
      {"{\"command\":\"up\"}", IPC_UP},
      {"{\"command\":\"down\"}", IPC_DOWN},
      {"{\"command\":\"version\"}", IPC_VERSION},
      {" { \"command\" : \"status\", \"new\": [1] }\r", IPC_STATUS},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct ipc_request request;
    struct error error;
    assert_int_equal(parse(cases[i].line, &request, &error), ERROR_NONE);
    assert_int_equal(request.command, cases[i].command);
  }
}

static void join_takes_an_invitation_and_maybe_a_name(void **state) {
  (void)state;
  struct ipc_request request;
  struct error error;
  assert_int_equal(parse("{\"command\":\"join\",\"invitation\":\"cyphonic:A\",\"name\":\"laptop\"}",
                         &request, &error),
                   ERROR_NONE);
  assert_int_equal(request.command, IPC_JOIN);
  assert_string_equal(request.invitation, "cyphonic:A");
  assert_string_equal(request.name, "laptop");
  assert_int_equal(
      parse("{\"command\":\"join\",\"invitation\":\"cyphonic:A\",\"name\":null}", &request, &error),
      ERROR_NONE);
  assert_string_equal(request.name, "");
}

static void what_is_wrong_is_refused_with_a_reason(void **state) {
  (void)state;
  static const struct {
    const char *line, *reason;
  } cases[] = {
      {"", "no JSON"},
      {"{", "no JSON"},
      {"[]", "no JSON object"},
      {"{}", "lacks \"command\""},
      {"{\"command\":7}", "lacks \"command\""},
      {"{\"command\":\"reboot\"}", "no command \"reboot\""},
      {"{\"command\":\"join\"}", "lacks \"invitation\""},
      {"{\"command\":\"join\",\"invitation\":\"\"}", "is empty"},
      {"{\"command\":\"ping\"}", "lacks \"name\""},
      {"{\"command\":\"resolve\",\"name\":7}", "is no string"},
      {"{\"command\":\"ping\",\"name\":\"a\\u0000b\"}", "no JSON"},
      {"{\"command\":\"up\",\"command\":\"down\"}", "no JSON"},
      {"{\"command\":\"up\"} {}", "no JSON"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct ipc_request request;
    struct error error;
    assert_int_equal(parse(cases[i].line, &request, &error), ERROR_INVALID);
    if (strstr(error.message, cases[i].reason) == NULL) {
      fail_msg("'%s' gave '%s'", cases[i].line, error.message);
    }
  }
}

static void a_name_that_is_too_long_is_refused(void **state) {
  (void)state;
  char name[IPC_NAME_SIZE + 1];
  memset(name, 'a', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  char line[512];
  struct ipc_request request;
  struct error error;
  snprintf(line, sizeof(line), "{\"command\":\"ping\",\"name\":\"%s\"}", name);
  assert_int_equal(parse(line, &request, &error), ERROR_INVALID);
  snprintf(line, sizeof(line), "{\"command\":\"ping\",\"name\":\"%s\"}", name + 1);
  assert_int_equal(parse(line, &request, &error), ERROR_NONE);
}

static void answers_are_one_line(void **state) {
  (void)state;
  char *line = ipc_success(json_pack("{s:s}", "fqdn", "a.b"));
  assert_string_equal(line, "{\"ok\":true,\"data\":{\"fqdn\":\"a.b\"}}\n");
  free(line);
  line = ipc_success(NULL);
  assert_string_equal(line, "{\"ok\":true,\"data\":{}}\n");
  free(line);
  line = ipc_failure(ERROR_NOT_FOUND, "two\nlines");
  char expected[128];
  snprintf(expected, sizeof(expected),
           "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"two\\nlines\"}}\n",
           error_name(ERROR_NOT_FOUND));
  assert_string_equal(line, expected);
  free(line);
}

static void a_message_that_is_no_text_still_gives_an_answer(void **state) {
  (void)state;
  char *line = ipc_failure(ERROR_INVALID, "\xff\xfe");
  assert_non_null(line);
  assert_non_null(strstr(line, "\"ok\":false"));
  free(line);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(commands_without_arguments_are_read),
      cmocka_unit_test(join_takes_an_invitation_and_maybe_a_name),
      cmocka_unit_test(what_is_wrong_is_refused_with_a_reason),
      cmocka_unit_test(a_name_that_is_too_long_is_refused),
      cmocka_unit_test(answers_are_one_line),
      cmocka_unit_test(a_message_that_is_no_text_still_gives_an_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command/command.h"

struct seen {
  int argc;
  char *argv[8];
  char name[64];
  const char *global;
};

static int on_run(int argc, char **argv, void *context) {
  struct seen *seen = context;
  seen->argc = argc;
  snprintf(seen->name, sizeof(seen->name), "%s", argv[0]);
  for (int i = 1; i < argc; i++) {
    seen->argv[i] = argv[i];
  }
  return 7;
}

static const struct command commands[] = {
    {"up", "go up", on_run},
    {"token create", "make one", on_run},
    {"token list", "list them", on_run},
};

static const struct argp_option options[] = {
    {.name = "socket", .key = 's', .arg = "PATH", .doc = "Where"}, {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
  struct seen *seen = state->input;
  if (key == 's') {
    seen->global = argument;
    return 0;
  }
  return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {.options = options, .parser = parse};

static const struct command_program program = {
    .name = "tool",
    .summary = "A tool.",
    .commands = commands,
    .command_count = 3,
    .options = &argp,
};

static int run(struct seen *seen, const char *const *words) {
  char *argv[8] = {(char *)(uintptr_t) "tool"};
  int argc = 1;
  for (; words[argc - 1] != NULL; argc++) {
    argv[argc] = (char *)(uintptr_t)words[argc - 1];
  }
  memset(seen, 0, sizeof(*seen));
  return command_run(&program, argc, argv, seen);
}

static void a_command_gets_its_own_arguments(void **state) {
  (void)state;
  struct seen seen;
  const char *const words[] = {"up", "--json", "a", NULL};
  assert_int_equal(run(&seen, words), 7);
  assert_int_equal(seen.argc, 3);
  assert_string_equal(seen.name, "tool up");
  assert_string_equal(seen.argv[1], "--json");
  assert_string_equal(seen.argv[2], "a");
}

static void a_command_of_two_words_is_found(void **state) {
  (void)state;
  struct seen seen;
  const char *const words[] = {"token", "create", "--uses", "3", NULL};
  assert_int_equal(run(&seen, words), 7);
  assert_int_equal(seen.argc, 3);
  assert_string_equal(seen.name, "tool token create");
}

static void options_before_the_command_are_the_programs(void **state) {
  (void)state;
  struct seen seen;
  const char *const words[] = {"--socket", "/s", "up", NULL};
  assert_int_equal(run(&seen, words), 7);
  assert_string_equal(seen.global, "/s");
  assert_int_equal(seen.argc, 1);
}

static void what_is_no_command_is_wrong_usage(void **state) {
  (void)state;
  static const char *const lines[][3] = {
      {"sideways", NULL}, {"token", NULL}, {"token", "burn", NULL}, {"u", NULL}, {NULL}};
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    struct seen seen;
    assert_int_equal(run(&seen, lines[i]), COMMAND_USAGE);
    assert_int_equal(seen.argc, 0);
  }
}

static void help_lists_the_commands(void **state) {
  (void)state;
  struct seen seen;
  const char *const words[] = {"--help", "up", NULL};
  assert_int_equal(run(&seen, words), COMMAND_OK);
  assert_int_equal(seen.argc, 0);
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  command_help(&program, stream);
  fclose(stream);
  assert_non_null(strstr(text, "token create"));
  assert_non_null(strstr(text, "--socket=PATH"));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_command_gets_its_own_arguments),
      cmocka_unit_test(a_command_of_two_words_is_found),
      cmocka_unit_test(options_before_the_command_are_the_programs),
      cmocka_unit_test(what_is_no_command_is_wrong_usage),
      cmocka_unit_test(help_lists_the_commands),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/render.h"

/* What `render` writes for this JSON; the caller frees. */
static char *rendered(void (*render)(FILE *stream, const json_t *data), const char *json) {
  json_t *data = json_loads(json, 0, NULL);
  assert_non_null(data);
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  render(stream, data);
  fclose(stream);
  json_decref(data);
  return text;
}

static void expect(void (*render)(FILE *stream, const json_t *data), const char *json,
                   const char *expected) {
  char *text = rendered(render, json);
  assert_string_equal(text, expected);
  free(text);
}

static void joining_says_who_the_node_is_and_what_to_try(void **state) {
  (void)state;
  expect(render_joined,
         "{\"fqdn\":\"laptop.x.internal\",\"ipv4\":\"10.20.0.2\",\"ipv6\":\"fd12::2\"}",
         "This node is laptop.x.internal (10.20.0.2, fd12::2). Try: cyphonic ping OTHER\n");
  expect(render_joined, "{\"fqdn\":\"laptop.x.internal\",\"ipv6\":\"fd12::2\"}",
         "This node is laptop.x.internal (fd12::2). Try: cyphonic ping OTHER\n");
  expect(render_joined, "{}", "This node is (name unknown). Try: cyphonic ping OTHER\n");
}

static void a_resolved_name_has_its_addresses_below(void **state) {
  (void)state;
  expect(render_resolve, "{\"fqdn\":\"a.x\",\"ipv4\":\"10.20.0.2\",\"ipv6\":\"fd12::2\"}",
         "a.x\n  10.20.0.2\n  fd12::2\n");
  expect(render_resolve, "{\"fqdn\":\"a.x\",\"ipv4\":7}", "a.x\n");
}

static void ping_one(FILE *stream, const json_t *data) {
  render_ping(stream, 3, data);
}

static void a_ping_has_time_and_path(void **state) {
  (void)state;
  expect(ping_one, "{\"rtt_ms\":1.234,\"path\":\"direct\",\"remote\":\"192.0.2.1:443\"}",
         "seq=3 time=1.23 ms direct 192.0.2.1:443\n");
  expect(ping_one,
         "{\"rtt_ms\":12,\"path\":\"relay\",\"relay\":\"trs.x\",\"remote\":\"192.0.2.9:443\"}",
         "seq=3 time=12.00 ms via relay trs.x\n");
  expect(ping_one, "{\"path\":\"relay\"}", "seq=3 via relay (name unknown)\n");
  expect(ping_one, "{}", "seq=3\n");
  expect(render_ping_head, "{\"fqdn\":\"a.x\",\"ipv4\":\"10.1.2.3\"}",
         "Ping a.x (10.1.2.3) through its tunnel\n");
}

static void errors_are_one_line(void **state) {
  (void)state;
  struct client_error error = {.code = "not-found", .message = "there is no node 'x'"};
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  render_error(stream, &error);
  render_error_json(stream, &error);
  fclose(stream);
  assert_string_equal(
      text, "cyphonic: there is no node 'x'\n"
            "{\"error\":{\"code\":\"not-found\",\"message\":\"there is no node 'x'\"}}\n");
  free(text);
}

static void sizes_are_in_units_people_read(void **state) {
  (void)state;
  static const struct {
    json_int_t bytes;
    const char *text;
  } cases[] = {
      {-1, "0 B"},       {0, "0 B"},           {1023, "1023 B"},        {1024, "1.0 KiB"},
      {1536, "1.5 KiB"}, {1048576, "1.0 MiB"}, {5368709120, "5.0 GiB"},
  };
  char text[RENDER_SIZE_SIZE];
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    assert_string_equal(render_size(cases[i].bytes, text), cases[i].text);
  }
}

static void durations_are_in_units_people_read(void **state) {
  (void)state;
  static const struct {
    json_int_t seconds;
    const char *text;
  } cases[] = {
      {-5, "just now"}, {0, "just now"},   {1, "1 s"},    {119, "119 s"},
      {120, "2 min"},   {7199, "119 min"}, {7200, "2 h"}, {172800, "2 d"},
  };
  char text[RENDER_SIZE_SIZE];
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    assert_string_equal(render_duration(cases[i].seconds, text), cases[i].text);
  }
}

static void a_text_that_would_command_the_terminal_is_left_out(void **state) {
  (void)state;
  json_t *data = json_loads("{\"fqdn\":\"a\\u001b[2J\",\"empty\":\"\",\"good\":\"g\"}", 0, NULL);
  assert_string_equal(render_text(data, "fqdn", "otherwise"), "otherwise");
  assert_string_equal(render_text(data, "empty", "otherwise"), "otherwise");
  assert_string_equal(render_text(data, "absent", "otherwise"), "otherwise");
  assert_string_equal(render_text(data, "good", "otherwise"), "g");
  json_decref(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(joining_says_who_the_node_is_and_what_to_try),
      cmocka_unit_test(a_resolved_name_has_its_addresses_below),
      cmocka_unit_test(a_ping_has_time_and_path),
      cmocka_unit_test(errors_are_one_line),
      cmocka_unit_test(sizes_are_in_units_people_read),
      cmocka_unit_test(durations_are_in_units_people_read),
      cmocka_unit_test(a_text_that_would_command_the_terminal_is_left_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

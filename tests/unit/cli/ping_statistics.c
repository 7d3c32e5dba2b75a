#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/ping_statistics.h"

static void expect(const struct ping_statistics *statistics, const char *expected) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  ping_statistics_print(stream, "a.x", statistics);
  fclose(stream);
  assert_string_equal(text, expected);
  free(text);
}

static void answers_give_minimum_average_and_maximum(void **state) {
  (void)state;
  struct ping_statistics statistics = {.sent = 4};
  ping_statistics_add(&statistics, 2);
  ping_statistics_add(&statistics, 1);
  ping_statistics_add(&statistics, 6);
  expect(&statistics, "a.x: 4 sent, 3 answered, 25 % lost, rtt min/avg/max 1.00/3.00/6.00 ms\n");
  json_t *json = ping_statistics_json(&statistics);
  const json_t *inner = json_object_get(json, "statistics");
  assert_int_equal(json_integer_value(json_object_get(inner, "sent")), 4);
  assert_int_equal(json_integer_value(json_object_get(inner, "answered")), 3);
  assert_true(json_real_value(json_object_get(inner, "avg_ms")) == 3.0);
  json_decref(json);
}

static void no_answers_give_no_times(void **state) {
  (void)state;
  struct ping_statistics statistics = {.sent = 2};
  expect(&statistics, "a.x: 2 sent, 0 answered, 100 % lost\n");
  json_t *json = ping_statistics_json(&statistics);
  assert_null(json_object_get(json_object_get(json, "statistics"), "min_ms"));
  json_decref(json);
  statistics.sent = 0;
  expect(&statistics, "a.x: 0 sent, 0 answered, 0 % lost\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_give_minimum_average_and_maximum),
      cmocka_unit_test(no_answers_give_no_times),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

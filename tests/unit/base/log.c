#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

/* A log whose lines can be looked at. */
struct capture {
  struct log log;
  char *text;
  size_t size;
};

static void capture_init(struct capture *capture, enum log_level level) {
  *capture = (struct capture){.log.level = level};
  capture->log.stream = open_memstream(&capture->text, &capture->size);
  assert_non_null(capture->log.stream);
}

static void capture_clear(struct capture *capture) {
  fclose(capture->log.stream);
  free(capture->text);
}

static void a_line_has_time_level_event_and_pairs(void **state UNUSED) {
  struct capture capture;
  capture_init(&capture, LOG_LEVEL_INFO);
  log_warning(&capture.log, "address-overlap", "range=%s count=%d", "10.0.0.0/8", 2);
  assert_non_null(capture.text);
  /* 2026-11-24T15:04:05.678Z */
  assert_int_equal(capture.text[10], 'T');
  assert_int_equal(capture.text[19], '.');
  assert_string_equal(capture.text + 23, "Z warning address-overlap range=10.0.0.0/8 count=2\n");
  capture_clear(&capture);
}

static void an_event_without_pairs_ends_at_its_name(void **state UNUSED) {
  struct capture capture;
  capture_init(&capture, LOG_LEVEL_INFO);
  log_write(&capture.log, LOG_LEVEL_INFO, "ready", "%s", "");
  assert_string_equal(capture.text + 23, "Z info ready\n");
  capture_clear(&capture);
}

static void lines_above_the_level_are_dropped(void **state UNUSED) {
  struct capture capture;
  capture_init(&capture, LOG_LEVEL_WARNING);
  log_info(&capture.log, "quiet", "a=%d", 1);
  log_debug(&capture.log, "quiet", "a=%d", 1);
  fflush(capture.log.stream);
  assert_int_equal(capture.size, 0);
  log_error(&capture.log, "loud", "a=%d", 1);
  assert_true(capture.size > 0);
  capture_clear(&capture);
}

static void without_a_log_nothing_happens(void **state UNUSED) {
  log_error(NULL, "event", "a=%d", 1);
  struct log log = {.level = LOG_LEVEL_DEBUG};
  log_error(&log, "event", "a=%d", 1);
}

static void a_value_from_a_stranger_cannot_begin_a_line_of_its_own(void **state UNUSED) {
  struct capture capture;
  capture_init(&capture, LOG_LEVEL_INFO);
  log_info(&capture.log, "name", "name=%s", "a\n2026 error forged\x1b[2J\x7f");
  assert_string_equal(capture.text + 23, "Z info name name=a?2026 error forged?[2J?\n");
  capture_clear(&capture);
}

static void a_line_too_long_is_cut_and_still_ends(void **state UNUSED) {
  struct capture capture;
  capture_init(&capture, LOG_LEVEL_INFO);
  char text[5000];
  memset(text, 'x', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  log_info(&capture.log, "long", "%s", text);
  assert_true(capture.size < 1200);
  assert_int_equal(capture.text[capture.size - 1], '\n');
  capture_clear(&capture);
}

static void a_burst_passes_and_the_rest_waits_for_the_next_period(void **state UNUSED) {
  struct log_limit limit = {.period = 1000, .burst = 2};
  uint32_t dropped;
  assert_true(log_limit_allows(&limit, 5000, &dropped));
  assert_true(log_limit_allows(&limit, 5001, &dropped));
  assert_false(log_limit_allows(&limit, 5002, &dropped));
  assert_false(log_limit_allows(&limit, 5999, &dropped));
  assert_int_equal(dropped, 0);
  assert_true(log_limit_allows(&limit, 6000, &dropped));
  assert_int_equal(dropped, 2);
  assert_true(log_limit_allows(&limit, 6001, &dropped));
  assert_int_equal(dropped, 0);
}

static void levels_are_known_by_name(void **state UNUSED) {
  enum log_level level;
  assert_int_equal(log_level_parse("error", &level), 0);
  assert_int_equal(level, LOG_LEVEL_ERROR);
  assert_int_equal(log_level_parse("debug", &level), 0);
  assert_int_equal(level, LOG_LEVEL_DEBUG);
  assert_int_equal(log_level_parse("loud", &level), ERROR_INVALID);
  assert_int_equal(log_level_parse("", &level), ERROR_INVALID);
  assert_int_equal(level, LOG_LEVEL_DEBUG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_has_time_level_event_and_pairs),
      cmocka_unit_test(an_event_without_pairs_ends_at_its_name),
      cmocka_unit_test(lines_above_the_level_are_dropped),
      cmocka_unit_test(without_a_log_nothing_happens),
      cmocka_unit_test(a_value_from_a_stranger_cannot_begin_a_line_of_its_own),
      cmocka_unit_test(a_line_too_long_is_cut_and_still_ends),
      cmocka_unit_test(a_burst_passes_and_the_rest_waits_for_the_next_period),
      cmocka_unit_test(levels_are_known_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

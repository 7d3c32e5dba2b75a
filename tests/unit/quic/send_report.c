#include "quic/send_report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static char *text;
static size_t size;
static struct log log_to_memory;

static int setup(void **state) {
  (void)state;
  log_to_memory = (struct log){.stream = open_memstream(&text, &size), .level = LOG_LEVEL_INFO};
  return log_to_memory.stream == NULL ? -1 : 0;
}

static int teardown(void **state) {
  (void)state;
  fclose(log_to_memory.stream);
  free(text);
  return 0;
}

static unsigned look(struct send_report *report, const struct udp_counters *counters,
                     uint64_t seconds) {
  unsigned lines = send_report_look(report, counters, 4, seconds * SECOND, &log_to_memory);
  fflush(log_to_memory.stream);
  return lines;
}

static void what_goes_on_is_told_once_a_minute(void **state) {
  (void)state;
  struct send_report report = {0};
  struct udp_counters counters = {0};
  assert_int_equal(look(&report, &counters, 100), 0);
  counters.barred = 3;
  counters.barred_errno = EPERM;
  assert_int_equal(look(&report, &counters, 101), 1);
  assert_non_null(
      strstr(text, "udp-refused family=IPv4 packets=3 error=\"Operation not permitted\""));
  counters.barred = 1000;
  for (uint64_t second = 102; second < 161; second++) {
    assert_int_equal(look(&report, &counters, second), 0);
  }
  assert_int_equal(look(&report, &counters, 161), 1);
  assert_non_null(strstr(text, "packets=997 "));
  assert_int_equal(look(&report, &counters, 1000), 0);
}

static void a_kernel_that_cuts_nothing_is_told_once(void **state) {
  (void)state;
  struct send_report report = {0};
  struct udp_counters counters = {.segmentation_off = true};
  assert_int_equal(look(&report, &counters, 1), 1);
  assert_non_null(strstr(text, "udp-segmentation-off family=IPv4"));
  assert_int_equal(look(&report, &counters, 1000), 0);
}

static void what_is_too_long_is_no_news(void **state) {
  (void)state;
  struct send_report report = {0};
  struct udp_counters counters = {.refused = 5};
  assert_int_equal(look(&report, &counters, 1), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_goes_on_is_told_once_a_minute, setup, teardown),
      cmocka_unit_test_setup_teardown(a_kernel_that_cuts_nothing_is_told_once, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_too_long_is_no_news, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

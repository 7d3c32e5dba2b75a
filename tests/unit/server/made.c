#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/made.h"

static int set_up(void **state) {
  char *folder = strdup("/tmp/cyphonic-made-XXXXXX");
  assert_non_null(mkdtemp(folder));
  *state = folder;
  return 0;
}

static int tear_down(void **state) {
  assert_int_equal(rmdir(*state), 0); /* empty again */
  free(*state);
  return 0;
}

static void what_was_made_is_taken_back(void **state) {
  struct made made = {0};
  struct error error = {0};
  char folder[128], file[160], never[160];
  snprintf(folder, sizeof(folder), "%s/a/b//c", (char *)*state);
  snprintf(file, sizeof(file), "%s/file", folder);
  snprintf(never, sizeof(never), "%s/never", folder);
  assert_int_equal(made_folder(&made, folder, 0700, &error), ERROR_NONE);
  struct stat status;
  assert_int_equal(stat(folder, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0700);
  assert_int_equal(made_file(&made, file, &error), ERROR_NONE);
  assert_int_equal(made_file(&made, never, &error), ERROR_NONE);
  fclose(fopen(file, "w"));
  made_undo(&made);
  assert_int_equal(made.count, 0);
}

static void what_was_there_stays(void **state) {
  struct made made = {0};
  struct error error = {0};
  char folder[128], inner[160];
  snprintf(folder, sizeof(folder), "%s/a", (char *)*state);
  snprintf(inner, sizeof(inner), "%s/b", folder);
  assert_int_equal(mkdir(folder, 0755), 0);
  assert_int_equal(made_folder(&made, inner, 0700, &error), ERROR_NONE);
  made_undo(&made);
  assert_int_not_equal(access(inner, F_OK), 0);
  assert_int_equal(rmdir(folder), 0);
}

static void a_file_in_the_way_is_named(void **state) {
  struct made made = {0};
  struct error error = {0};
  char file[128], folder[160];
  snprintf(file, sizeof(file), "%s/a", (char *)*state);
  snprintf(folder, sizeof(folder), "%s/b", file);
  fclose(fopen(file, "w"));
  assert_int_equal(made_folder(&made, folder, 0700, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, file));
  made_undo(&made);
  assert_int_equal(unlink(file), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_was_made_is_taken_back, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_was_there_stays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_file_in_the_way_is_named, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

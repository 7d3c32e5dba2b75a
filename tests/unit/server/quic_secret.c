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

#include "base/file.h"
#include "server/quic_secret.h"

struct place {
  char folder[64], path[96];
};

static int set_up(void **state) {
  struct place *place = calloc(1, sizeof(*place));
  assert_non_null(place);
  strcpy(place->folder, "/tmp/cyphonic-secret-XXXXXX");
  assert_non_null(mkdtemp(place->folder));
  snprintf(place->path, sizeof(place->path), "%s/quic.secret", place->folder);
  *state = place;
  return 0;
}

static int tear_down(void **state) {
  struct place *place = *state;
  (void)unlink(place->path);
  assert_int_equal(rmdir(place->folder), 0);
  free(place);
  return 0;
}

static void what_was_made_is_loaded_and_nobody_elses(void **state) {
  struct place *place = *state;
  struct made made = {0};
  struct error error = {0};
  uint8_t first[QUIC_SECRET_SIZE], second[QUIC_SECRET_SIZE];
  assert_int_equal(quic_secret_make(place->path, &made, &error), 0);
  assert_int_equal(made.count, 1);
  struct stat status;
  assert_int_equal(stat(place->path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
  assert_int_equal(quic_secret_load(place->path, first, &error), 0);
  assert_int_equal(quic_secret_load(place->path, second, &error), 0);
  assert_memory_equal(first, second, sizeof(first));
  made_undo(&made);
  assert_int_equal(quic_secret_make(place->path, &made, &error), 0);
  assert_int_equal(quic_secret_load(place->path, second, &error), 0);
  assert_memory_not_equal(first, second, sizeof(first));
  made_clear(&made);
}

static void a_secret_that_others_may_read_is_refused(void **state) {
  struct place *place = *state;
  struct made made = {0};
  struct error error = {0};
  uint8_t secret[QUIC_SECRET_SIZE];
  assert_int_equal(quic_secret_make(place->path, &made, &error), 0);
  assert_int_equal(chmod(place->path, 0644), 0);
  assert_int_equal(quic_secret_load(place->path, secret, &error), ERROR_PERMISSION);
  assert_non_null(strstr(error.message, place->path));
  made_clear(&made);
}

static void a_secret_of_another_size_is_damaged(void **state) {
  struct place *place = *state;
  struct error error = {0};
  uint8_t secret[QUIC_SECRET_SIZE];
  assert_int_equal(quic_secret_load(place->path, secret, &error), ERROR_NOT_FOUND);
  assert_int_equal(file_create(place->path, "short", 5, 0600, &error), 0);
  assert_int_equal(quic_secret_load(place->path, secret, &error), ERROR_INVALID);
  assert_non_null(strstr(error.message, "5 bytes"));
}

int main(void) {
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_PLACE(what_was_made_is_loaded_and_nobody_elses),
      WITH_PLACE(a_secret_that_others_may_read_is_refused),
      WITH_PLACE(a_secret_of_another_size_is_damaged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

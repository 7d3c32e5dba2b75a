#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "server/access.h"

struct place {
  char folder[64], config[96];
};

static int set_up(void **state) {
  struct place *place = calloc(1, sizeof(*place));
  assert_non_null(place);
  strcpy(place->folder, "/tmp/cyphonic-access-XXXXXX");
  assert_non_null(mkdtemp(place->folder));
  snprintf(place->config, sizeof(place->config), "%s/server.conf", place->folder);
  *state = place;
  return 0;
}

static int tear_down(void **state) {
  struct place *place = *state;
  (void)unlink(place->config);
  assert_int_equal(rmdir(place->folder), 0);
  free(place);
  return 0;
}

static void configure(const struct place *place, const char *as, const char *nms) {
  FILE *file = fopen(place->config, "w");
  assert_non_null(file);
  fprintf(file, "[server]\npublic=a.example\nstate=%s\n[as]\nenabled=%s\n[nms]\nenabled=%s\n",
          place->folder, as, nms);
  fclose(file);
}

static void a_relay_alone_runs_without_a_database(void **state) {
  struct place *place = *state;
  configure(place, "no", "no");
  struct server_access access;
  struct error error = {0};
  assert_int_equal(server_access_open_to_run(place->config, &access, &error), ERROR_NONE);
  assert_null(access.store);
  assert_non_null(access.paths.path[SERVER_TRS_KEY]);
  server_access_close(&access);
}

static void as_or_nms_do_not(void **state) {
  struct place *place = *state;
  struct server_access access;
  struct error error = {0};
  configure(place, "yes", "no");
  assert_int_equal(server_access_open_to_run(place->config, &access, &error), ERROR_NOT_FOUND);
  configure(place, "no", "yes");
  assert_int_equal(server_access_open_to_run(place->config, &access, &error), ERROR_NOT_FOUND);
}

static void the_operator_is_sent_to_the_host_that_has_the_database(void **state) {
  struct place *place = *state;
  configure(place, "no", "no");
  struct server_access access;
  struct error error = {0};
  assert_int_equal(server_access_open(place->config, true, &access, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "relay alone"));
}

static void a_missing_configuration_says_how_to_make_one(void **state) {
  struct place *place = *state;
  struct server_access access;
  struct error error = {0};
  assert_int_equal(server_access_open_to_run(place->config, &access, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "cyphonic-server init"));
}

int main(void) {
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_PLACE(a_relay_alone_runs_without_a_database),
      WITH_PLACE(as_or_nms_do_not),
      WITH_PLACE(the_operator_is_sent_to_the_host_that_has_the_database),
      WITH_PLACE(a_missing_configuration_says_how_to_make_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

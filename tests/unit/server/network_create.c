#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pki/credentials.h"
#include "server/network_create.h"
#include "server/server_config.h"
#include "server/server_paths.h"

enum { NOW = 1764000000 };

struct world {
  char folder[64], state[80], config[96];
  struct network_plan plan;
};

static const char *const hosts[] = {"127.0.0.1:8443"};

static int on_file(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status;
  (void)kind;
  (void)walk;
  return remove(path);
}

static int set_up(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  strcpy(world->folder, "/tmp/cyphonic-create-XXXXXX");
  assert_non_null(mkdtemp(world->folder));
  snprintf(world->state, sizeof(world->state), "%s/state", world->folder);
  snprintf(world->config, sizeof(world->config), "%s/etc/server.conf", world->folder);
  world->plan = (struct network_plan){
      .state = world->state,
      .config = world->config,
      .network = {.domain = "x.internal",
                  .ipv4 = {.address = {.family = 4, .bytes = {10, 20}}, .length = 16},
                  .ipv6 = {.address = {.family = 6, .bytes = {0xfd, 1}}, .length = 64}},
      .public_hosts = hosts,
      .public_count = 1,
      .port = 8443,
      .now = NOW,
  };
  *state = world;
  return 0;
}

static int tear_down(void **state) {
  struct world *world = *state;
  nftw(world->folder, on_file, 8, FTW_DEPTH | FTW_PHYS);
  free(world);
  return 0;
}

static void create(struct world *world) {
  struct error error = {0};
  if (network_create(&world->plan, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
}

static void a_network_has_all_that_a_server_needs(void **state) {
  struct world *world = *state;
  create(world);
  struct error error = {0};
  struct server_paths paths;
  assert_int_equal(server_paths_make(world->state, &paths, &error), ERROR_NONE);
  for (size_t i = 0; i < SERVER_FILE_COUNT; i++) {
    struct stat status;
    assert_int_equal(stat(paths.path[i], &status), 0);
    bool secret = strstr(paths.path[i], ".key") != NULL || i == SERVER_SECRET ||
                  i == SERVER_DATABASE || S_ISDIR(status.st_mode);
    if (secret && (status.st_mode & 077) != 0) {
      fail_msg("%s may be read by others", paths.path[i]);
    }
  }
  struct pki_trust *trust;
  assert_int_equal(pki_trust_load(paths.path[SERVER_ROOT_CERTIFICATE], &trust, &error), 0);
  struct pki_credentials *credentials;
  assert_int_equal(pki_credentials_load(paths.path[SERVER_NMS_CERTIFICATE],
                                        paths.path[SERVER_NMS_KEY], &credentials, &error),
                   ERROR_NONE);
  struct pki_identity identity;
  assert_int_equal(pki_credentials_verify(credentials, trust, PKI_NMS, NOW + 60, &identity, &error),
                   ERROR_NONE);
  assert_string_equal(identity.name, "nms.x.internal");
  pki_credentials_free(credentials);
  pki_trust_free(trust);
  struct store *store;
  assert_int_equal(store_open(paths.path[SERVER_DATABASE], true, &store, &error), ERROR_NONE);
  struct store_network network;
  assert_int_equal(store_network_get(store, &network, &error), ERROR_NONE);
  assert_string_equal(network.domain, "x.internal");
  assert_int_equal(network.ipv4.length, 16);
  store_close(store);
  server_paths_clear(&paths);
  struct server_config config;
  assert_int_equal(server_config_load(world->config, &config, &error), ERROR_NONE);
  assert_string_equal(config.state, world->state);
  assert_int_equal(config.port, 8443);
  server_config_clear(&config);
}

static void a_second_creation_is_refused_and_changes_nothing(void **state) {
  struct world *world = *state;
  create(world);
  struct server_paths paths;
  struct error error = {0};
  assert_int_equal(server_paths_make(world->state, &paths, &error), ERROR_NONE);
  struct stat before, after;
  assert_int_equal(stat(paths.path[SERVER_ROOT_KEY], &before), 0);
  assert_int_equal(network_create(&world->plan, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, paths.path[SERVER_ROOT_CERTIFICATE]));
  assert_int_equal(stat(paths.path[SERVER_ROOT_KEY], &after), 0);
  assert_int_equal(before.st_ino, after.st_ino);
  server_paths_clear(&paths);
}

static void a_refused_creation_leaves_nothing_behind(void **state) {
  struct world *world = *state;
  world->plan.config = world->folder; /* there is something already */
  struct error error = {0};
  assert_int_equal(network_create(&world->plan, &error), ERROR_EXISTS);
  assert_int_equal(rmdir(world->folder), 0);
}

static void a_failed_creation_takes_back_what_it_made(void **state) {
  struct world *world = *state;
  /* Not found out before the last step. */
  char path[128];
  snprintf(path, sizeof(path), "%s/a\nb", world->folder);
  world->plan.state = path;
  struct error error = {0};
  assert_int_not_equal(network_create(&world->plan, &error), ERROR_NONE);
  assert_int_equal(rmdir(world->folder), 0);
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_WORLD(a_network_has_all_that_a_server_needs),
      WITH_WORLD(a_second_creation_is_refused_and_changes_nothing),
      WITH_WORLD(a_refused_creation_leaves_nothing_behind),
      WITH_WORLD(a_failed_creation_takes_back_what_it_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

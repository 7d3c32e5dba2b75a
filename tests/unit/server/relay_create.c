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
#include "server/quic_secret.h"
#include "server/relay_create.h"
#include "server/server_config.h"

enum { NOW = 1764000000 };

/* A network, and a place for a relay of it. */
struct world {
  char folder[64], state[80], config[96], relay[96];
  struct server_paths network;
  struct relay_plan plan;
};

static const char *const hosts[] = {"192.0.2.7:8443"};
static const char *const nms[] = {"198.51.100.10", "[2001:db8:100::10]"};

static int on_file(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status;
  (void)kind;
  (void)walk;
  return remove(path);
}

static int set_up(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  strcpy(world->folder, "/tmp/cyphonic-relay-XXXXXX");
  assert_non_null(mkdtemp(world->folder));
  snprintf(world->state, sizeof(world->state), "%s/state", world->folder);
  snprintf(world->config, sizeof(world->config), "%s/server.conf", world->folder);
  snprintf(world->relay, sizeof(world->relay), "%s/relays/one", world->folder);
  const struct network_plan network = {
      .state = world->state,
      .config = world->config,
      .network = {.domain = "x.internal",
                  .ipv4 = {.address = {.family = 4, .bytes = {10, 20}}, .length = 16},
                  .ipv6 = {.address = {.family = 6, .bytes = {0xfd, 1}}, .length = 64}},
      .public_hosts = hosts,
      .public_count = 1,
      .port = 443,
      .now = NOW,
  };
  struct error error = {0};
  if (network_create(&network, &error) != ERROR_NONE ||
      server_paths_make(world->state, &world->network, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
  world->plan = (struct relay_plan){
      .network = &world->network,
      .folder = world->relay,
      .state = "/var/lib/cyphonic-relay",
      .name = "one.x.internal",
      .public_hosts = hosts,
      .public_count = 1,
      .nms = nms,
      .nms_count = 2,
      .port = 8443,
      .now = NOW,
  };
  *state = world;
  return 0;
}

static int tear_down(void **state) {
  struct world *world = *state;
  server_paths_clear(&world->network);
  nftw(world->folder, on_file, 8, FTW_DEPTH | FTW_PHYS);
  free(world);
  return 0;
}

static void create(struct world *world) {
  struct error error = {0};
  if (relay_create(&world->plan, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
}

static bool is_there(const char *path) {
  return access(path, F_OK) == 0;
}

static void a_relay_has_all_that_it_needs_and_nothing_of_the_networks(void **state) {
  struct world *world = *state;
  create(world);
  struct server_paths paths;
  struct error error = {0};
  assert_int_equal(server_paths_make(world->relay, &paths, &error), ERROR_NONE);
  for (size_t i = 0; i < SERVER_FILE_COUNT; i++) {
    bool wanted = i == SERVER_ROOT_CERTIFICATE || i == SERVER_TRS_CERTIFICATE ||
                  i == SERVER_TRS_KEY || i == SERVER_SECRET || i >= SERVER_CA_FOLDER;
    if (is_there(paths.path[i]) != wanted) {
      fail_msg("%s is %s", paths.path[i], wanted ? "missing" : "there");
    }
  }
  struct stat status;
  assert_int_equal(stat(paths.path[SERVER_TRS_KEY], &status), 0);
  assert_int_equal(status.st_mode & 077, 0);
  uint8_t secret[QUIC_SECRET_SIZE];
  assert_int_equal(quic_secret_load(paths.path[SERVER_SECRET], secret, &error), ERROR_NONE);
  server_paths_clear(&paths);
}

static void its_certificate_is_a_relays_of_this_network(void **state) {
  struct world *world = *state;
  create(world);
  struct server_paths paths;
  struct error error = {0};
  assert_int_equal(server_paths_make(world->relay, &paths, &error), ERROR_NONE);
  struct pki_trust *trust;
  struct pki_credentials *credentials;
  struct pki_identity identity;
  assert_int_equal(pki_trust_load(world->network.path[SERVER_ROOT_CERTIFICATE], &trust, &error), 0);
  assert_int_equal(pki_credentials_load(paths.path[SERVER_TRS_CERTIFICATE],
                                        paths.path[SERVER_TRS_KEY], &credentials, &error),
                   ERROR_NONE);
  assert_int_equal(pki_credentials_verify(credentials, trust, PKI_TRS, NOW + 60, &identity, &error),
                   ERROR_NONE);
  assert_string_equal(identity.name, "one.x.internal");
  pki_trust_free(trust);
  /* And it finds the network by the root that it carries. */
  assert_int_equal(pki_trust_load(paths.path[SERVER_ROOT_CERTIFICATE], &trust, &error), 0);
  assert_int_equal(pki_credentials_verify(credentials, trust, PKI_TRS, NOW + 60, &identity, &error),
                   ERROR_NONE);
  pki_trust_free(trust);
  pki_credentials_free(credentials);
  server_paths_clear(&paths);
}

static void its_configuration_is_of_a_relay_alone_where_it_will_stand(void **state) {
  struct world *world = *state;
  create(world);
  char path[128];
  snprintf(path, sizeof(path), "%s/" RELAY_CONFIG_NAME, world->relay);
  struct server_config config;
  struct error error = {0};
  assert_int_equal(server_config_load(path, &config, &error), ERROR_NONE);
  assert_string_equal(config.state, "/var/lib/cyphonic-relay");
  assert_int_equal(config.port, 8443);
  assert_string_equal(config.public.text[0], hosts[0]);
  assert_int_equal(config.trs_nms.count, 2);
  assert_string_equal(config.trs_nms.text[1], nms[1]);
  assert_true(config.trs_enabled && !config.as_enabled && !config.nms_enabled);
  server_config_clear(&config);
}

static void a_second_one_in_the_same_folder_is_refused(void **state) {
  struct world *world = *state;
  create(world);
  struct error error = {0};
  assert_int_equal(relay_create(&world->plan, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, world->relay));
  char path[128];
  snprintf(path, sizeof(path), "%s/" RELAY_CONFIG_NAME, world->relay);
  assert_true(is_there(path));
}

static void the_networks_own_folder_is_refused(void **state) {
  struct world *world = *state;
  world->plan.folder = world->state;
  struct error error = {0};
  assert_int_equal(relay_create(&world->plan, &error), ERROR_EXISTS);
  assert_true(is_there(world->network.path[SERVER_ROOT_KEY]));
}

static void without_the_roots_key_it_is_told_to_bring_it_back(void **state) {
  struct world *world = *state;
  assert_int_equal(unlink(world->network.path[SERVER_ROOT_KEY]), 0);
  struct error error = {0};
  assert_int_equal(relay_create(&world->plan, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, world->network.path[SERVER_ROOT_KEY]));
  assert_false(is_there(world->relay));
}

static void a_failed_creation_takes_back_what_it_made(void **state) {
  struct world *world = *state;
  /* Not found out before the last step. */
  world->plan.state = "/a\nb";
  struct error error = {0};
  assert_int_not_equal(relay_create(&world->plan, &error), ERROR_NONE);
  char parent[96];
  snprintf(parent, sizeof(parent), "%s/relays", world->folder);
  assert_false(is_there(parent));
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_WORLD(a_relay_has_all_that_it_needs_and_nothing_of_the_networks),
      WITH_WORLD(its_certificate_is_a_relays_of_this_network),
      WITH_WORLD(its_configuration_is_of_a_relay_alone_where_it_will_stand),
      WITH_WORLD(a_second_one_in_the_same_folder_is_refused),
      WITH_WORLD(the_networks_own_folder_is_refused),
      WITH_WORLD(without_the_roots_key_it_is_told_to_bring_it_back),
      WITH_WORLD(a_failed_creation_takes_back_what_it_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

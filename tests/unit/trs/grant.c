#include "../pki/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cyphonic.pb-c.h"
#include "nms/grant.h"
#include "trs/grant.h"

#define RELAY "trs." DOMAIN
#define ALICE "alice." DOMAIN
#define BOB   "bob." DOMAIN

struct world {
  struct network network;
  struct pki_credentials *nms;
  uint8_t *data;
  size_t size;
};

static const struct grant good = {
    .relay = RELAY,
    .first = {ALICE, 0xa11ce001},
    .second = {BOB, 0xb0b00002},
    .expires = NOW + 3600,
};

static struct pki_credentials *credentials_of(const struct network *network,
                                              enum pki_purpose purpose, const char *label) {
  char name[64], certificate[PATH_SIZE], key[PATH_SIZE], file[16];
  struct error error = {0};
  struct pki_credentials *credentials;
  snprintf(name, sizeof(name), "%s.%s", label, DOMAIN);
  assert_int_equal(pki_issue_service(network->root, purpose, name, NOW, network->folder, &error),
                   0);
  snprintf(file, sizeof(file), "%s.crt", label);
  network_path(network, file, certificate);
  snprintf(file, sizeof(file), "%s.key", label);
  network_path(network, file, key);
  assert_int_equal(pki_credentials_load(certificate, key, &credentials, &error), 0);
  return credentials;
}

static void build(struct world *world, const struct grant *grant,
                  const struct pki_credentials *credentials) {
  free(world->data);
  struct error error = {0};
  expect_code(grant_build(grant, credentials, &world->data, &world->size, &error), 0, &error);
}

static int set_up(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  network_init(&world->network);
  world->nms = credentials_of(&world->network, PKI_NMS, "nms");
  build(world, &good, world->nms);
  *state = world;
  return 0;
}

static int tear_down(void **state) {
  struct world *world = *state;
  free(world->data);
  pki_credentials_free(world->nms);
  network_clear(&world->network);
  free(world);
  return 0;
}

static struct trs_grant read_as(const struct world *world, const char *relay, const char *asker,
                                int64_t now, int expected) {
  struct trs_grant grant = {.expires = -1};
  struct error error = {0};
  const struct span data = {.data = world->data, .size = world->size};
  expect_code(trs_grant_read(data, world->network.trust, relay, asker, now, &grant, &error),
              expected, &error);
  if (expected != 0) {
    assert_int_equal(error.code, expected);
    assert_int_equal(grant.expires, -1);
  }
  return grant;
}

static void either_node_may_show_a_good_grant(void **state) {
  struct world *world = *state;
  static const char *const askers[] = {ALICE, BOB};
  for (size_t i = 0; i < 2; i++) {
    struct trs_grant grant = read_as(world, RELAY, askers[i], NOW, 0);
    assert_string_equal(grant.node[0].fqdn, ALICE);
    assert_int_equal(grant.node[0].route_id, 0xa11ce001);
    assert_string_equal(grant.node[1].fqdn, BOB);
    assert_int_equal(grant.node[1].route_id, 0xb0b00002);
    assert_int_equal(grant.expires, NOW + 3600);
  }
}

static void a_grant_for_other_nodes_is_refused(void **state) {
  read_as(*state, RELAY, "carol." DOMAIN, NOW, ERROR_INVALID);
  read_as(*state, RELAY, "", NOW, ERROR_INVALID);
}

static void a_grant_for_another_trs_is_refused(void **state) {
  read_as(*state, "trs-2." DOMAIN, ALICE, NOW, ERROR_INVALID);
}

static void a_grant_holds_until_its_last_second(void **state) {
  read_as(*state, RELAY, ALICE, NOW + 3599, 0);
  read_as(*state, RELAY, ALICE, NOW + 3600, ERROR_EXPIRED);
  struct world *world = *state;
  struct grant old = good;
  old.expires = INT64_MIN;
  build(world, &old, world->nms);
  read_as(world, RELAY, ALICE, NOW, ERROR_EXPIRED);
}

static void no_other_service_may_sign(void **state) {
  struct world *world = *state;
  static const struct {
    enum pki_purpose purpose;
    const char *label;
  } signers[] = {{PKI_AS, "as"}, {PKI_TRS, "trs"}};
  for (size_t i = 0; i < 2; i++) {
    struct pki_credentials *other =
        credentials_of(&world->network, signers[i].purpose, signers[i].label);
    build(world, &good, other);
    read_as(world, RELAY, ALICE, NOW, ERROR_CERTIFICATE);
    pki_credentials_free(other);
  }
}

static void another_networks_nms_may_not_sign(void **state) {
  struct world *world = *state;
  struct network other;
  network_init(&other);
  struct pki_credentials *nms = credentials_of(&other, PKI_NMS, "nms");
  build(world, &good, nms);
  read_as(world, RELAY, ALICE, NOW, ERROR_CERTIFICATE);
  pki_credentials_free(nms);
  network_clear(&other);
}

/* It is not for the node to renew what is wrong with NMS. */
static void an_nms_whose_certificate_ran_out_is_no_reason_to_ask_again(void **state) {
  struct world *world = *state;
  int64_t later = NOW + (PKI_SERVICE_DAYS + 1) * INT64_C(86400);
  struct grant late = good;
  late.expires = later + 60;
  build(world, &late, world->nms);
  read_as(world, RELAY, ALICE, later, ERROR_CERTIFICATE);
}

static void nonsense_is_refused_though_nms_signed_it(void **state) {
  struct world *world = *state;
  char long_name[PKI_NAME_SIZE + 10];
  memset(long_name, 'a', sizeof(long_name) - 1);
  long_name[sizeof(long_name) - 1] = '\0';
  struct grant cases[5] = {good, good, good, good, good};
  cases[0].second = cases[0].first;
  cases[1].second.route_id = 0;
  cases[2].second.route_id = cases[2].first.route_id;
  cases[3].second.fqdn = "";
  cases[4].second.fqdn = long_name;
  for (size_t i = 0; i < 5; i++) {
    build(world, &cases[i], world->nms);
    read_as(world, RELAY, ALICE, NOW, ERROR_INVALID);
  }
}

/* Whatever of it is changed or cut off. */
static void a_spoilt_grant_is_refused(void **state) {
  struct world *world = *state;
  for (size_t i = 0; i < world->size; i++) {
    world->data[i] ^= 0x41;
    struct trs_grant grant;
    struct error error = {0};
    const struct span data = {.data = world->data, .size = world->size};
    int code = trs_grant_read(data, world->network.trust, RELAY, ALICE, NOW, &grant, &error);
    if (code != ERROR_INVALID && code != ERROR_CERTIFICATE) {
      fail_msg("byte %zu spoilt: code %d", i, code);
    }
    world->data[i] ^= 0x41;
  }
  size_t whole = world->size;
  for (world->size = 0; world->size < whole; world->size++) {
    struct trs_grant grant;
    struct error error = {0};
    /* A buffer that ends there, for the sanitizer to watch. */
    uint8_t *copy = malloc(world->size + 1);
    assert_non_null(copy);
    memcpy(copy, world->data, world->size);
    const struct span data = {.data = copy, .size = world->size};
    int code = trs_grant_read(data, world->network.trust, RELAY, ALICE, NOW, &grant, &error);
    free(copy);
    if (code != ERROR_INVALID && code != ERROR_CERTIFICATE) {
      fail_msg("cut to %zu bytes: code %d", world->size, code);
    }
  }
}

static void a_grant_with_no_certificates_or_too_many_is_refused(void **state) {
  struct world *world = *state;
  Cyphonic__RelayGrant *message = cyphonic__relay_grant__unpack(NULL, world->size, world->data);
  assert_non_null(message);
  ProtobufCBinaryData one = message->chain[0], many[PKI_CHAIN_MAX + 1];
  for (size_t i = 0; i <= PKI_CHAIN_MAX; i++) {
    many[i] = one;
  }
  static const size_t counts[] = {0, PKI_CHAIN_MAX + 1};
  ProtobufCBinaryData *own = message->chain;
  for (size_t i = 0; i < 2; i++) {
    message->n_chain = counts[i];
    message->chain = many;
    free(world->data);
    world->size = cyphonic__relay_grant__get_packed_size(message);
    world->data = malloc(world->size);
    assert_non_null(world->data);
    cyphonic__relay_grant__pack(message, world->data);
    read_as(world, RELAY, ALICE, NOW, ERROR_INVALID);
  }
  message->n_chain = 1;
  message->chain = own;
  cyphonic__relay_grant__free_unpacked(message, NULL);
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_WORLD(either_node_may_show_a_good_grant),
      WITH_WORLD(a_grant_for_other_nodes_is_refused),
      WITH_WORLD(a_grant_for_another_trs_is_refused),
      WITH_WORLD(a_grant_holds_until_its_last_second),
      WITH_WORLD(no_other_service_may_sign),
      WITH_WORLD(another_networks_nms_may_not_sign),
      WITH_WORLD(an_nms_whose_certificate_ran_out_is_no_reason_to_ask_again),
      WITH_WORLD(nonsense_is_refused_though_nms_signed_it),
      WITH_WORLD(a_spoilt_grant_is_refused),
      WITH_WORLD(a_grant_with_no_certificates_or_too_many_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/relay.h"
#include "relay_station.h"

enum { ALICE_ROUTE = 0x0a11ce01, BOB_ROUTE = 0x0b0b0b02 };

/* One node's connections with relays, and what it was told. */
struct side {
  struct quic_endpoint *endpoint;
  struct relays *relays;
  struct relay_use *use;
  unsigned ready, failed, lost;
  bool release_when_told;
  struct error error;
};

struct scene {
  struct world world;
  struct relay_station station;
  struct side alice, bob;
};

/* --- what it is told --- */

static void let_go(struct side *side, struct relay_use *use) {
  if (side->release_when_told) {
    relay_use_release(use);
    side->use = NULL;
  }
}

static void ready(struct relay_use *use, void *context) {
  struct side *side = context;
  side->ready++;
  assert_true(relay_use_is_ready(use));
  let_go(side, use);
}

static void failed(struct relay_use *use, const struct error *error, void *context) {
  struct side *side = context;
  side->failed++;
  side->error = *error;
  assert_true(relay_use_is_over(use));
  let_go(side, use);
}

static void lost(struct relay_use *use, const struct error *error, void *context) {
  struct side *side = context;
  side->lost++;
  side->error = *error;
  assert_true(relay_use_is_over(use));
  let_go(side, use);
}

static const struct relay_handler handler = {.ready = ready, .failed = failed, .lost = lost};

/* --- the scene --- */

static void side_open(struct scene *scene, struct side *side, const struct member *member,
                      uint32_t route_id) {
  side->endpoint = world_endpoint(&scene->world, 0, 0);
  quic_endpoint_set_route_id(side->endpoint, route_id);
  struct relays_config config = {
      .loop = &scene->world.loop,
      .log = &scene->world.log,
      .endpoint = side->endpoint,
      .credentials = member->credentials,
      .trust = scene->world.trust,
  };
  side->relays = relays_new(&config);
  assert_non_null(side->relays);
}

static void side_close(struct scene *scene, struct side *side) {
  relay_use_release(side->use);
  relays_close(side->relays);
  world_endpoint_close(&scene->world, side->endpoint);
}

static void scene_open(struct scene *scene) {
  *scene = (struct scene){0};
  world_init(&scene->world);
  relay_station_open(&scene->station, &scene->world);
  side_open(scene, &scene->alice, &scene->world.alice, ALICE_ROUTE);
  side_open(scene, &scene->bob, &scene->world.bob, BOB_ROUTE);
}

static void scene_close(struct scene *scene) {
  side_close(scene, &scene->alice);
  side_close(scene, &scene->bob);
  relay_station_close(&scene->station);
  world_clear(&scene->world);
}

static struct relay_offer *offer_of(struct scene *scene) {
  struct station_offer made;
  struct relay_offer *offer;
  struct error error = {0};
  station_offer_make(&scene->station, scene->world.alice.identity.name, ALICE_ROUTE,
                     scene->world.bob.identity.name, BOB_ROUTE, &made);
  assert_int_equal(relay_offer_read(&made.message, &offer, &error), 0);
  station_offer_clear(&made);
  return offer;
}

static void ask(struct scene *scene, struct side *side) {
  struct error error = {0};
  struct relay_offer *offer = offer_of(scene);
  if (relays_ask(side->relays, offer, &handler, side, &side->use, &error))
    fail_msg("%s", error.message);
  free(offer);
}

static bool both_ready(void *context) {
  struct scene *scene = context;
  return scene->alice.ready > 0 && scene->bob.ready > 0;
}

static bool alice_failed(void *context) {
  return ((struct scene *)context)->alice.failed > 0;
}

static bool alice_lost(void *context) {
  return ((struct scene *)context)->alice.lost > 0;
}

static bool alice_ready(void *context) {
  return ((struct scene *)context)->alice.ready > 0;
}

/* --- tests --- */

static void both_are_ready_when_both_have_asked(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  ask(&scene, &scene.alice);
  assert_int_equal(scene.alice.ready, 0);
  ask(&scene, &scene.bob);
  world_run_until(&scene.world, both_ready, &scene);
  struct address address = relay_use_address(scene.alice.use);
  assert_int_equal(address.port, relay_station_port(&scene.station));
  assert_string_equal(relay_use_name(scene.alice.use), STATION_NAME);
  scene_close(&scene);
}

static void a_second_use_shares_the_connection(void **state) {
  (void)state;
  struct scene scene;
  struct quic_endpoint_counters counters;
  scene_open(&scene);
  ask(&scene, &scene.alice);
  ask(&scene, &scene.bob);
  world_run_until(&scene.world, both_ready, &scene);
  relay_use_release(scene.alice.use);
  scene.alice.ready = 0;
  ask(&scene, &scene.alice); /* the pair is bound already */
  world_run_until(&scene.world, both_ready, &scene);
  quic_endpoint_counters(scene.alice.endpoint, &counters);
  assert_int_equal(counters.connections, 1);
  scene_close(&scene);
}

static void a_use_released_before_its_answer_hears_nothing(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  ask(&scene, &scene.alice);
  struct relay_use *early = scene.alice.use;
  ask(&scene, &scene.alice);
  relay_use_release(early);
  ask(&scene, &scene.bob);
  world_run_until(&scene.world, both_ready, &scene);
  assert_int_equal(scene.alice.ready, 1);
  scene_close(&scene);
}

static void a_use_may_be_released_in_its_callbacks(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.alice.release_when_told = scene.bob.release_when_told = true;
  ask(&scene, &scene.alice);
  ask(&scene, &scene.bob);
  world_run_until(&scene.world, both_ready, &scene);
  assert_null(scene.alice.use);
  scene_close(&scene);
}

static void a_relay_that_is_not_there_fails(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  struct relay_offer *offer = offer_of(&scene);
  struct error error = {0};
  snprintf(offer->addresses[0].host, sizeof offer->addresses[0].host, "no-such-host.invalid");
  scene.alice.release_when_told = true;
  int code =
      relays_ask(scene.alice.relays, offer, &handler, &scene.alice, &scene.alice.use, &error);
  if (!code) {
    world_run_until(&scene.world, alice_failed, &scene);
    error = scene.alice.error;
  }
  assert_non_null(strstr(error.message, STATION_NAME));
  free(offer);
  scene_close(&scene);
}

static void a_server_of_another_name_is_no_relay(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  struct relay_offer *offer = offer_of(&scene);
  struct error error = {0};
  snprintf(offer->name, sizeof offer->name, "other.test.internal");
  assert_int_equal(
      relays_ask(scene.alice.relays, offer, &handler, &scene.alice, &scene.alice.use, &error), 0);
  world_run_until(&scene.world, alice_failed, &scene);
  assert_int_equal(scene.alice.error.code, ERROR_CERTIFICATE);
  assert_false(relay_use_peer_absent(scene.alice.use));
  free(offer);
  scene_close(&scene);
}

static void a_relay_that_goes_away_is_lost_and_found_again(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  ask(&scene, &scene.alice);
  ask(&scene, &scene.bob);
  world_run_until(&scene.world, both_ready, &scene);
  uint16_t port = relay_station_port(&scene.station);
  relay_station_stop(&scene.station); /* tells both */
  world_run_until(&scene.world, alice_lost, &scene);
  assert_int_equal(relay_use_address(scene.alice.use).port, port);
  relay_station_start(&scene.station, port);
  relay_use_release(scene.alice.use);
  relay_use_release(scene.bob.use);
  scene.alice.ready = scene.bob.ready = 0;
  ask(&scene, &scene.alice);
  ask(&scene, &scene.bob);
  world_run_until(&scene.world, both_ready, &scene);
  scene_close(&scene);
}

static void a_measurement_tells_time_and_what_the_relay_sees(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  struct service_addresses addresses = {0};
  struct error error = {0};
  assert_true(service_addresses_add(&addresses, "127.0.0.1", relay_station_port(&scene.station)));
  assert_int_equal(relays_measure(scene.alice.relays, STATION_NAME, &addresses, &handler,
                                  &scene.alice, &scene.alice.use, &error),
                   0);
  world_run_until(&scene.world, alice_ready, &scene);
  assert_true(relay_use_round_trip(scene.alice.use) > 0);
  struct address observed = relay_use_observed(scene.alice.use);
  assert_int_equal(observed.port, quic_endpoint_port(scene.alice.endpoint, 4));
  scene_close(&scene);
}

static void closing_with_requests_under_way_is_quiet(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  ask(&scene, &scene.alice); /* its dial is under way */
  ask(&scene, &scene.bob);
  world_run_until(&scene.world, both_ready, &scene);
  relay_use_release(scene.alice.use);
  ask(&scene, &scene.alice); /* its answer is under way */
  scene_close(&scene);
  assert_int_equal(scene.alice.lost + scene.alice.failed, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_are_ready_when_both_have_asked),
      cmocka_unit_test(a_second_use_shares_the_connection),
      cmocka_unit_test(a_use_released_before_its_answer_hears_nothing),
      cmocka_unit_test(a_use_may_be_released_in_its_callbacks),
      cmocka_unit_test(a_relay_that_is_not_there_fails),
      cmocka_unit_test(a_server_of_another_name_is_no_relay),
      cmocka_unit_test(a_relay_that_goes_away_is_lost_and_found_again),
      cmocka_unit_test(a_measurement_tells_time_and_what_the_relay_sees),
      cmocka_unit_test(closing_with_requests_under_way_is_quiet),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

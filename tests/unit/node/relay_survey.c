#include "node/relay_survey.h"
#include "relay_station.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct scene {
  struct world world;
  struct relay_station station;
  struct quic_endpoint *endpoint;
  struct relays *relays;
  struct relay_survey *survey;
  struct relay_list list;
  unsigned done;
  size_t count;
  struct relay_finding findings[RELAY_SURVEY_MAX];
};

static void done(const struct relay_finding *findings, size_t count, void *context) {
  struct scene *scene = context;
  scene->done++;
  scene->count = count;
  memcpy(scene->findings, findings, count * sizeof *findings);
}

static void scene_open(struct scene *scene) {
  *scene = (struct scene){0};
  world_init(&scene->world);
  relay_station_open(&scene->station, &scene->world);
  scene->endpoint = world_endpoint(&scene->world, 0, 0);
  struct relays_config config = {
      .loop = &scene->world.loop,
      .log = &scene->world.log,
      .endpoint = scene->endpoint,
      .credentials = scene->world.alice.credentials,
      .trust = scene->world.trust,
  };
  scene->relays = relays_new(&config);
  assert_non_null(scene->relays);
  scene->survey = relay_survey_new(&scene->world.loop, scene->relays, done, scene);
  assert_non_null(scene->survey);
}

static void scene_close(struct scene *scene) {
  relay_survey_close(scene->survey);
  relays_close(scene->relays);
  world_endpoint_close(&scene->world, scene->endpoint);
  relay_station_close(&scene->station);
  world_clear(&scene->world);
}

static void list_add(struct scene *scene, const char *name) {
  struct relay_listing *item = &scene->list.item[scene->list.count++];
  snprintf(item->name, sizeof item->name, "%s", name);
  assert_true(
      service_addresses_add(&item->addresses, "127.0.0.1", relay_station_port(&scene->station)));
}

static bool is_done(void *context) {
  return ((struct scene *)context)->done > 0;
}

static bool has_no_connection(void *context) {
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(((struct scene *)context)->endpoint, &counters);
  return counters.connections == 0;
}

static void a_relay_is_measured_and_left_again(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  list_add(&scene, STATION_NAME);
  relay_survey_begin(scene.survey, &scene.list, 0);
  world_run_until(&scene.world, is_done, &scene);
  assert_int_equal(scene.count, 1);
  assert_string_equal(scene.findings[0].name, STATION_NAME);
  assert_true(scene.findings[0].round_trip > 0);
  assert_int_equal(scene.findings[0].remote.port, relay_station_port(&scene.station));
  assert_int_equal(scene.findings[0].observed.port, quic_endpoint_port(scene.endpoint, 4));
  assert_false(relays_have(scene.relays, STATION_NAME));
  world_run_until(&scene.world, has_no_connection, &scene);
  scene_close(&scene);
}

static void a_relay_that_does_not_work_is_reported_so(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  list_add(&scene, "other.test.internal"); /* not its certificate's */
  list_add(&scene, STATION_NAME);
  relay_survey_begin(scene.survey, &scene.list, 0);
  world_run_until(&scene.world, is_done, &scene);
  assert_int_equal(scene.count, 2);
  assert_int_equal(scene.findings[0].round_trip, 0);
  assert_true(scene.findings[1].round_trip > 0);
  scene_close(&scene);
}

static void without_relays_there_is_nothing_to_find(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  relay_survey_begin(scene.survey, &scene.list, 0);
  world_run_until(&scene.world, is_done, &scene);
  assert_int_equal(scene.count, 0);
  scene_close(&scene);
}

static void a_survey_begun_anew_is_told_once(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  list_add(&scene, STATION_NAME);
  relay_survey_begin(scene.survey, &scene.list, 0);
  uv_run(&scene.world.loop, UV_RUN_NOWAIT); /* the measurement has begun */
  relay_survey_begin(scene.survey, &scene.list, 0);
  world_run_until(&scene.world, is_done, &scene);
  assert_int_equal(scene.done, 1);
  assert_true(scene.findings[0].round_trip > 0);
  scene_close(&scene);
}

static void closing_ends_it_quietly(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  list_add(&scene, STATION_NAME);
  relay_survey_begin(scene.survey, &scene.list, 0);
  uv_run(&scene.world.loop, UV_RUN_NOWAIT);
  scene_close(&scene);
  assert_int_equal(scene.done, 0);
}

/* --- the list --- */

static void entries_that_cannot_be_are_left_out(void **state) {
  (void)state;
  char host[] = "192.0.2.1", good[] = "trs.x", bad[] = "trs x";
  Cyphonic__ServiceAddress address = CYPHONIC__SERVICE_ADDRESS__INIT, *addresses[] = {&address};
  Cyphonic__RelayAddress one = CYPHONIC__RELAY_ADDRESS__INIT, two = CYPHONIC__RELAY_ADDRESS__INIT,
                         three = CYPHONIC__RELAY_ADDRESS__INIT;
  Cyphonic__RelayAddress *messages[] = {&one, &two, &three};
  address.host = host;
  address.port = 443;
  one.name = bad;
  one.addresses = two.addresses = addresses;
  one.n_addresses = two.n_addresses = 1;
  two.name = good;
  three.name = good; /* nowhere */
  struct relay_list list, other = {0};
  relay_list_read(&list, messages, 3);
  assert_int_equal(list.count, 1);
  assert_string_equal(list.item[0].name, "trs.x");
  assert_false(relay_list_equal(&list, &other));
  assert_true(relay_list_equal(&list, &list));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_relay_is_measured_and_left_again),
      cmocka_unit_test(a_relay_that_does_not_work_is_reported_so),
      cmocka_unit_test(without_relays_there_is_nothing_to_find),
      cmocka_unit_test(a_survey_begun_anew_is_told_once),
      cmocka_unit_test(closing_ends_it_quietly),
      cmocka_unit_test(entries_that_cannot_be_are_left_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

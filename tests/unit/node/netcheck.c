/* What a netcheck asks of a network with one server. */
#include "node/netcheck.h"
#include "cloud_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct scene {
  struct world world;
  struct cloud_double cloud;
  struct quic_endpoint *endpoint;
  struct netcheck *netcheck;
  json_t *report;
};

static void scene_open(struct scene *scene) {
  *scene = (struct scene){0};
  world_init(&scene->world);
  cloud_double_open(&scene->cloud, &scene->world);
  scene->endpoint = world_endpoint(&scene->world, 0, 0);
}

static void scene_close(struct scene *scene) {
  json_decref(scene->report);
  world_endpoint_close(&scene->world, scene->endpoint);
  cloud_double_close(&scene->cloud);
  world_clear(&scene->world);
}

static void checked(json_t *report, void *context) {
  struct scene *scene = context;
  assert_non_null(report);
  assert_null(scene->report);
  scene->report = report;
}

static void start(struct scene *scene) {
  struct netcheck_config config = {.target = {.loop = &scene->world.loop,
                                              .log = &scene->world.log,
                                              .endpoint = scene->endpoint,
                                              .credentials = scene->world.alice.credentials,
                                              .trust = scene->world.trust}};
  uint16_t port = cloud_double_port(&scene->cloud);
  assert_true(service_addresses_add(&config.as, "127.0.0.1", port));
  assert_true(service_addresses_add(&config.nms, "127.0.0.1", port));
  struct error error = {0};
  assert_int_equal(netcheck_start(&config, checked, scene, &scene->netcheck, &error), 0);
}

static bool is_reported(void *context) {
  return ((struct scene *)context)->report != NULL;
}

static void expect(struct scene *scene, const char *mapping, size_t services) {
  start(scene);
  world_run_until(&scene->world, is_reported, scene);
  json_t *ipv4 = json_object_get(scene->report, "ipv4");
  assert_string_equal(json_string_value(json_object_get(ipv4, "mapping")), mapping);
  assert_int_equal(json_array_size(json_object_get(scene->report, "services")), services);
}

static json_t *service(const struct scene *scene, size_t index) {
  return json_array_get(json_object_get(scene->report, "services"), index);
}

static void the_second_port_tells_the_mapping(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  expect(&scene, "endpoint-dependent", 3);
  assert_true(json_is_true(json_object_get(service(&scene, 2), "reachable")));
  assert_string_equal(json_string_value(json_object_get(service(&scene, 2), "observed")),
                      "192.0.2.7:4002");
  scene_close(&scene);
}

static void one_port_towards_both_is_endpoint_independent(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.cloud.seen_elsewhere = scene.cloud.seen;
  expect(&scene, "endpoint-independent", 3);
  scene_close(&scene);
}

static void a_second_port_that_does_not_answer_is_told_of(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  cloud_double_silence(&scene.cloud);
  expect(&scene, "unknown", 3);
  assert_true(json_is_true(json_object_get(service(&scene, 1), "reachable")));
  assert_false(json_is_true(json_object_get(service(&scene, 2), "reachable")));
  assert_true(json_is_string(json_object_get(service(&scene, 2), "message")));
  scene_close(&scene);
}

static void a_server_without_one_is_not_asked_there(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.cloud.tells_port = false;
  expect(&scene, "unknown", 2);
  assert_int_equal(scene.cloud.looks, 0);
  scene_close(&scene);
}

static void a_port_that_cannot_be_is_none(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.cloud.port_told = 65536 + quic_endpoint_port(scene.cloud.second, 4);
  expect(&scene, "unknown", 2);
  scene_close(&scene);
}

static bool is_looking(void *context) {
  return ((struct scene *)context)->cloud.looks > 0;
}

static void it_may_be_cancelled_while_it_asks_there(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  start(&scene);
  world_run_until(&scene.world, is_looking, &scene);
  netcheck_cancel(scene.netcheck);
  scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_second_port_tells_the_mapping),
      cmocka_unit_test(one_port_towards_both_is_endpoint_independent),
      cmocka_unit_test(a_second_port_that_does_not_answer_is_told_of),
      cmocka_unit_test(a_server_without_one_is_not_asked_there),
      cmocka_unit_test(a_port_that_cannot_be_is_none),
      cmocka_unit_test(it_may_be_cancelled_while_it_asks_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

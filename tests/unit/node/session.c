/* What a node tells NMS of how its NAT maps, and when it finds out. */
#include "node/session.h"
#include "cloud_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct scene {
  struct world world;
  struct cloud_double cloud;
  struct quic_endpoint *endpoint;
  struct session *session;
  unsigned awaited; /* registrations */
};

static void registered(UNUSED const struct session_registration *registration,
                       UNUSED void *context) {
}

static void failed(const struct error *error, UNUSED bool permanent, UNUSED void *context) {
  fail_msg("%s", error->message);
}

static void nms_learned(UNUSED const struct service_addresses *nms, UNUSED void *context) {
}

static void keep_alive_changed(UNUSED void *context) {
}

static void clock_compared(UNUSED int64_t difference, UNUSED void *context) {
}

static const struct session_handler handler = {.registered = registered,
                                               .failed = failed,
                                               .nms_learned = nms_learned,
                                               .keep_alive_changed = keep_alive_changed,
                                               .clock_compared = clock_compared};

static struct host_addresses host(const char *address) {
  struct host_addresses addresses = {0};
  struct ip_address ip;
  assert_int_equal(ip_address_parse(address, &ip), 0);
  host_addresses_add(&addresses, &ip);
  return addresses;
}

static void scene_open(struct scene *scene) {
  *scene = (struct scene){0};
  world_init(&scene->world);
  cloud_double_open(&scene->cloud, &scene->world);
  scene->endpoint = world_endpoint(&scene->world, 0, 0);
}

/* With an NMS that the node knows already, or none (port 0). */
static void scene_start_knowing(struct scene *scene, uint16_t as_port, uint16_t nms_port) {
  const struct member *alice = &scene->world.alice;
  struct session_config config = {
      .target = {.loop = &scene->world.loop,
                 .log = &scene->world.log,
                 .endpoint = scene->endpoint,
                 .credentials = alice->credentials,
                 .trust = scene->world.trust},
      .fqdn = "alice.test.internal",
      .domain = "test.internal",
      .ipv4 = alice->identity.ipv4,
      .ipv6 = alice->identity.ipv6,
  };
  assert_true(service_addresses_add(&config.as, "127.0.0.1", as_port));
  if (nms_port != 0)
    assert_true(service_addresses_add(&config.nms, "127.0.0.1", nms_port));
  struct error error = {0};
  assert_int_equal(session_new(&config, &handler, scene, &scene->session, &error), 0);
  struct host_addresses addresses = host("192.168.1.2");
  session_start(scene->session, &addresses);
}

static void scene_start(struct scene *scene) {
  scene_start_knowing(scene, cloud_double_port(&scene->cloud), 0);
}

static void scene_close_with(struct scene *scene, struct quic_endpoint *other) {
  session_close(scene->session);
  world_endpoint_close(&scene->world, scene->endpoint);
  if (other)
    world_endpoint_close(&scene->world, other);
  cloud_double_close(&scene->cloud);
  world_clear(&scene->world);
}

static void scene_close(struct scene *scene) {
  scene_close_with(scene, NULL);
}

static bool has_registered(void *context) {
  struct scene *scene = context;
  return scene->cloud.registrations >= scene->awaited;
}

/* The next registration, or the first. */
static void await_registration(struct scene *scene, unsigned number) {
  scene->awaited = number;
  world_run_until(&scene->world, has_registered, scene);
  assert_int_equal(scene->cloud.registrations, number);
}

/* Registered, and nothing is under way: only the connection to NMS is left. */
static bool is_at_rest(void *context) {
  struct scene *scene = context;
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(scene->endpoint, &counters);
  return session_view(scene->session).nms_state == NMS_REGISTERED && counters.connections == 1;
}

static void rest(struct scene *scene) {
  world_run_until(&scene->world, is_at_rest, scene);
}

/* Has the node register again, whatever else it knows. */
static void report(struct scene *scene, const char *remote, uint16_t observed) {
  struct relay_finding finding = {.name = "trs.test.internal", .round_trip = 1000000};
  if (remote) {
    assert_int_equal(ip_address_parse(remote, &finding.remote.ip), 0);
    finding.remote.port = 443;
    finding.observed = loopback(observed);
  }
  session_report(scene->session, &finding, 1);
}

static void an_nms_that_is_known_is_not_waited_for(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  uint16_t cloud = cloud_double_port(&scene.cloud);
  struct quic_endpoint *silent = world_endpoint(&scene.world, 0, 0); /* no AS answers there */
  scene_start_knowing(&scene, quic_endpoint_port(silent, 4), cloud);
  await_registration(&scene, 1);
  assert_int_equal(session_view(scene.session).as.state, LOGIN_CONNECTING);
  scene_close_with(&scene, silent);
}

static void an_nms_that_as_names_takes_the_place_of_another(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  struct quic_endpoint *silent = world_endpoint(&scene.world, 0, 0); /* where NMS was before */
  scene_start_knowing(&scene, cloud_double_port(&scene.cloud), quic_endpoint_port(silent, 4));
  await_registration(&scene, 1);
  struct address nms = session_view(scene.session).nms_address;
  assert_int_equal(nms.port, cloud_double_port(&scene.cloud));
  scene_close_with(&scene, silent);
}

static void a_node_behind_a_nat_looks_once_and_tells(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene_start(&scene);
  await_registration(&scene, 1);
  assert_int_equal(scene.cloud.elsewhere, 0);
  await_registration(&scene, 2);
  assert_int_equal(scene.cloud.elsewhere, 4002);
  rest(&scene);
  report(&scene, NULL, 0);
  await_registration(&scene, 3);
  assert_int_equal(scene.cloud.elsewhere, 4002);
  rest(&scene);
  assert_int_equal(scene.cloud.looks, 1);
  scene_close(&scene);
}

static void expect_no_look(struct scene *scene) {
  scene_start(scene);
  await_registration(scene, 1);
  rest(scene);
  report(scene, NULL, 0);
  await_registration(scene, 2);
  rest(scene);
  assert_int_equal(scene->cloud.registrations, 2);
  assert_int_equal(scene->cloud.elsewhere, 0);
  assert_int_equal(scene->cloud.looks, 0);
  scene_close(scene);
}

static void without_a_nat_there_is_nothing_to_look_for(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.cloud.behind_nat = false;
  expect_no_look(&scene);
}

static void a_server_without_the_port_is_not_asked_there(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.cloud.tells_port = false;
  expect_no_look(&scene);
}

static void a_port_that_cannot_be_is_none(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.cloud.port_told = 65536 + quic_endpoint_port(scene.cloud.second, 4);
  expect_no_look(&scene);
}

static void a_port_that_does_not_tell_is_done_without(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene.cloud.refuses_looks = true;
  scene_start(&scene);
  await_registration(&scene, 1);
  rest(&scene);
  assert_int_equal(scene.cloud.looks, 1);
  report(&scene, NULL, 0);
  await_registration(&scene, 2);
  rest(&scene);
  assert_int_equal(scene.cloud.registrations, 2);
  assert_int_equal(scene.cloud.elsewhere, 0);
  scene_close(&scene);
}

static void in_another_network_it_looks_anew(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene_start(&scene);
  await_registration(&scene, 2);
  rest(&scene);
  struct host_addresses addresses = host("192.168.7.2");
  scene.cloud.seen = 4003;
  scene.cloud.seen_elsewhere = 4003;
  session_network_changed(scene.session, &addresses);
  await_registration(&scene, 3);
  assert_int_equal(scene.cloud.elsewhere, 0); /* that was the other network's */
  await_registration(&scene, 4);
  assert_int_equal(scene.cloud.elsewhere, 4003);
  rest(&scene);
  assert_int_equal(scene.cloud.looks, 2);
  scene_close(&scene);
}

static void what_held_for_another_mapping_is_taken_back(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene_start(&scene);
  await_registration(&scene, 2);
  rest(&scene);
  scene.cloud.seen = 4005; /* the NAT has forgotten us, and we are told nothing there now */
  scene.cloud.refuses_looks = true;
  report(&scene, NULL, 0);
  await_registration(&scene, 3);
  await_registration(&scene, 4);
  assert_int_equal(scene.cloud.elsewhere, 0);
  rest(&scene);
  assert_int_equal(scene.cloud.registrations, 4);
  scene_close(&scene);
}

/* A NAT may map by address alone, which a second port of one address does not show. */
static void a_relay_at_another_address_has_the_last_word(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene_start(&scene);
  await_registration(&scene, 2);
  rest(&scene);
  report(&scene, "198.51.100.9", 4009);
  await_registration(&scene, 3);
  assert_int_equal(scene.cloud.elsewhere, 4009);
  rest(&scene);
  assert_int_equal(scene.cloud.registrations, 3);
  scene_close(&scene);
}

static bool is_looking(void *context) {
  return ((struct scene *)context)->cloud.looks > 0;
}

static void closing_while_it_looks_ends_it_quietly(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene);
  scene_start(&scene);
  world_run_until(&scene.world, is_looking, &scene);
  assert_int_equal(scene.cloud.registrations, 1);
  scene_close(&scene);
  assert_int_equal(scene.cloud.registrations, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_nms_that_is_known_is_not_waited_for),
      cmocka_unit_test(an_nms_that_as_names_takes_the_place_of_another),
      cmocka_unit_test(a_node_behind_a_nat_looks_once_and_tells),
      cmocka_unit_test(without_a_nat_there_is_nothing_to_look_for),
      cmocka_unit_test(a_server_without_the_port_is_not_asked_there),
      cmocka_unit_test(a_port_that_cannot_be_is_none),
      cmocka_unit_test(a_port_that_does_not_tell_is_done_without),
      cmocka_unit_test(in_another_network_it_looks_anew),
      cmocka_unit_test(what_held_for_another_mapping_is_taken_back),
      cmocka_unit_test(a_relay_at_another_address_has_the_last_word),
      cmocka_unit_test(closing_while_it_looks_ends_it_quietly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

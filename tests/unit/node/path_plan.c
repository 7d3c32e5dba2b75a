#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/path_plan.h"

#define MILLISECOND UINT64_C(1000000)
#define SECOND      UINT64_C(1000000000)

/* A clock that starts where none of the limits is near, and what a healthy tunnel shows. */
struct scene {
  struct path_plan plan;
  struct path_signs signs;
  uint64_t now;
};

static void scene_init(struct scene *scene, bool client, bool relayed) {
  *scene = (struct scene){.now = 1000 * SECOND};
  scene->signs = (struct path_signs){
      .relayed = relayed, .confirmed = true, .probe_timeout = 30 * MILLISECOND, .sent = scene->now};
  path_plan_init(&scene->plan, client, scene->now);
}

static enum path_action step(struct scene *scene) {
  return path_plan_step(&scene->plan, scene->now, &scene->signs);
}

static void pass(struct scene *scene, uint64_t time) {
  scene->now += time;
}

static void expect(struct scene *scene, enum path_action action) {
  assert_int_equal(step(scene), action);
}

static struct address remote(uint8_t last, uint16_t port) {
  return (struct address){.ip = {.family = 4, .bytes = {192, 0, 2, last}}, .port = port};
}

/* Up to the moment when the peer has told two addresses. */
static void learn_two(struct scene *scene) {
  struct address two[] = {remote(1, 443), remote(2, 443)};
  expect(scene, PATH_ASK_PEER);
  expect(scene, PATH_STAY);
  path_plan_answered(&scene->plan, two, 2, scene->now);
}

static void fall_silent(struct scene *scene, uint64_t silence) {
  scene->signs.silence = silence;
}

static void hear(struct scene *scene) {
  scene->signs.silence = 0;
  scene->signs.arrived++;
}

/* --- the upgrade --- */

static void a_direct_tunnel_is_left_alone(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  for (int i = 0; i < 100; i++) {
    expect(&scene, PATH_STAY);
    pass(&scene, 100 * MILLISECOND);
    hear(&scene);
    scene.signs.sent = scene.now;
  }
}

static void a_relayed_client_asks_at_once_and_tries_one_after_another(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  learn_two(&scene);
  assert_true(path_plan_is_busy(&scene.plan));
  expect(&scene, PATH_TRY);
  assert_int_equal(path_plan_candidate(&scene.plan)->ip.bytes[3], 1);
  expect(&scene, PATH_STAY);
  path_plan_moved(&scene.plan, false, scene.now);
  expect(&scene, PATH_TRY);
  assert_int_equal(path_plan_candidate(&scene.plan)->ip.bytes[3], 2);
  path_plan_moved(&scene.plan, true, scene.now);
  scene.signs.relayed = false;
  expect(&scene, PATH_STAY);
  assert_false(path_plan_is_busy(&scene.plan));
}

static void rounds_that_fail_follow_at_growing_distances(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  static const unsigned seconds[] = {15, 30, 60, 120, 240, 300, 300};
  for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
    expect(&scene, PATH_ASK_PEER);
    path_plan_unanswered(&scene.plan, scene.now);
    pass(&scene, seconds[i] * SECOND - 1);
    expect(&scene, PATH_STAY);
    pass(&scene, 1);
  }
}

static void a_peer_without_addresses_is_asked_again_later(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  expect(&scene, PATH_ASK_PEER);
  path_plan_answered(&scene.plan, NULL, 0, scene.now);
  expect(&scene, PATH_STAY);
  pass(&scene, PATH_UPGRADE_FIRST);
  expect(&scene, PATH_ASK_PEER);
}

static void what_cannot_be_tried_now_is_tried_at_the_next_step(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  learn_two(&scene);
  expect(&scene, PATH_TRY);
  path_plan_again(&scene.plan);
  assert_true(path_plan_is_busy(&scene.plan));
  expect(&scene, PATH_TRY);
  assert_int_equal(path_plan_candidate(&scene.plan)->ip.bytes[3], 1);
}

static void new_addresses_are_tried_without_waiting(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  expect(&scene, PATH_ASK_PEER);
  path_plan_unanswered(&scene.plan, scene.now);
  pass(&scene, SECOND);
  expect(&scene, PATH_STAY);
  path_plan_hurry(&scene.plan, scene.now);
  expect(&scene, PATH_ASK_PEER);
}

static void more_addresses_than_can_be_tried_are_left_out(void **state) {
  (void)state;
  struct scene scene;
  struct address many[PATH_CANDIDATES_MAX + 4];
  for (size_t i = 0; i < PATH_CANDIDATES_MAX + 4; i++)
    many[i] = remote((uint8_t)(i + 1), 443);
  scene_init(&scene, true, true);
  expect(&scene, PATH_ASK_PEER);
  path_plan_answered(&scene.plan, many, PATH_CANDIDATES_MAX + 4, scene.now);
  for (size_t i = 0; i < PATH_CANDIDATES_MAX; i++) {
    expect(&scene, PATH_TRY);
    path_plan_moved(&scene.plan, false, scene.now);
  }
  expect(&scene, PATH_STAY);
}

static void a_server_never_moves(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, false, true);
  expect(&scene, PATH_STAY);
  scene.signs.relay_ready = true;
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_STAY);
}

/* --- silence --- */

static void a_relay_that_brings_nothing_is_checked_once_in_each_silence(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, false, true);
  fall_silent(&scene, PATH_SILENCE_LIMIT / 2);
  expect(&scene, PATH_STAY);
  fall_silent(&scene, PATH_SILENCE_LIMIT / 2 + 1);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_STAY);
  hear(&scene);
  expect(&scene, PATH_STAY);
  fall_silent(&scene, PATH_SILENCE_LIMIT / 2 + 1);
  expect(&scene, PATH_CHECK);
}

/* It has answered the last question, and does not know whether there will be another. */
static void a_server_checks_its_relay_when_the_client_stops(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, false, true);
  scene.signs.received = scene.signs.sent = scene.now;
  pass(&scene, PATH_PROBE_AFTER - 1);
  expect(&scene, PATH_STAY);
  pass(&scene, 1);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_STAY);
  scene.signs.relayed = false;
  scene.signs.received = scene.now;
  pass(&scene, PATH_PROBE_AFTER);
  expect(&scene, PATH_PROBE); /* a direct path has none */
}

static void who_may_help_again_is_asked_without_waiting(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_FIND);
  expect(&scene, PATH_STAY);
  path_plan_hurry(&scene.plan, scene.now);
  expect(&scene, PATH_FIND);
  expect(&scene, PATH_STAY);
}

static void a_silent_direct_path_is_left_for_the_relay(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  scene.signs.relay_ready = true;
  fall_silent(&scene, PATH_SILENCE_LIMIT / 2);
  expect(&scene, PATH_STAY);
  fall_silent(&scene, PATH_SILENCE_LIMIT / 2 + 1);
  expect(&scene, PATH_CHECK);
  fall_silent(&scene, PATH_SILENCE_LIMIT);
  expect(&scene, PATH_STAY);
  fall_silent(&scene, PATH_SILENCE_LIMIT + 1);
  expect(&scene, PATH_TO_RELAY);
  scene.signs.relayed = true;
  scene.signs.relay_ready = false;
  scene.signs.silence = 0;
  expect(&scene, PATH_STAY);
  path_plan_moved(&scene.plan, true, scene.now);
  hear(&scene);
  expect(&scene, PATH_STAY); /* the path that died is not tried at once */
  pass(&scene, PATH_UPGRADE_FIRST);
  expect(&scene, PATH_ASK_PEER);
}

static void a_slow_path_is_given_three_probe_timeouts(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  scene.signs.relay_ready = true;
  scene.signs.probe_timeout = 400 * MILLISECOND;
  fall_silent(&scene, 1200 * MILLISECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_STAY);
  fall_silent(&scene, 1201 * MILLISECOND);
  expect(&scene, PATH_TO_RELAY);
}

static void without_a_relay_one_is_looked_for_at_growing_distances(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  static const unsigned seconds[] = {1, 2, 4, 8, 16, 30, 30};
  for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
    expect(&scene, PATH_FIND);
    pass(&scene, seconds[i] * SECOND - 1);
    expect(&scene, PATH_STAY);
    pass(&scene, 1);
  }
  hear(&scene);
  expect(&scene, PATH_STAY);
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_FIND); /* a new silence begins anew */
}

static void a_silent_relay_is_replaced_by_another_or_by_itself(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_FIND_OTHER);
  pass(&scene, PATH_SEARCH_FIRST);
  expect(&scene, PATH_FIND);
  pass(&scene, 2 * PATH_SEARCH_FIRST);
  expect(&scene, PATH_FIND_OTHER);
  scene.signs.relay_ready = true;
  expect(&scene, PATH_TO_RELAY);
}

static void a_silence_is_stronger_than_an_address_being_tried(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  learn_two(&scene);
  expect(&scene, PATH_TRY);
  scene.signs.relay_ready = true;
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_TO_RELAY);
  path_plan_moved(&scene.plan, true, scene.now);
  hear(&scene);
  scene.signs.relay_ready = false;
  expect(&scene, PATH_STAY);
}

static void addresses_told_while_the_path_is_being_left_are_tried_then(void **state) {
  (void)state;
  struct scene scene;
  struct address told = remote(7, 443);
  scene_init(&scene, true, false);
  scene.signs.relay_ready = true;
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_TO_RELAY);
  scene.signs.relayed = true;
  scene.signs.relay_ready = false;
  path_plan_answered(&scene.plan, &told, 1, scene.now);
  hear(&scene);
  expect(&scene, PATH_STAY);
  path_plan_moved(&scene.plan, true, scene.now);
  expect(&scene, PATH_TRY);
  assert_int_equal(path_plan_candidate(&scene.plan)->ip.bytes[3], 7);
}

static void addresses_told_while_another_is_tried_are_tried_next(void **state) {
  (void)state;
  struct scene scene;
  struct address told = remote(7, 443);
  scene_init(&scene, true, true);
  learn_two(&scene);
  expect(&scene, PATH_TRY);
  path_plan_answered(&scene.plan, &told, 1, scene.now);
  expect(&scene, PATH_STAY);
  path_plan_moved(&scene.plan, false, scene.now);
  expect(&scene, PATH_TRY);
  assert_int_equal(path_plan_candidate(&scene.plan)->ip.bytes[3], 7);
  path_plan_moved(&scene.plan, false, scene.now);
  expect(&scene, PATH_STAY);
}

static void a_peer_that_has_not_let_us_in_is_asked_for_no_addresses(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  scene.signs.confirmed = false;
  expect(&scene, PATH_STAY);
  scene.signs.confirmed = true;
  expect(&scene, PATH_ASK_PEER);
}

static void a_relay_that_cannot_be_gone_to_now_is_gone_to_later(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  scene.signs.relay_ready = true;
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_TO_RELAY);
  path_plan_again(&scene.plan);
  expect(&scene, PATH_TO_RELAY);
}

static void silence_that_outlasts_a_direction_asks_for_a_new_connection_once(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, true);
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_FIND_OTHER);
  path_plan_directed(&scene.plan, scene.now);
  expect(&scene, PATH_STAY);
  pass(&scene, PATH_RECONNECT_AFTER + 1);
  expect(&scene, PATH_RECONNECT);
  expect(&scene, PATH_FIND);
  expect(&scene, PATH_STAY);
}

static void a_direction_in_good_times_is_no_reason_to_reconnect(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  path_plan_directed(&scene.plan, scene.now);
  hear(&scene);
  expect(&scene, PATH_STAY);
  pass(&scene, 2 * PATH_RECONNECT_AFTER);
  fall_silent(&scene, SECOND);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_FIND);
}

static void a_server_asks_for_help_when_the_client_does_nothing(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, false, false);
  fall_silent(&scene, PATH_SILENCE_LIMIT + PATH_SERVER_PATIENCE);
  expect(&scene, PATH_CHECK);
  expect(&scene, PATH_STAY);
  fall_silent(&scene, PATH_SILENCE_LIMIT + PATH_SERVER_PATIENCE + 1);
  expect(&scene, PATH_FIND);
  expect(&scene, PATH_STAY);
}

/* --- the probe --- */

static void who_only_listens_probes_once_when_the_peer_stops(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  pass(&scene, SECOND);
  scene.signs.received = scene.now;
  pass(&scene, PATH_PROBE_AFTER - 1);
  expect(&scene, PATH_STAY);
  pass(&scene, 1);
  expect(&scene, PATH_PROBE);
  pass(&scene, SECOND);
  expect(&scene, PATH_STAY);
  scene.signs.received = scene.now;
  pass(&scene, PATH_PROBE_AFTER);
  expect(&scene, PATH_PROBE);
}

/* Its last word has been heard, but what comes back may not get through its NAT any more. */
static void who_has_spoken_last_probes_too(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  scene.signs.received = scene.now;
  pass(&scene, MILLISECOND);
  scene.signs.sent = scene.now;
  pass(&scene, SECOND);
  expect(&scene, PATH_PROBE);
  expect(&scene, PATH_STAY);
}

static void who_never_heard_anything_probes_nothing(void **state) {
  (void)state;
  struct scene scene;
  scene_init(&scene, true, false);
  pass(&scene, SECOND);
  expect(&scene, PATH_STAY);
}

/* --- the order of candidates --- */

static struct address parsed(const char *text) {
  struct address address;
  assert_int_equal(address_parse(text, 443, &address), 0);
  return address;
}

static void expect_order(const char *const from[], const char *const to[], const char *observed) {
  struct path_own own = {.local = 1, .count = 1, .item = {parsed("192.168.1.10")}};
  struct address candidates[PATH_CANDIDATES_MAX];
  size_t count = 0, kept;
  if (observed)
    own.observed[0] = parsed(observed).ip;
  for (; from[count]; count++)
    candidates[count] = parsed(from[count]);
  kept = path_order_candidates(candidates, count, &own);
  for (size_t i = 0; i < kept; i++) {
    char text[ADDRESS_TEXT_SIZE];
    assert_non_null(to[i]);
    assert_string_equal(ip_address_text(&candidates[i].ip, text), to[i]);
  }
  assert_null(to[kept]);
}

static void ipv6_goes_before_ipv4_and_private_addresses_last(void **state) {
  (void)state;
  const char *from[] = {"10.0.0.5", "198.51.100.7", "2001:db8::7", "fd12::7", NULL};
  const char *to[] = {"2001:db8::7", "198.51.100.7", "10.0.0.5", "fd12::7", NULL};
  expect_order(from, to, "203.0.113.9");
}

static void behind_one_nat_private_addresses_go_first(void **state) {
  (void)state;
  const char *from[] = {"2001:db8::7", "203.0.113.9", "192.168.1.11", NULL};
  const char *to[] = {"192.168.1.11", "2001:db8::7", "203.0.113.9", NULL};
  expect_order(from, to, "203.0.113.9");
}

static void addresses_that_lead_nowhere_are_dropped(void **state) {
  (void)state;
  const char *from[] = {"192.168.1.10", "127.0.0.1",    "169.254.1.1", "fe80::1",
                        "198.51.100.7", "198.51.100.7", NULL};
  const char *to[] = {"198.51.100.7", NULL};
  expect_order(from, to, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_direct_tunnel_is_left_alone),
      cmocka_unit_test(a_relayed_client_asks_at_once_and_tries_one_after_another),
      cmocka_unit_test(rounds_that_fail_follow_at_growing_distances),
      cmocka_unit_test(a_peer_without_addresses_is_asked_again_later),
      cmocka_unit_test(what_cannot_be_tried_now_is_tried_at_the_next_step),
      cmocka_unit_test(new_addresses_are_tried_without_waiting),
      cmocka_unit_test(more_addresses_than_can_be_tried_are_left_out),
      cmocka_unit_test(a_server_never_moves),
      cmocka_unit_test(a_relay_that_brings_nothing_is_checked_once_in_each_silence),
      cmocka_unit_test(a_server_checks_its_relay_when_the_client_stops),
      cmocka_unit_test(who_may_help_again_is_asked_without_waiting),
      cmocka_unit_test(a_silent_direct_path_is_left_for_the_relay),
      cmocka_unit_test(a_slow_path_is_given_three_probe_timeouts),
      cmocka_unit_test(without_a_relay_one_is_looked_for_at_growing_distances),
      cmocka_unit_test(a_silent_relay_is_replaced_by_another_or_by_itself),
      cmocka_unit_test(a_silence_is_stronger_than_an_address_being_tried),
      cmocka_unit_test(addresses_told_while_the_path_is_being_left_are_tried_then),
      cmocka_unit_test(addresses_told_while_another_is_tried_are_tried_next),
      cmocka_unit_test(a_peer_that_has_not_let_us_in_is_asked_for_no_addresses),
      cmocka_unit_test(a_relay_that_cannot_be_gone_to_now_is_gone_to_later),
      cmocka_unit_test(silence_that_outlasts_a_direction_asks_for_a_new_connection_once),
      cmocka_unit_test(a_direction_in_good_times_is_no_reason_to_reconnect),
      cmocka_unit_test(a_server_asks_for_help_when_the_client_does_nothing),
      cmocka_unit_test(who_only_listens_probes_once_when_the_peer_stops),
      cmocka_unit_test(who_has_spoken_last_probes_too),
      cmocka_unit_test(who_never_heard_anything_probes_nothing),
      cmocka_unit_test(ipv6_goes_before_ipv4_and_private_addresses_last),
      cmocka_unit_test(behind_one_nat_private_addresses_go_first),
      cmocka_unit_test(addresses_that_lead_nowhere_are_dropped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

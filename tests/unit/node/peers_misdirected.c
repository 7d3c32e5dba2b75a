/* An NMS that means ill, or was broken into: its Route Directions name the wrong peer. What the
 * certificate at the other end says holds, and no packet passes. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

struct scene {
  struct pair pair;
  struct member carol; /* a node of this network, which is not here */
  struct member said;  /* who NMS says that a node is */
  struct side as_said; /* where that node really is, as `said` */
};

enum who { OF_ALICE, OF_BOB };

/* NMS will tell what is wrong of alice or of bob. */
static void scene_open(struct scene *scene, enum who wrong) {
  pair_open(&scene->pair);
  const struct side *real = wrong == OF_ALICE ? &scene->pair.alice : &scene->pair.bob;
  int64_t now = clock_wall();
  world_add_node(&scene->pair.world, "carol." DOMAIN, 3, now - 60, now + 3600, &scene->carol);
  scene->as_said = *real;
  scene->said = *real->member;
  scene->as_said.member = &scene->said;
}

static void scene_close(struct scene *scene) {
  member_clear(&scene->carol);
  pair_close(&scene->pair);
}

static void say_to(struct scene *scene, struct side *side, bool client) {
  struct error error = {0};
  if (direct(side, &scene->as_said, 1, client, NULL, &error) != 0) {
    fail_msg("%s", error.message);
  }
}

static bool alice_has_failed(void *context) {
  struct scene *scene = context;
  const struct peer *peer = known(&scene->pair.alice, &scene->as_said);
  return peer != NULL && peer->state == PEER_FAILED;
}

static void expect_no_tunnel(struct scene *scene) {
  assert_false(is_up(&scene->pair.alice, &scene->as_said));
  assert_false(is_up(&scene->pair.bob, &scene->pair.alice));
  assert_false(is_up(&scene->pair.bob, &scene->as_said));
  assert_int_equal(scene->pair.alice.delivered, 0);
  assert_int_equal(scene->pair.bob.delivered, 0);
}

/* Alice is told that `said` is where bob is, and has a packet for it; bob knows of alice. */
static void alice_is_misled(struct scene *scene) {
  struct pair *pair = &scene->pair;
  must_direct(&pair->bob, &pair->alice, 1, false);
  say_to(scene, &pair->alice, true);
  send_packet(&pair->alice, &scene->as_said);
  world_run_until(&pair->world, alice_has_failed, scene);
  assert_int_equal(known(&pair->alice, &scene->as_said)->failure.code, ERROR_CERTIFICATE);
  expect_no_tunnel(scene);
}

/* The same the other way: bob is told that `said` comes, and alice comes. */
static void bob_is_misled(struct scene *scene) {
  struct pair *pair = &scene->pair;
  say_to(scene, &pair->bob, false);
  must_direct(&pair->alice, &pair->bob, 1, true);
  send_packet(&pair->alice, &pair->bob);
  world_run_until(&pair->world, alice_failed, pair);
  expect_no_tunnel(scene);
}

static void a_direction_that_leads_to_another_node_is_not_followed(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene, OF_BOB);
  scene.said = scene.carol;
  alice_is_misled(&scene);
  assert_non_null(strstr(known(&scene.pair.alice, &scene.as_said)->failure.message, "bob." DOMAIN));
  scene_close(&scene);
}

static void a_nodes_key_under_another_name_does_not_help(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene, OF_BOB);
  snprintf(scene.said.identity.name, sizeof scene.said.identity.name, "carol." DOMAIN);
  alice_is_misled(&scene);
  scene_close(&scene);
}

static void a_node_cannot_be_given_anothers_virtual_addresses(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene, OF_BOB);
  scene.said.identity.ipv4 = scene.carol.identity.ipv4;
  alice_is_misled(&scene);
  scene_close(&scene);
  scene_open(&scene, OF_BOB);
  scene.said.identity.ipv6 = scene.carol.identity.ipv6;
  alice_is_misled(&scene);
  scene_close(&scene);
}

static void who_comes_instead_of_the_one_named_is_not_let_in(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene, OF_ALICE);
  scene.said = scene.carol;
  bob_is_misled(&scene);
  scene_close(&scene);
}

static void who_comes_with_the_key_of_another_name_is_not_let_in(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene, OF_ALICE);
  snprintf(scene.said.identity.name, sizeof scene.said.identity.name, "carol." DOMAIN);
  bob_is_misled(&scene);
  scene_close(&scene);
}

static void who_comes_under_anothers_virtual_addresses_is_not_let_in(void **state) {
  (void)state;
  struct scene scene;
  scene_open(&scene, OF_ALICE);
  scene.said.identity.ipv4 = scene.carol.identity.ipv4;
  bob_is_misled(&scene);
  scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_direction_that_leads_to_another_node_is_not_followed),
      cmocka_unit_test(a_nodes_key_under_another_name_does_not_help),
      cmocka_unit_test(a_node_cannot_be_given_anothers_virtual_addresses),
      cmocka_unit_test(who_comes_instead_of_the_one_named_is_not_let_in),
      cmocka_unit_test(who_comes_with_the_key_of_another_name_is_not_let_in),
      cmocka_unit_test(who_comes_under_anothers_virtual_addresses_is_not_let_in),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

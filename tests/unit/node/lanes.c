/* Tunnels that live on threads of their own, between two nodes' peers. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

enum { THREADS = 3, PACKETS = 20, ROUNDS = 6 };

static struct link *link_to(struct side *side, const struct side *other) {
  return known(side, other)->link;
}

static uint64_t received(struct side *side, const struct side *from) {
  struct tunnel_counters counters;
  link_counters(link_to(side, from), &counters);
  return counters.received_packets;
}

static bool all_came(void *context) {
  struct pair *pair = context;
  return received(&pair->bob, &pair->alice) >= PACKETS &&
         received(&pair->alice, &pair->bob) >= PACKETS;
}

static void tunnels_live_on_the_lanes_and_carry_packets_both_ways(void **state) {
  (void)state;
  struct pair pair;
  pair_open_threaded(&pair, THREADS);
  tunnel_by(&pair, 1);
  assert_non_null(link_lane(link_to(&pair.alice, &pair.bob)));
  assert_non_null(link_lane(link_to(&pair.bob, &pair.alice)));
  for (int i = 0; i < PACKETS; i++) {
    send_packet(&pair.alice, &pair.bob);
    send_packet(&pair.bob, &pair.alice);
  }
  world_run_until(&pair.world, all_came, &pair);
  pair_close(&pair);
}

static void new_tunnels_begin_on_each_lane_in_turn(void **state) {
  (void)state;
  struct pair pair;
  struct lane *lanes[THREADS + 1];
  pair_open_threaded(&pair, THREADS);
  for (uint64_t i = 0; i <= THREADS;
       i++) { /* each later direction takes the place of the one before */
    tunnel_by(&pair, i + 1);
    while (link_direction(link_to(&pair.alice, &pair.bob)) != i + 1)
      uv_run(&pair.world.loop, UV_RUN_ONCE);
    lanes[i] = link_lane(link_to(&pair.alice, &pair.bob));
  }
  for (int i = 0; i < THREADS; i++)
    for (int j = 0; j < i; j++)
      assert_ptr_not_equal(lanes[i], lanes[j]);
  assert_ptr_equal(lanes[THREADS], lanes[0]);
  pair_close(&pair);
}

static void a_ping_is_answered_by_a_lane(void **state) {
  (void)state;
  struct pair pair;
  struct error error = {0};
  pair_open_threaded(&pair, THREADS);
  tunnel_by(&pair, 1);
  assert_int_equal(link_ping(link_to(&pair.alice, &pair.bob), echoed, &pair.alice, &error), 0);
  world_run_until(&pair.world, alice_was_told, &pair);
  assert_int_equal(pair.alice.told_code, 0);
  pair_close(&pair);
}

static bool alice_is_down(void *context) {
  struct pair *pair = context;
  return !known(&pair->alice, &pair->bob)->link;
}

static void an_end_on_a_lane_is_told_once_and_the_tunnel_comes_back(void **state) {
  (void)state;
  struct pair pair;
  pair_open_threaded(&pair, THREADS);
  for (uint64_t i = 1; i <= ROUNDS; i++) {
    tunnel_by(&pair, i);
    link_close(link_to(&pair.bob, &pair.alice), LINK_CLOSE_IDLE, "to see what comes of it");
    world_run_until(&pair.world, alice_is_down, &pair);
    assert_int_equal(known(&pair.alice, &pair.bob)->state, PEER_IDLE);
  }
  pair_close(&pair);
}

static void going_down_in_the_middle_of_everything_frees_all(void **state) {
  (void)state;
  struct pair pair;
  struct error error = {0};
  pair_open_threaded(&pair, THREADS);
  tunnel_by(&pair, 1);
  assert_int_equal(link_ping(link_to(&pair.alice, &pair.bob), echoed, &pair.alice, &error), 0);
  must_direct(&pair.bob, &pair.alice, 2, false);
  must_direct(&pair.alice, &pair.bob, 2, true); /* an attempt beside the tunnel */
  send_packet(&pair.bob, &pair.alice);
  pair_close(&pair);
  assert_int_equal(pair.alice.told, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tunnels_live_on_the_lanes_and_carry_packets_both_ways),
      cmocka_unit_test(new_tunnels_begin_on_each_lane_in_turn),
      cmocka_unit_test(a_ping_is_answered_by_a_lane),
      cmocka_unit_test(an_end_on_a_lane_is_told_once_and_the_tunnel_comes_back),
      cmocka_unit_test(going_down_in_the_middle_of_everything_frees_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

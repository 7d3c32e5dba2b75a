#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/message.h"

/* --- tests --- */

static void a_packet_asks_for_a_path_and_arrives_over_it(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  send_packet(&pair.alice, &pair.bob);
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(pair.alice.asked, 1);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  must_direct(&pair.bob, &pair.alice, 1, false);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, bob_has_packet, &pair);
  send_packet(&pair.bob, &pair.alice);
  world_run_until(&pair.world, alice_has_packet, &pair);
  assert_int_equal(pair.bob.asked, 0);
  assert_true(link_is_client(known(&pair.alice, &pair.bob)->link));
  assert_false(link_is_client(known(&pair.bob, &pair.alice)->link));
  pair_close(&pair);
}

static void the_push_may_come_before_the_answer(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  send_packet(&pair.alice, &pair.bob); /* known by address only */
  must_direct(&pair.bob, &pair.alice, 1, false);
  must_direct(&pair.alice, &pair.bob, 1, true);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  world_run_until(&pair.world, bob_has_packet, &pair);
  pair_close(&pair);
}

static void the_peer_may_connect_before_its_direction_is_known(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  must_direct(&pair.alice, &pair.bob, 1, true);
  struct side *bob = &pair.bob;
  /* Alice's side is up as soon as the handshake is complete; Bob's waits for NMS. */
  while (!is_up(&pair.alice, bob))
    uv_run(&pair.world.loop, UV_RUN_ONCE);
  for (int i = 0; i < 10; i++)
    uv_run(&pair.world.loop, UV_RUN_NOWAIT);
  assert_null(known(bob, &pair.alice));
  assert_false(link_is_confirmed(known(&pair.alice, bob)->link));
  must_direct(bob, &pair.alice, 1, false);
  world_run_until(&pair.world, both_up, &pair);
  pair_close(&pair);
}

static void what_comes_before_the_direction_is_kept(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  struct error error = {0};
  must_direct(&pair.alice, &pair.bob, 1, true);
  while (!is_up(&pair.alice, &pair.bob))
    uv_run(&pair.world.loop, UV_RUN_ONCE);
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(link_ping(known(&pair.alice, &pair.bob)->link, echoed, &pair.alice, &error), 0);
  for (int i = 0; i < 10; i++)
    uv_run(&pair.world.loop, UV_RUN_NOWAIT);
  assert_int_equal(pair.bob.delivered, 0);
  assert_int_equal(pair.alice.told, 0);
  must_direct(&pair.bob, &pair.alice, 1, false);
  world_run_until(&pair.world, alice_was_told, &pair);
  assert_int_equal(pair.alice.told_code, 0);
  assert_int_equal(pair.bob.delivered, 1);
  pair_close(&pair);
}

static void without_a_direction_the_tunnel_is_refused(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, alice_failed, &pair);
  assert_non_null(strstr(known(&pair.alice, &pair.bob)->failure.message, "Route Direction"));
  assert_null(known(&pair.bob, &pair.alice));
  pair_close(&pair);
}

static void a_key_other_than_directed_is_not_connected_to(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  uint8_t key[PKI_HASH_SIZE] = {1, 2, 3};
  struct error error = {0};
  must_direct(&pair.bob, &pair.alice, 1, false);
  assert_int_equal(direct(&pair.alice, &pair.bob, 1, true, key, &error), 0);
  world_run_until(&pair.world, alice_failed, &pair);
  assert_non_null(strstr(known(&pair.alice, &pair.bob)->failure.message, "certificate"));
  assert_int_equal(known(&pair.alice, &pair.bob)->failure.code, ERROR_CERTIFICATE);
  pair_close(&pair);
}

static void a_key_other_than_directed_is_not_let_in(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  uint8_t key[PKI_HASH_SIZE] = {1, 2, 3};
  struct error error = {0};
  assert_int_equal(direct(&pair.bob, &pair.alice, 1, false, key, &error), 0);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, alice_failed, &pair);
  assert_false(is_up(&pair.bob, &pair.alice));
  pair_close(&pair);
}

static bool later_is_used(void *context) {
  struct pair *pair = context;
  return both_up(pair) && link_direction(known(&pair->alice, &pair->bob)->link) == 8 &&
         link_direction(known(&pair->bob, &pair->alice)->link) == 8;
}

static void of_two_connections_the_later_direction_stays_on_both_sides(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  /* Both asked at once, and NMS gave each the client's part once. */
  tunnel_by(&pair, 7);
  must_direct(&pair.alice, &pair.bob, 8, false);
  must_direct(&pair.bob, &pair.alice, 8, true);
  world_run_until(&pair.world, later_is_used, &pair);
  assert_false(link_is_client(known(&pair.alice, &pair.bob)->link));
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, bob_has_packet, &pair);
  pair_close(&pair);
}

struct stream {
  struct pair *pair;
  unsigned sent; /* each way */
};

static bool later_is_used_by_a_stream(void *context) {
  struct stream *stream = context;
  send_packet(&stream->pair->alice, &stream->pair->bob);
  send_packet(&stream->pair->bob, &stream->pair->alice);
  stream->sent++;
  return later_is_used(stream->pair);
}

static bool all_arrived(void *context) {
  const struct stream *stream = context;
  return stream->pair->alice.delivered == stream->sent &&
         stream->pair->bob.delivered == stream->sent;
}

static void no_packet_is_lost_when_another_connection_takes_over(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  tunnel_by(&pair, 7);
  must_direct(&pair.bob, &pair.alice, 8, false);
  must_direct(&pair.alice, &pair.bob, 8, true);
  struct stream stream = {.pair = &pair};
  world_run_until(&pair.world, later_is_used_by_a_stream, &stream);
  world_run_until(&pair.world, all_arrived, &stream);
  assert_int_equal(pair.alice.complaints + pair.bob.complaints, 0);
  pair_close(&pair);
}

static void an_older_direction_changes_nothing(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  tunnel_by(&pair, 8);
  must_direct(&pair.alice, &pair.bob, 7, true);
  assert_false(known(&pair.alice, &pair.bob)->attempt.under_way);
  assert_int_equal(known(&pair.alice, &pair.bob)->direction.id, 8);
  pair_close(&pair);
}

static void who_waits_for_a_name_hears_it_even_if_there_is_no_path(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  assert_int_equal(pair.alice.told, 0);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY);
  assert_int_equal(pair.alice.told, 1);
  assert_string_equal(pair.alice.told_fqdn, "bob." DOMAIN);
  const struct peer *bob = known(&pair.alice, &pair.bob);
  assert_int_equal(bob->state, PEER_FAILED);
  assert_int_equal(bob->failure.code, ERROR_RELAY);
  assert_non_null(strstr(bob->failure.message, "needs a relay"));
  /* A packet is answered at once while the failure is fresh. */
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(pair.alice.complaints, 1);
  assert_int_equal(pair.alice.asked, 1);
  pair_close(&pair);
}

static void two_questions_for_one_name_ask_once(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  assert_int_equal(pair.alice.asked, 1);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_int_equal(pair.alice.told, 2);
  pair_close(&pair);
}

static void who_waits_for_a_tunnel_hears_why_there_is_none(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_UP, tell, &pair.alice);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__PEER_OFFLINE);
  assert_int_equal(pair.alice.told_code, ERROR_UNREACHABLE);
  assert_non_null(strstr(pair.alice.told_message, "offline"));
  pair_close(&pair);
}

static void a_name_that_does_not_exist_is_not_found(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "nobody." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  refuse(&pair.alice, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  assert_int_equal(pair.alice.told_code, ERROR_NOT_FOUND);
  peers_find(pair.alice.peers, "nobody." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  assert_int_equal(pair.alice.told, 2); /* remembered for a moment */
  assert_int_equal(pair.alice.asked, 1);
  pair_close(&pair);
}

static void nms_cannot_answer_with_another_name(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "charlie." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_int_equal(pair.alice.told_code, ERROR_PROTOCOL);
  pair_close(&pair);
}

static void nms_cannot_give_a_proven_address_to_another(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  tunnel_by(&pair, 1);
  struct member impostor = pair.world.bob; /* Bob's addresses, and another name */
  snprintf(impostor.identity.name, sizeof impostor.identity.name, "eve." DOMAIN);
  struct side eve = pair.bob;
  eve.member = &impostor;
  struct error error = {0};
  assert_int_equal(direct(&pair.alice, &eve, 2, true, NULL, &error), ERROR_PROTOCOL);
  assert_true(is_up(&pair.alice, &pair.bob));
  pair_close(&pair);
}

static void a_direction_to_ourselves_is_refused(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  struct error error = {0};
  assert_int_equal(direct(&pair.alice, &pair.alice, 1, true, NULL, &error), ERROR_PROTOCOL);
  pair_close(&pair);
}

static void without_nms_packets_are_answered_as_unreachable(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  pair.alice.nms_away = true;
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(pair.alice.complaints, 1);
  pair_close(&pair);
}

static bool both_idle(void *context) {
  struct pair *pair = context;
  return known(&pair->alice, &pair->bob)->state == PEER_IDLE &&
         known(&pair->bob, &pair->alice)->state == PEER_IDLE;
}

static void a_tunnel_without_packets_closes_and_comes_back_on_demand(void **state) {
  (void)state;
  struct pair pair;
  pair_open_idling(&pair, 50 * NANOSECONDS_PER_MILLISECOND);
  tunnel_by(&pair, 1);
  world_run_until(&pair.world, both_idle, &pair);
  send_packet(&pair.bob, &pair.alice);
  assert_int_equal(pair.bob.asked, 1);
  respond(&pair.bob, &pair.world.alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  must_direct(&pair.alice, &pair.bob, 2, true);
  must_direct(&pair.bob, &pair.alice, 2, false);
  world_run_until(&pair.world, alice_has_packet, &pair);
  pair_close(&pair);
}

struct speech {
  const struct side *side;
  uint64_t awaited; /* packets sent */
};

static uint64_t packets_of(const struct side *side) {
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(side->endpoint, &counters);
  return counters.sent_packets;
}

static bool has_spoken(void *context) {
  const struct speech *speech = context;
  return packets_of(speech->side) >= speech->awaited;
}

/* More often than what was under way when it began to be silent. */
static void expect_reminders(struct pair *pair, struct side *side) {
  struct speech speech = {.side = side, .awaited = packets_of(side) + 3};
  side->keep_alive = NANOSECONDS_PER_SECOND / 20;
  peers_keep_mappings(side->peers);
  world_run_until(&pair->world, has_spoken, &speech);
  side->keep_alive = 0;
  peers_keep_mappings(side->peers);
}

static void each_side_reminds_its_own_nat(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  tunnel_by(&pair, 7);
  expect_reminders(&pair, &pair.alice);
  assert_false(link_is_client(known(&pair.bob, &pair.alice)->link));
  expect_reminders(&pair, &pair.bob);
  pair_close(&pair);
}

static void a_ping_is_answered_over_the_tunnel(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  tunnel_by(&pair, 1);
  struct error error = {0};
  assert_int_equal(link_ping(known(&pair.alice, &pair.bob)->link, echoed, &pair.alice, &error), 0);
  world_run_until(&pair.world, alice_was_told, &pair);
  assert_int_equal(pair.alice.told_code, 0);
  pair_close(&pair);
}

static void after_a_move_the_answer_is_awaited_anew(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  tunnel_by(&pair, 1);
  struct link *link = known(&pair.alice, &pair.bob)->link;
  uint64_t later = clock_now() + 60 * NANOSECONDS_PER_SECOND;
  link_await_anew(link);
  assert_int_equal(link_silence(link, later), 0); /* nothing was asked */
  link_probe(link);
  uint64_t before = link_silence(link, later), asked = clock_now();
  assert_true(before > 0);
  while (clock_now() == asked)
    continue;
  link_await_anew(link);
  assert_true(link_silence(link, later) < before);
  pair_close(&pair);
}

static void going_down_tells_who_waits(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_UP, tell, &pair.alice);
  must_direct(&pair.alice, &pair.bob, 1, true); /* an attempt is under way */
  side_close(&pair, &pair.alice);
  assert_int_equal(pair.alice.told, 1);
  assert_int_equal(pair.alice.told_code, ERROR_CLOSED);
  side_close(&pair, &pair.bob);
  world_clear(&pair.world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_packet_asks_for_a_path_and_arrives_over_it),
      cmocka_unit_test(the_push_may_come_before_the_answer),
      cmocka_unit_test(the_peer_may_connect_before_its_direction_is_known),
      cmocka_unit_test(what_comes_before_the_direction_is_kept),
      cmocka_unit_test(without_a_direction_the_tunnel_is_refused),
      cmocka_unit_test(a_key_other_than_directed_is_not_connected_to),
      cmocka_unit_test(a_key_other_than_directed_is_not_let_in),
      cmocka_unit_test(of_two_connections_the_later_direction_stays_on_both_sides),
      cmocka_unit_test(no_packet_is_lost_when_another_connection_takes_over),
      cmocka_unit_test(an_older_direction_changes_nothing),
      cmocka_unit_test(who_waits_for_a_name_hears_it_even_if_there_is_no_path),
      cmocka_unit_test(two_questions_for_one_name_ask_once),
      cmocka_unit_test(who_waits_for_a_tunnel_hears_why_there_is_none),
      cmocka_unit_test(a_name_that_does_not_exist_is_not_found),
      cmocka_unit_test(nms_cannot_answer_with_another_name),
      cmocka_unit_test(nms_cannot_give_a_proven_address_to_another),
      cmocka_unit_test(a_direction_to_ourselves_is_refused),
      cmocka_unit_test(without_nms_packets_are_answered_as_unreachable),
      cmocka_unit_test(a_tunnel_without_packets_closes_and_comes_back_on_demand),
      cmocka_unit_test(each_side_reminds_its_own_nat),
      cmocka_unit_test(a_ping_is_answered_over_the_tunnel),
      cmocka_unit_test(after_a_move_the_answer_is_awaited_anew),
      cmocka_unit_test(going_down_tells_who_waits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which of a peer's addresses a server believes (RFC 9000 section 8), and how soon it follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pair.h"

static const struct span nothing = {NULL, 0}, packet = {(const uint8_t *)"Echo", 4};

static uint16_t proven_port(const struct pair *pair) {
  struct address remote;
  struct ip_address local;
  quic_connection_validated_path(pair->server.connection, &remote, &local);
  return remote.port;
}

static uint16_t present_port(const struct pair *pair) {
  return quic_connection_remote(pair->server.connection).port;
}

static bool server_has_moved(void *context) {
  struct pair *pair = context;
  return present_port(pair) != pair->expected_port;
}

static bool present_is_proven(void *context) {
  struct pair *pair = context;
  return present_port(pair) == proven_port(pair);
}

static bool proven_is_expected(void *context) {
  struct pair *pair = context;
  return proven_port(pair) == pair->expected_port;
}

static void say(struct pair *pair) {
  assert_int_equal(quic_connection_send_datagram(pair->client.connection, nothing, packet), 0);
}

static void an_address_is_believed_when_it_has_answered(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder nat;
  forwarder_open(&nat, &world, server_port(&pair));
  pair_connect(&pair, nat.port);
  assert_true(pair.server.proven_at_first);
  uint16_t before = present_port(&pair);
  assert_int_equal(proven_port(&pair), before);
  say(&pair);
  world_run_until(&world, server_got_datagram, &pair);
  forwarder_rebind(&nat);
  nat.lose_to_client = true;
  pair.expected_port = before;
  say(&pair);
  world_run_until(&world, server_has_moved, &pair);
  assert_int_equal(proven_port(&pair), before);
  unsigned told = pair.server.remote_changes;
  assert_true(told > 0);
  nat.lose_to_client = false;
  world_run_until(&world, present_is_proven, &pair);
  assert_int_not_equal(proven_port(&pair), before);
  assert_true(pair.server.remote_changes > told);
  forwarder_close(&nat);
  pair_close(&pair);
}

static void
who_changes_its_address_while_it_introduces_itself_proves_it_after(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder nat;
  forwarder_open(&nat, &world, server_port(&pair));
  nat.lose_to_client = true;
  struct quic_target target = tunnel_target(&pair.client, nat.port);
  connect_to(pair.client_endpoint, &target, &pair.client);
  while (nat.to_client == 0) {
    uv_run(&world.loop, UV_RUN_ONCE);
  }
  forwarder_rebind(&nat);
  nat.lose_to_client = false;
  world_run_until(&world, both_established, &pair);
  assert_false(pair.server.proven_at_first);
  say(&pair);
  world_run_until(&world, present_is_proven, &pair);
  assert_int_not_equal(proven_port(&pair), 0);
  assert_true(pair.server.remote_changes > 0);
  forwarder_close(&nat);
  pair_close(&pair);
}

static bool client_has_received(void *context) {
  struct pair *pair = context;
  return endpoint_counters(pair->client_endpoint).received_packets > pair->expected_packets;
}

/* Packets leave from a new address before the host is told of it. The server asks there; and when
 * the client moves, that question has come and the answer is not sent yet. */
static void a_question_that_came_before_a_move_is_answered(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder nat;
  forwarder_open(&nat, &world, server_port(&pair));
  pair_connect(&pair, nat.port);
  exchange(&pair);
  world_run_until(&world, client_is_confirmed, &pair);
  pair.expected_port = present_port(&pair);
  forwarder_rebind(&nat);
  pair.expected_packets = endpoint_counters(pair.client_endpoint).received_packets;
  say(&pair);
  world_run_until(&world, client_has_received, &pair); /* and has had no turn to send since */
  assert_true(server_has_moved(&pair));
  assert_int_not_equal(proven_port(&pair), present_port(&pair));
  assert_int_equal(quic_connection_readdress(pair.client.connection, false), 0);
  /* The first questions were small, for want of trust: large ones follow. */
  for (int i = 0; i < 2; i++) {
    exchange(&pair);
  }
  assert_int_equal(proven_port(&pair), present_port(&pair)); /* not only when it asks again */
  forwarder_close(&nat);
  pair_close(&pair);
}

/* A server that has moved with its peer goes on trying the way it left, here for as long as that
 * does not answer; the peer may be back there at any time. */
static void a_peer_that_returns_at_once_is_followed(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder first;
  forwarder_open(&first, &world, server_port(&pair));
  pair_connect(&pair, first.port);
  say(&pair);
  world_run_until(&world, server_got_datagram, &pair);
  uint16_t there = present_port(&pair);
  first.lose_to_client = true;
  struct address direct = loopback(server_port(&pair));
  assert_int_equal(quic_connection_migrate(pair.client.connection, &direct, false), 0);
  world_run_until(&world, client_has_moved, &pair);
  say(&pair);
  pair.expected_port = quic_endpoint_port(pair.client_endpoint, 4);
  world_run_until(&world, proven_is_expected, &pair);
  struct address back = loopback(first.port);
  assert_int_equal(quic_connection_migrate(pair.client.connection, &back, true), 0);
  pair.server.datagrams = 0;
  say(&pair);
  world_run_until(&world, server_got_datagram, &pair);
  assert_int_equal(present_port(&pair), there);
  first.lose_to_client = false;
  pair.expected_port = there;
  world_run_until(&world, proven_is_expected, &pair);
  forwarder_close(&first);
  pair_close(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_address_is_believed_when_it_has_answered),
      cmocka_unit_test(who_changes_its_address_while_it_introduces_itself_proves_it_after),
      cmocka_unit_test(a_question_that_came_before_a_move_is_answered),
      cmocka_unit_test(a_peer_that_returns_at_once_is_followed),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

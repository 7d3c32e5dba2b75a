/* Ways from one node to another: candidates that race, a relay that forwards by Connection ID, and
 * moves between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pair.h"

static const struct span nothing = {NULL, 0}, packet = {(const uint8_t *)"Echo", 4};

/* --- candidates --- */

static void expect_remote(const struct pair *pair, uint16_t port) {
  struct address remote = quic_connection_remote(pair->client.connection);
  assert_int_equal(remote.port, port);
}

static void race(bool hears_us) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder swallows;
  forwarder_open(&swallows, &world, server_port(&pair));
  swallows.lose_to_server = !hears_us;
  swallows.lose_to_client = true;
  struct quic_target target = tunnel_target(&pair.client, swallows.port);
  connect_to(pair.client_endpoint, &target, &pair.client);
  while (swallows.to_server == 0) {
    uv_run(&world.loop, UV_RUN_ONCE);
  }
  assert_false(pair.client.established);
  struct address direct = loopback(server_port(&pair));
  quic_connection_add_candidate(pair.client.connection, &direct);
  quic_connection_add_candidate(pair.client.connection, &direct); /* twice is once */
  world_run_until(&world, both_established, &pair);
  expect_remote(&pair, server_port(&pair));
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, packet), 0);
  world_run_until(&world, server_got_datagram, &pair);
  forwarder_close(&swallows);
  pair_close(&pair);
}

static void a_candidate_that_swallows_packets_does_not_stop_the_next(void **state UNUSED) {
  race(false);
}

static void a_way_that_leads_there_but_not_back_does_not_stop_the_next(void **state UNUSED) {
  race(true);
}

static void after_the_handshake_there_are_no_candidates(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  struct forwarder other;
  forwarder_open(&other, &world, server_port(&pair));
  struct address remote = loopback(other.port);
  quic_connection_add_candidate(pair.client.connection, &remote);
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, packet), 0);
  world_run_until(&world, server_got_datagram, &pair);
  assert_int_equal(other.to_server, 0);
  forwarder_close(&other);
  pair_close(&pair);
}

/* --- a relay --- */

enum { CLIENT_ID = 0x11223344, SERVER_ID = 0x55667788 };

/* What a TRS knows of its one pair. */
struct relay {
  struct quic_endpoint *endpoint;
  struct address client, server;
  unsigned to_client, to_server, strangers;
  bool cut;
};

static bool relay_forward(const struct address *source, uint32_t route_id, size_t size UNUSED,
                          struct address *remote, struct ip_address *local, void *context) {
  struct relay *relay = context;
  *local = (struct ip_address){0};
  if (address_equal(source, &relay->client) && route_id == SERVER_ID) {
    relay->to_server++;
    *remote = relay->server;
  } else if (address_equal(source, &relay->server) && route_id == CLIENT_ID) {
    relay->to_client++;
    *remote = relay->client;
  } else {
    relay->strangers++;
    return false;
  }
  if (relay->cut) {
    remote->port = 9; /* discard */
  }
  return true;
}

static void relay_open(struct relay *relay, struct pair *pair) {
  pair_open(pair);
  *relay = (struct relay){.endpoint = world_endpoint(&world, 0, 0)};
  relay->client = loopback(quic_endpoint_port(pair->client_endpoint, 4));
  relay->server = loopback(server_port(pair));
  const struct quic_forwarder forwarder = {relay_forward, relay};
  quic_endpoint_set_forwarder(relay->endpoint, &forwarder);
  quic_endpoint_set_route_id(pair->client_endpoint, CLIENT_ID);
  quic_endpoint_set_route_id(pair->server_endpoint, SERVER_ID);
}

static uint16_t relay_port(const struct relay *relay) {
  return quic_endpoint_port(relay->endpoint, 4);
}

static void relay_connect(struct relay *relay, struct pair *pair) {
  struct quic_target target = tunnel_target(&pair->client, relay_port(relay));
  target.peer_route_id = SERVER_ID;
  connect_to(pair->client_endpoint, &target, &pair->client);
  world_run_until(&world, both_established, pair);
}

static void relay_close(struct relay *relay, struct pair *pair) {
  pair_close(pair);
  world_endpoint_close(&world, relay->endpoint);
}

static bool both_got_datagrams(void *context) {
  return client_got_datagram(context) && server_got_datagram(context);
}

/* Unlike `exchange`, both at the same time. */
static void talk(struct pair *pair) {
  pair->client.datagrams = pair->server.datagrams = 0;
  side_say(&pair->client);
  side_say(&pair->server);
  world_run_until(&world, both_got_datagrams, pair);
}

static void a_relay_forwards_a_connection_it_cannot_read(void **state UNUSED) {
  struct pair pair;
  struct relay relay;
  relay_open(&relay, &pair);
  relay_connect(&relay, &pair);
  talk(&pair);
  assert_true(relay.to_server > 1);
  assert_true(relay.to_client > 1);
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(relay.endpoint, &counters);
  assert_int_equal(counters.connections, 0);
  assert_string_equal(quic_connection_peer(pair.client.connection)->name, "bob.test.internal");
  relay_close(&relay, &pair);
}

static void what_no_pair_sent_is_not_forwarded(void **state UNUSED) {
  struct pair pair;
  struct relay relay;
  relay_open(&relay, &pair);
  relay.client.port++; /* the client is not where the relay knows it */
  struct quic_target target = tunnel_target(&pair.client, relay_port(&relay));
  target.peer_route_id = SERVER_ID;
  target.parameters.handshake_timeout = SECOND / 5;
  connect_to(pair.client_endpoint, &target, &pair.client);
  world_run_until(&world, client_closed, &pair);
  assert_false(pair.server.established);
  assert_int_equal(relay.to_server, 0);
  assert_true(relay.strangers > 0);
  relay_close(&relay, &pair);
}

/* --- moves --- */

static void move(struct pair *pair, uint16_t port, bool immediately, bool success) {
  struct address remote = loopback(port);
  pair->client.moves = 0;
  assert_int_equal(quic_connection_migrate(pair->client.connection, &remote, immediately), 0);
  world_run_until(&world, client_has_moved, pair);
  assert_int_equal(pair->client.last_move, success);
}

static bool server_is_at_port(void *context) {
  struct pair *pair = context;
  return quic_connection_remote(pair->server.connection).port == pair->expected_port;
}

static void a_connection_moves_from_the_relay_to_a_direct_way_and_back(void **state UNUSED) {
  struct pair pair;
  struct relay relay;
  relay_open(&relay, &pair);
  relay_connect(&relay, &pair);
  talk(&pair);
  for (int round = 0; round < 3; round++) {
    move(&pair, server_port(&pair), false, true);
    expect_remote(&pair, server_port(&pair));
    talk(&pair);
    pair.expected_port = relay.client.port;
    world_run_until(&world, server_is_at_port, &pair);
    unsigned before = relay.to_server;
    talk(&pair);
    assert_int_equal(relay.to_server, before);
    move(&pair, relay_port(&relay), true, true);
    expect_remote(&pair, relay_port(&relay));
    talk(&pair);
    pair.expected_port = relay_port(&relay);
    world_run_until(&world, server_is_at_port, &pair);
  }
  assert_false(pair.client.closed);
  relay_close(&relay, &pair);
}

static void a_way_that_does_not_lead_there_leaves_the_connection_where_it_is(void **state UNUSED) {
  struct pair pair;
  struct relay relay;
  relay_open(&relay, &pair);
  relay_connect(&relay, &pair);
  talk(&pair);
  struct forwarder swallows;
  forwarder_open(&swallows, &world, server_port(&pair));
  swallows.lose_to_server = true;
  move(&pair, swallows.port, false, false);
  expect_remote(&pair, relay_port(&relay));
  talk(&pair);
  forwarder_close(&swallows);
  relay_close(&relay, &pair);
}

static bool client_has_moved_twice(void *context) {
  return ((struct pair *)context)->client.moves == 2;
}

static void the_next_way_may_be_tried_as_soon_as_one_has_failed(void **state UNUSED) {
  struct pair pair;
  struct relay relay;
  relay_open(&relay, &pair);
  relay_connect(&relay, &pair);
  talk(&pair);
  struct forwarder swallows;
  forwarder_open(&swallows, &world, server_port(&pair));
  swallows.lose_to_server = true;
  struct address nowhere = loopback(swallows.port);
  pair.client.next_move = loopback(server_port(&pair));
  assert_int_equal(quic_connection_migrate(pair.client.connection, &nowhere, false), 0);
  world_run_until(&world, client_has_moved_twice, &pair);
  assert_true(pair.client.last_move);
  expect_remote(&pair, server_port(&pair));
  talk(&pair);
  forwarder_close(&swallows);
  relay_close(&relay, &pair);
}

static bool client_is_silent(void *context) {
  struct pair *pair = context;
  return quic_connection_silence(pair->client.connection, clock_now()) > SECOND / 10;
}

static void a_way_that_dies_is_noticed_and_left(void **state UNUSED) {
  struct pair pair;
  struct relay relay;
  relay_open(&relay, &pair);
  relay_connect(&relay, &pair);
  talk(&pair);
  assert_int_equal(quic_connection_silence(pair.client.connection, clock_now()), 0);
  relay.cut = true;
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, packet), 0);
  world_run_until(&world, client_is_silent, &pair);
  assert_true(quic_connection_probe_timeout(pair.client.connection) > 0);
  move(&pair, server_port(&pair), true, true);
  talk(&pair);
  relay_close(&relay, &pair);
}

static void a_server_does_not_move(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  struct address remote = loopback(quic_endpoint_port(pair.client_endpoint, 4));
  assert_int_equal(quic_connection_migrate(pair.server.connection, &remote, false), ERROR_INVALID);
  pair_close(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_candidate_that_swallows_packets_does_not_stop_the_next),
      cmocka_unit_test(a_way_that_leads_there_but_not_back_does_not_stop_the_next),
      cmocka_unit_test(after_the_handshake_there_are_no_candidates),
      cmocka_unit_test(a_relay_forwards_a_connection_it_cannot_read),
      cmocka_unit_test(what_no_pair_sent_is_not_forwarded),
      cmocka_unit_test(a_connection_moves_from_the_relay_to_a_direct_way_and_back),
      cmocka_unit_test(a_way_that_does_not_lead_there_leaves_the_connection_where_it_is),
      cmocka_unit_test(the_next_way_may_be_tried_as_soon_as_one_has_failed),
      cmocka_unit_test(a_way_that_dies_is_noticed_and_left),
      cmocka_unit_test(a_server_does_not_move),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

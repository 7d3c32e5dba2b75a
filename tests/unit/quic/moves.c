/* Changes of address under a connection: ours, the peer's, and those that somebody feigns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "quic/connection_internal.h"

/* A connection by a forwarder, under which either end may get another address. */
struct scene {
  struct pair pair;
  struct forwarder forwarder;
  uint64_t received; /* by the client's endpoint, for a condition */
};

static void scene_open(struct scene *scene) {
  pair_open(&scene->pair);
  forwarder_open(&scene->forwarder, &world, server_port(&scene->pair));
  pair_connect(&scene->pair, scene->forwarder.port);
}

static void scene_close(struct scene *scene) {
  assert_false(scene->pair.client.closed);
  assert_false(scene->pair.server.closed);
  forwarder_close(&scene->forwarder);
  pair_close(&scene->pair);
}

/* A scene whose handshake is over for both. */
static void scene_settle(struct scene *scene) {
  scene_open(scene);
  exchange(&scene->pair);
  world_run_until(&world, client_is_confirmed, &scene->pair);
}

static bool client_has_received(void *context) {
  struct scene *scene = context;
  return endpoint_counters(scene->pair.client_endpoint).received_packets >= scene->received;
}

/* --- our own address --- */

static void a_client_goes_on_from_another_address_with_another_connection_id(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_open(&scene);
  exchange(pair);
  for (int i = 0; i < 5; i++) {
    world_run_until(&world, client_is_confirmed, pair);
    ngtcp2_cid before = *ngtcp2_conn_get_dcid(pair->client.connection->conn);
    uint16_t port = quic_connection_remote(pair->server.connection).port;
    forwarder_rebind(&scene.forwarder);
    pair->client.moves = 0;
    assert_int_equal(quic_connection_readdress(pair->client.connection, false), 0);
    exchange(pair);
    world_run_until(&world, client_has_moved, pair);
    assert_true(pair->client.last_move);
    exchange(pair);
    assert_false(ngtcp2_cid_eq(&before, ngtcp2_conn_get_dcid(pair->client.connection->conn)));
    assert_int_not_equal(quic_connection_remote(pair->server.connection).port, port);
    assert_int_equal(quic_connection_remote(pair->client.connection).port, scene.forwarder.port);
  }
  scene_close(&scene);
}

/* A host that changes its network twice, so fast that nobody has answered at the first place. */
static void two_moves_at_once_are_followed(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_open(&scene);
  exchange(pair);
  scene.forwarder.lose_to_client = true;
  forwarder_rebind(&scene.forwarder);
  pair->server.datagrams = 0;
  side_say(&pair->client);
  world_run_until(&world, server_got_datagram, pair);
  forwarder_rebind(&scene.forwarder);
  scene.forwarder.lose_to_client = false;
  assert_int_equal(quic_connection_readdress(pair->client.connection, false), 0);
  exchange(pair);
  world_run_until(&world, client_has_moved, pair);
  assert_true(pair->client.last_move);
  scene_close(&scene);
}

/* --- another address of ours, tried while the present one works --- */

static void try_another(struct pair *pair) {
  pair->client.moves = 0;
  assert_true(quic_connection_can_hold(pair->client.connection));
  assert_int_equal(quic_connection_readdress(pair->client.connection, true), 0);
  assert_true(quic_connection_is_holding(pair->client.connection));
}

static void a_trial_that_is_answered_becomes_the_path(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_settle(&scene);
  ngtcp2_cid before = *ngtcp2_conn_get_dcid(pair->client.connection->conn);
  try_another(pair);
  exchange(pair);
  world_run_until(&world, client_has_moved, pair);
  assert_true(pair->client.last_move);
  assert_false(quic_connection_is_holding(pair->client.connection));
  assert_false(ngtcp2_cid_eq(&before, ngtcp2_conn_get_dcid(pair->client.connection->conn)));
  exchange(pair);
  scene_close(&scene);
}

static void after_a_trial_that_nobody_answers_all_is_as_before(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_settle(&scene);
  uint16_t route = pair->client.connection->current_route;
  scene.forwarder.lose_to_client = true;
  try_another(pair);
  /* Another change of the network: anew. */
  assert_int_equal(quic_connection_readdress(pair->client.connection, true), 0);
  world_run_until(&world, client_has_moved, pair);
  assert_false(pair->client.last_move);
  assert_int_equal(pair->client.connection->current_route, route);
  assert_true(quic_connection_is_holding(pair->client.connection));
  scene.forwarder.lose_to_client = false;
  exchange(pair);
  scene_close(&scene);
}

/* The address that was held is gone before the other has answered. */
static void a_trial_gives_way_to_a_move(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_settle(&scene);
  scene.forwarder.lose_to_client = true;
  try_another(pair);
  forwarder_rebind(&scene.forwarder);
  scene.forwarder.lose_to_client = false;
  assert_int_equal(quic_connection_readdress(pair->client.connection, false), 0);
  assert_false(quic_connection_is_holding(pair->client.connection));
  exchange(pair);
  world_run_until(&world, client_has_moved, pair);
  assert_true(pair->client.last_move);
  assert_int_equal(pair->client.connection->held, 0);
  try_another(pair); /* and again */
  world_run_until(&world, client_has_moved, pair);
  assert_true(pair->client.last_move);
  exchange(pair);
  scene_close(&scene);
}

static void a_trial_gives_way_to_another_way_to_the_peer(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_settle(&scene);
  uint16_t route = pair->client.connection->current_route;
  scene.forwarder.lose_to_client = true;
  try_another(pair);
  uint16_t tried = pair->client.connection->moving;
  struct address direct = loopback(server_port(pair));
  assert_int_equal(quic_connection_migrate(pair->client.connection, &direct, true), 0);
  assert_int_equal(pair->client.connection->held, 0);
  assert_null(route_table_by_number(&pair->client.connection->routes, tried));
  assert_false(route_table_by_number(&pair->client.connection->routes, route)->pinned);
  exchange(pair);
  world_run_until(&world, client_has_moved, pair);
  assert_true(pair->client.last_move);
  assert_int_equal(quic_connection_remote(pair->client.connection).port, direct.port);
  scene_close(&scene);
}

static void before_the_handshake_is_over_nothing_moves(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct quic_target target = tunnel_target(&pair.client, server_port(&pair));
  connect_to(pair.client_endpoint, &target, &pair.client);
  assert_int_equal(quic_connection_readdress(pair.client.connection, false), ERROR_AGAIN);
  world_run_until(&world, both_established, &pair);
  exchange(&pair);
  pair_close(&pair);
}

/* --- moves that follow each other at once --- */

static void who_goes_there_already_does_not_go_again(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_settle(&scene);
  struct address direct = loopback(server_port(pair));
  assert_int_equal(quic_connection_migrate(pair->client.connection, &direct, true), 0);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(quic_connection_migrate(pair->client.connection, &direct, true), ERROR_EXISTS);
  }
  exchange(pair);
  world_run_until(&world, client_has_moved, pair);
  assert_true(pair->client.last_move);
  assert_int_equal(quic_connection_remote(pair->client.connection).port, direct.port);
  scene_close(&scene);
}

/* Each takes a Connection ID of the peer's, of which there are a few. */
static void when_no_more_moves_can_be_made_the_last_one_holds(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_settle(&scene);
  const struct address ways[] = {loopback(server_port(pair)), loopback(scene.forwarder.port)};
  int code = 0, moves = 0;
  while ((code = quic_connection_migrate(pair->client.connection, &ways[moves % 2], true)) == 0) {
    moves++;
  }
  assert_int_equal(code, ERROR_AGAIN);
  assert_true(moves >= 2);
  /* Not even asking to go where it is makes it forget where that is. */
  assert_int_equal(quic_connection_migrate(pair->client.connection, &ways[(moves - 1) % 2], true),
                   ERROR_EXISTS);
  exchange(pair);
  assert_int_equal(quic_connection_remote(pair->client.connection).port,
                   ways[(moves - 1) % 2].port);
  scene_close(&scene);
}

/* --- the server's --- */

static void a_client_follows_a_server_that_speaks_from_another_address(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_open(&scene);
  exchange(pair);
  for (int i = 0; i < 5; i++) {
    forwarder_move(&scene.forwarder);
    pair->client.moves = 0;
    pair->client.follows = true;
    assert_int_equal(quic_connection_readdress(pair->server.connection, false), 0);
    side_say(&pair->server);
    world_run_until(&world, client_has_moved, pair);
    assert_true(pair->client.last_move);
    assert_true(pair->client.spoke_elsewhere > 0);
    exchange(pair);
    assert_int_equal(quic_connection_remote(pair->client.connection).port, scene.forwarder.port);
  }
  scene_close(&scene);
}

/* --- who feigns one --- */

static void what_is_repeated_or_forged_from_elsewhere_says_nothing(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_open(&scene);
  exchange(pair);
  uint16_t port = scene.forwarder.port;
  size_t place = scene.forwarder.last_size;
  forwarder_move(&scene.forwarder);
  for (int i = 0; i < 10; i++) {
    scene.received = endpoint_counters(pair->client_endpoint).received_packets + 1;
    forwarder_repeat(&scene.forwarder);
    world_run_until(&world, client_has_received, &scene);
    scene.forwarder.last[--place] ^= 1; /* the first was the packet itself */
  }
  assert_int_equal(pair->client.spoke_elsewhere, 0);
  assert_int_equal(quic_connection_remote(pair->client.connection).port, port);
  scene_close(&scene);
}

static void a_way_from_which_the_peer_was_only_copied_is_not_taken(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_open(&scene);
  exchange(pair);
  uint16_t port = scene.forwarder.port;
  forwarder_move(&scene.forwarder);
  scene.forwarder.lose_to_server = true; /* it passes on what the server says, and nothing else */
  pair->client.follows = true;
  side_say(&pair->server);
  world_run_until(&world, client_has_moved, pair);
  assert_true(pair->client.spoke_elsewhere > 0);
  assert_false(pair->client.last_move);
  assert_int_equal(quic_connection_remote(pair->client.connection).port, port);
  scene_close(&scene);
}

static bool server_has_dropped(void *context) {
  struct scene *scene = context;
  return endpoint_counters(scene->pair.server_endpoint).dropped > 0;
}

/* As the host of a node sends when only its virtual address is left. */
static void nobody_is_followed_into_the_overlay(void **state UNUSED) {
  struct scene scene;
  struct pair *pair = &scene.pair;
  scene_open(&scene);
  exchange(pair);
  uint16_t port = quic_connection_remote(pair->server.connection).port;
  struct ip_prefix loopback, none = {0};
  assert_int_equal(ip_prefix_parse("127.0.0.0/8", &loopback), 0);
  quic_endpoint_set_overlay(pair->server_endpoint, &loopback, &none);
  forwarder_rebind(&scene.forwarder);
  side_say(&pair->client);
  world_run_until(&world, server_has_dropped, &scene);
  assert_int_equal(quic_connection_remote(pair->server.connection).port, port);
  quic_endpoint_set_overlay(pair->server_endpoint, &none, &none);
  exchange(pair);
  scene_close(&scene);
}

/* Packets with a virtual source would reach the peer, and its answers nobody. */
static void from_the_virtual_address_alone_nobody_is_asked(void **state UNUSED) {
  struct pair pair;
  struct quic_connection *connection = NULL;
  struct error error = {0};
  struct ip_prefix loopback, none = {0};
  pair_open(&pair);
  assert_int_equal(ip_prefix_parse("127.0.0.0/8", &loopback), 0);
  struct quic_target target = tunnel_target(&pair.client, server_port(&pair));
  quic_endpoint_set_overlay(pair.client_endpoint, &loopback, &none);
  assert_int_equal(quic_connect(pair.client_endpoint, &target, &connection, &error),
                   ERROR_UNREACHABLE);
  assert_non_null(strstr(error.message, "no IPv4 address but its virtual one"));
  assert_null(connection);
  quic_endpoint_set_overlay(pair.client_endpoint, &none, &none);
  connect_to(pair.client_endpoint, &target, &pair.client);
  world_run_until(&world, both_established, &pair);
  pair_close(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_client_goes_on_from_another_address_with_another_connection_id),
      cmocka_unit_test(two_moves_at_once_are_followed),
      cmocka_unit_test(a_trial_that_is_answered_becomes_the_path),
      cmocka_unit_test(after_a_trial_that_nobody_answers_all_is_as_before),
      cmocka_unit_test(a_trial_gives_way_to_a_move),
      cmocka_unit_test(a_trial_gives_way_to_another_way_to_the_peer),
      cmocka_unit_test(before_the_handshake_is_over_nothing_moves),
      cmocka_unit_test(who_goes_there_already_does_not_go_again),
      cmocka_unit_test(when_no_more_moves_can_be_made_the_last_one_holds),
      cmocka_unit_test(a_client_follows_a_server_that_speaks_from_another_address),
      cmocka_unit_test(what_is_repeated_or_forged_from_elsewhere_says_nothing),
      cmocka_unit_test(a_way_from_which_the_peer_was_only_copied_is_not_taken),
      cmocka_unit_test(nobody_is_followed_into_the_overlay),
      cmocka_unit_test(from_the_virtual_address_alone_nobody_is_asked),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

/* The life of a connection: data, closing, time, and networks that change under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pair.h"
#include "quic/connection_internal.h"

static void both_ends_know_each_other_by_certificate(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  const struct pki_identity *bob = quic_connection_peer(pair.client.connection);
  const struct pki_identity *alice = quic_connection_peer(pair.server.connection);
  assert_string_equal(bob->name, "bob.test.internal");
  assert_string_equal(alice->name, "alice.test.internal");
  assert_memory_equal(bob->public_key, world.bob.identity.public_key, PKI_HASH_SIZE);
  assert_true(ip_address_equal(&alice->ipv4, &world.alice.identity.ipv4));
  assert_string_equal(quic_connection_alpn(pair.server.connection), "cyphonic-tun/1");
  struct address remote = quic_connection_remote(pair.client.connection);
  assert_int_equal(remote.port, server_port(&pair));
  pair_close(&pair);
  assert_true(pair.client.closed);
  assert_int_equal(pair.client.close.code, ERROR_CLOSED);
}

static bool both_have_dropped_tls(void *context) {
  struct pair *pair = context;
  return pair->client.connection->tls.session == NULL &&
         pair->server.connection->tls.session == NULL;
}

static void tls_gives_its_memory_back_once_the_handshake_is_confirmed(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  world_run_until(&world, both_have_dropped_tls, &pair);
  struct span nothing = {NULL, 0}, data = {(const uint8_t *)"E", 1};
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, data), 0);
  world_run_until(&world, server_got_datagram, &pair);
  assert_string_equal(quic_connection_peer(pair.server.connection)->name, "alice.test.internal");
  pair_close(&pair);
}

static bool room_has_grown(void *context) {
  struct pair *pair = context;
  return quic_connection_datagram_room(pair->client.connection) == 1420;
}

static void a_packet_of_1420_bytes_fits_once_the_path_is_known(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  assert_true(quic_connection_datagram_room(pair.client.connection) >= 1200 - 32);
  world_run_until(&world, room_has_grown, &pair);
  assert_true(quic_connection_path_mtu_settled(pair.client.connection));
  uint8_t packet[1421];
  memset(packet, 0x45, sizeof(packet));
  struct span head = {packet, 4}, body = {packet + 4, 1416};
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, head, body), 0);
  body.size = 1417;
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, head, body), ERROR_LIMIT);
  world_run_until(&world, server_got_datagram, &pair);
  assert_int_equal(pair.server.last_datagram_size, 1420);
  assert_memory_equal(pair.server.last_datagram, packet, 1420);
  pair_close(&pair);
}

/* A sender that has large and small packets to send, and always sends as large as it may. */
static void send_both_sizes(struct side *side, const uint8_t *bytes) {
  size_t room = quic_connection_datagram_room(side->connection);
  const size_t sizes[] = {room, 100};
  for (size_t i = 0; i < 2; i++) {
    struct span body = {bytes, sizes[i]}, none = {NULL, 0};
    int code;
    while ((code = quic_connection_send_datagram(side->connection, none, body)) == ERROR_AGAIN) {
      side->writable = false;
      world_run_until(&world, side_is_writable, side);
    }
    assert_true(code == 0 || code == ERROR_LIMIT); /* the room may have shrunk meanwhile */
  }
}

static void a_path_that_narrows_is_noticed(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder forwarder;
  forwarder_open(&forwarder, &world, server_port(&pair));
  pair_connect(&pair, forwarder.port);
  world_run_until(&world, room_has_grown, &pair);
  static const uint8_t bytes[1500] = {0x45};
  send_both_sizes(&pair.client, bytes);
  world_run_until(&world, server_got_datagram, &pair);
  forwarder.largest = 1300;
  uint64_t deadline = clock_now() + 10 * SECOND;
  while (quic_connection_datagram_room(pair.client.connection) + 32 > forwarder.largest) {
    send_both_sizes(&pair.client, bytes);
    uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_true(clock_now() < deadline);
  }
  assert_true(quic_connection_path_mtu_settled(pair.client.connection));
  assert_int_equal(quic_connection_datagram_room(pair.client.connection), 1200 - 32);
  forwarder_close(&forwarder);
  pair_close(&pair);
}

static bool room_has_shrunk(void *context) {
  struct pair *pair = context;
  return quic_connection_datagram_room(pair->client.connection) == 1200 - 32;
}

/* Probes ask what the large datagrams that wait cannot. */
static void a_path_that_narrows_is_noticed_although_only_large_datagrams_wait(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder forwarder;
  forwarder_open(&forwarder, &world, server_port(&pair));
  pair_connect(&pair, forwarder.port);
  world_run_until(&world, room_has_grown, &pair);
  pair.client.pours = true;
  static const uint8_t bytes[1420] = {0x45};
  struct span body = {bytes, sizeof(bytes)}, none = {NULL, 0};
  while (quic_connection_send_datagram(pair.client.connection, none, body) == 0) {
  }
  world_run_until(&world, server_got_datagram, &pair);
  forwarder.largest = 1300;
  world_run_until(&world, room_has_shrunk, &pair);
  forwarder_close(&forwarder);
  pair_close(&pair);
}

static bool both_have_ended(void *context) {
  struct pair *pair = context;
  return pair->client.streams_closed == 1 && pair->server.streams_closed == 1;
}

static void a_stream_carries_more_than_its_window_both_ways(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  struct quic_stream *stream;
  assert_int_equal(quic_stream_open(pair.client.connection, &stream), 0);
  enum { SIZE = 700000 };
  uint8_t *data = malloc(SIZE);
  uint32_t sum = 0;
  for (size_t i = 0; i < SIZE; i++) {
    data[i] = (uint8_t)(i * 7 + i / 251);
    sum = sum * 31 + data[i];
  }
  assert_int_equal(quic_stream_send(stream, (struct span){data, SIZE / 2}, false), 0);
  assert_int_equal(quic_stream_send(stream, (struct span){data + SIZE / 2, SIZE / 2}, true), 0);
  assert_int_equal(quic_stream_send(stream, (struct span){data, 1}, false), ERROR_CLOSED);
  world_run_until(&world, both_have_ended, &pair);
  assert_int_equal(pair.client.stream_bytes, SIZE);
  assert_int_equal(pair.client.stream_sum, sum);
  assert_true(pair.client.stream_fin);
  assert_false(pair.client.stream_reset);
  free(data);
  pair_close(&pair);
}

static bool server_has_half(void *context) {
  return ((struct pair *)context)->server.stream_bytes == 4;
}

static bool both_streams_closed(void *context) {
  struct pair *pair = context;
  return pair->client.streams_closed == 2 && pair->server.streams_closed == 2;
}

static void a_stream_that_is_reset_ends_on_both_sides(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  struct quic_stream *stream;
  assert_int_equal(quic_stream_open(pair.client.connection, &stream), 0);
  assert_int_equal(quic_stream_send(stream, (struct span){(const uint8_t *)"half", 4}, false), 0);
  world_run_until(&world, server_has_half, &pair);
  quic_stream_reset(stream, 7);
  quic_stream_reset(stream, 7); /* twice is once */
  assert_int_equal(quic_stream_send(stream, (struct span){(const uint8_t *)"x", 1}, true),
                   ERROR_CLOSED);
  struct quic_stream *second;
  assert_int_equal(quic_stream_open(pair.client.connection, &second), 0);
  assert_int_equal(quic_stream_send(second, (struct span){(const uint8_t *)"whole", 5}, true), 0);
  world_run_until(&world, both_streams_closed, &pair);
  assert_true(pair.client.stream_reset);
  assert_true(pair.server.stream_reset);
  pair_close(&pair);
}

static bool client_may_open_streams(void *context) {
  return ((struct pair *)context)->client.stream_room > 0;
}

static void who_was_refused_a_stream_is_told_when_there_may_be_one(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  struct quic_connection *client = pair.client.connection;
  struct quic_stream *stream = NULL, *last;
  int code;
  while ((code = quic_stream_open(client, &last)) == 0) {
    stream = last;
  }
  assert_int_equal(code, ERROR_AGAIN);
  assert_int_equal(quic_stream_send(stream, (struct span){(const uint8_t *)"whole", 5}, true), 0);
  world_run_until(&world, client_may_open_streams, &pair);
  assert_int_equal(pair.client.stream_room, 1);
  assert_int_equal(quic_stream_open(client, &stream), 0);
  pair_close(&pair);
}

static void closing_tells_the_peer_why(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  quic_connection_close(pair.server.connection, 42, "enough for today");
  quic_connection_close(pair.server.connection, 43, "ignored");
  world_run_until(&world, both_closed, &pair);
  assert_true(pair.client.close.by_peer);
  assert_int_equal(pair.client.close.application_code, 42);
  assert_non_null(strstr(pair.client.close.message, "enough for today"));
  assert_false(pair.server.close.by_peer);
  pair_close(&pair);
}

/* --- time --- */

static void an_idle_connection_ends_and_a_keep_alive_keeps_it(void **state UNUSED) {
  struct pair idle, kept, kept_later;
  pair_open(&idle);
  pair_open(&kept);
  pair_open(&kept_later);
  struct quic_target target = tunnel_target(&idle.client, server_port(&idle));
  target.parameters.idle_timeout = SECOND / 2;
  connect_to(idle.client_endpoint, &target, &idle.client);
  target = tunnel_target(&kept.client, server_port(&kept));
  target.parameters.idle_timeout = SECOND / 2;
  target.parameters.keep_alive = SECOND / 10;
  connect_to(kept.client_endpoint, &target, &kept.client);
  target = tunnel_target(&kept_later.client, server_port(&kept_later));
  target.parameters.idle_timeout = SECOND / 2;
  connect_to(kept_later.client_endpoint, &target, &kept_later.client);
  world_run_until(&world, both_established, &kept);
  world_run_until(&world, both_established, &kept_later);
  quic_connection_set_keep_alive(kept_later.client.connection, SECOND / 10);
  world_run_until(&world, both_closed, &idle);
  assert_int_equal(idle.client.close.code, ERROR_TIMEOUT);
  assert_non_null(strstr(idle.client.close.message, "silent"));
  assert_false(kept.client.closed);
  assert_false(kept_later.client.closed);
  pair_close(&idle);
  pair_close(&kept);
  pair_close(&kept_later);
}

static void a_server_that_does_not_answer_is_given_up(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder forwarder;
  forwarder_open(&forwarder, &world, server_port(&pair));
  forwarder.lose_to_server = true;
  struct quic_target target = tunnel_target(&pair.client, forwarder.port);
  target.parameters.handshake_timeout = SECOND / 2;
  connect_to(pair.client_endpoint, &target, &pair.client);
  world_run_until(&world, client_closed, &pair);
  assert_int_equal(pair.client.close.code, ERROR_TIMEOUT);
  assert_non_null(strstr(pair.client.close.message, "does not answer"));
  assert_true(forwarder.to_server >= 1);
  forwarder_close(&forwarder);
  pair_close(&pair);
}

/* --- networks --- */

static bool server_saw_move(void *context) {
  struct pair *pair = context;
  return pair->server.remote_changes > 0 && pair->server.datagrams > 1;
}

static void a_nat_that_rebinds_does_not_break_the_connection(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder forwarder;
  forwarder_open(&forwarder, &world, server_port(&pair));
  pair_connect(&pair, forwarder.port);
  struct address before = quic_connection_remote(pair.server.connection);
  struct span nothing = {NULL, 0}, packet = {(const uint8_t *)"E", 1};
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, packet), 0);
  world_run_until(&world, server_got_datagram, &pair);
  forwarder_rebind(&forwarder);
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, packet), 0);
  world_run_until(&world, server_saw_move, &pair);
  struct address after = quic_connection_remote(pair.server.connection);
  assert_int_not_equal(before.port, after.port);
  /* And the way back is the new one, as soon as it is validated. */
  side_say(&pair.server);
  world_run_until(&world, client_got_datagram, &pair);
  forwarder_close(&forwarder);
  pair_close(&pair);
}

/* A connection by a forwarder whose server says its last words while the client still speaks. */
struct ending {
  struct pair pair;
  struct forwarder forwarder;
  uint64_t received; /* by the client's endpoint, for a condition */
  unsigned to_client;
};

static void ending_open(struct ending *ending) {
  pair_open(&ending->pair);
  forwarder_open(&ending->forwarder, &world, server_port(&ending->pair));
  pair_connect(&ending->pair, ending->forwarder.port);
}

static void ending_close(struct ending *ending) {
  forwarder_close(&ending->forwarder);
  pair_close(&ending->pair);
}

/* Long enough to be worth the last words, which are never longer than what they answer. */
static void say_late(struct ending *ending) {
  static const uint8_t bytes[1000] = {0x45};
  struct span nothing = {NULL, 0}, late = {bytes, sizeof(bytes)};
  assert_int_equal(quic_connection_send_datagram(ending->pair.client.connection, nothing, late), 0);
}

static bool last_words_are_lost(void *context) {
  struct ending *ending = context;
  return ending->pair.server.closed && ending->forwarder.to_client > ending->to_client;
}

static bool client_has_received(void *context) {
  struct ending *ending = context;
  return endpoint_counters(ending->pair.client_endpoint).received_packets >= ending->received;
}

/* RFC 9000 section 10.2.1. */
static void a_closed_connection_says_so_again_to_a_peer_that_missed_it(void **state UNUSED) {
  struct ending ending;
  struct pair *pair = &ending.pair;
  ending_open(&ending);
  ending.forwarder.lose_to_client = true;
  ending.to_client = ending.forwarder.to_client;
  quic_connection_close(pair->server.connection, 7, "enough");
  world_run_until(&world, last_words_are_lost, &ending);
  ending.forwarder.lose_to_client = false;
  say_late(&ending);
  world_run_until(&world, client_closed, pair);
  assert_true(pair->client.close.by_peer);
  assert_false(pair->client.close.reset);
  assert_int_equal(pair->client.close.application_code, 7);
  assert_int_equal(endpoint_counters(pair->server_endpoint).stateless_resets, 0);
  ending_close(&ending);
}

/* Sections 10.2.1 and 10.2.2: what was under way when both ended troubles neither. */
static void packets_that_come_after_the_end_are_not_answered_by_resets(void **state UNUSED) {
  struct ending ending;
  struct pair *pair = &ending.pair;
  ending_open(&ending);
  quic_connection_close(pair->server.connection, 7, "enough");
  say_late(&ending);
  say_late(&ending);
  /* The last words, and again for each of the late packets, of which the second finds a client that
   * has closed. */
  ending.received = endpoint_counters(pair->client_endpoint).received_packets + 3;
  world_run_until(&world, client_has_received, &ending);
  assert_true(pair->server.closed);
  assert_true(pair->client.closed);
  assert_int_equal(endpoint_counters(pair->client_endpoint).stateless_resets, 0);
  assert_int_equal(endpoint_counters(pair->server_endpoint).stateless_resets, 0);
  ending_close(&ending);
}

static void a_server_that_lost_its_state_says_so_at_once(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct forwarder forwarder;
  uint16_t port = server_port(&pair);
  forwarder_open(&forwarder, &world, port);
  pair_connect(&pair, forwarder.port);
  /* Its last words are lost, as those of a killed process are never said. */
  forwarder.lose_to_client = true;
  world_endpoint_close(&world, pair.server_endpoint);
  forwarder.lose_to_client = false;
  pair.server_endpoint = world_endpoint(&world, port, 0);
  struct span nothing = {NULL, 0}, packet = {(const uint8_t *)"Enough bytes for a reset token", 30};
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, packet), 0);
  world_run_until(&world, client_closed, &pair);
  assert_true(pair.client.close.reset);
  assert_true(pair.client.close.by_peer);
  assert_true(endpoint_counters(pair.server_endpoint).stateless_resets >= 1);
  forwarder_close(&forwarder);
  pair_close(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_ends_know_each_other_by_certificate),
      cmocka_unit_test(tls_gives_its_memory_back_once_the_handshake_is_confirmed),
      cmocka_unit_test(a_packet_of_1420_bytes_fits_once_the_path_is_known),
      cmocka_unit_test(a_path_that_narrows_is_noticed),
      cmocka_unit_test(a_path_that_narrows_is_noticed_although_only_large_datagrams_wait),
      cmocka_unit_test(a_stream_carries_more_than_its_window_both_ways),
      cmocka_unit_test(a_stream_that_is_reset_ends_on_both_sides),
      cmocka_unit_test(who_was_refused_a_stream_is_told_when_there_may_be_one),
      cmocka_unit_test(closing_tells_the_peer_why),
      cmocka_unit_test(an_idle_connection_ends_and_a_keep_alive_keeps_it),
      cmocka_unit_test(a_server_that_does_not_answer_is_given_up),
      cmocka_unit_test(a_nat_that_rebinds_does_not_break_the_connection),
      cmocka_unit_test(a_closed_connection_says_so_again_to_a_peer_that_missed_it),
      cmocka_unit_test(packets_that_come_after_the_end_are_not_answered_by_resets),
      cmocka_unit_test(a_server_that_lost_its_state_says_so_at_once),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

/* Connections whose owner is told of their end later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pair.h"
#include "quic/connection_internal.h"

/* A pair of which one side has such an endpoint. */
struct later {
  struct pair pair;
  unsigned endings;
  struct quic_connection *ended;
};

static void on_ending(struct quic_connection *connection, void *context) {
  struct later *later = context;
  later->endings++;
  later->ended = connection;
}

static struct quic_endpoint *later_endpoint(struct later *later) {
  struct quic_endpoint_config config = world_endpoint_config(&world, 0);
  config.ending = on_ending;
  config.context = later;
  return world_endpoint_new(&config);
}

static void later_open(struct later *later, bool client_waits) {
  *later = (struct later){0};
  struct pair *pair = &later->pair;
  pair->server_endpoint = client_waits ? world_endpoint(&world, 0, 0) : later_endpoint(later);
  pair->client_endpoint = client_waits ? later_endpoint(later) : world_endpoint(&world, 0, 0);
  struct quic_service service = tunnel_service(&pair->server);
  serve(pair->server_endpoint, &service);
}

static bool has_ended(void *context) {
  return ((struct later *)context)->endings > 0;
}

static void tick(uv_timer_t *timer UNUSED) {
}

static void turn_for(uint64_t nanoseconds) {
  static uv_timer_t timer;
  assert_int_equal(uv_timer_init(&world.loop, &timer), 0);
  uv_timer_start(&timer, tick, 1, 1);
  for (uint64_t end = clock_now() + nanoseconds; clock_now() < end;) {
    uv_run(&world.loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&world.loop, UV_RUN_NOWAIT);
}

/* All that an owner who does not know yet may ask. */
static void ask_everything(struct side *side, struct quic_stream *stream) {
  struct quic_connection *connection = side->connection;
  struct span nothing = {NULL, 0}, data = {(const uint8_t *)"E", 1};
  const struct address there = loopback(9);
  struct quic_connection_counters counters;
  struct quic_stream *other;
  struct address remote;
  struct ip_address local;
  uint8_t id[QUIC_CONNECTION_ID_MAX];
  assert_int_equal(quic_connection_send_datagram(connection, nothing, data), ERROR_CLOSED);
  assert_int_equal(quic_connection_datagram_room(connection), 0);
  assert_int_equal(quic_stream_open(connection, &other), ERROR_CLOSED);
  assert_int_equal(quic_stream_send(stream, data, false), ERROR_CLOSED);
  quic_stream_reset(stream, 1);
  assert_ptr_equal(quic_stream_connection(stream), connection);
  quic_connection_close(connection, 99, "too late");
  quic_connection_counters(connection, &counters);
  assert_true(counters.sent_packets > 0);
  assert_non_null(quic_connection_peer(connection));
  assert_string_equal(quic_connection_alpn(connection), "cyphonic-tun/1");
  assert_int_not_equal(quic_connection_remote(connection).port, 0);
  assert_int_not_equal(quic_connection_heard_from(connection).port, 0);
  assert_int_equal(quic_connection_called_by(connection, id), 0);
  (void)quic_connection_validated_path(connection, &remote, &local);
  (void)quic_connection_local(connection);
  assert_ptr_equal(quic_connection_loop(connection), &world.loop);
  assert_ptr_equal(quic_connection_log(connection), &world.log);
  quic_connection_set_keep_alive(connection, SECOND);
  quic_connection_add_candidate(connection, &there);
  quic_connection_hold(connection);
  (void)quic_connection_is_holding(connection);
  (void)quic_connection_can_hold(connection);
  (void)quic_connection_is_moving(connection);
  quic_connection_await_answer(connection);
  (void)quic_connection_silence(connection, clock_now());
  (void)quic_connection_take_wait(connection, clock_now());
  assert_true(quic_connection_probe_timeout(connection) > 0);
  (void)quic_connection_path_mtu_settled(connection);
  assert_true(quic_connection_time(connection) > 0);
  assert_int_equal(quic_connection_readdress(connection, false), ERROR_CLOSED);
  assert_int_equal(quic_connection_migrate(connection, &there, true),
                   quic_connection_is_client(connection) ? ERROR_CLOSED : ERROR_INVALID);
}

static bool server_has_stream(void *context) {
  return ((struct pair *)context)->server.stream_bytes > 0;
}

static struct quic_stream *open_stream(struct pair *pair) {
  struct quic_stream *stream;
  assert_int_equal(quic_stream_open(pair->client.connection, &stream), 0);
  assert_int_equal(quic_stream_send(stream, (struct span){(const uint8_t *)"half", 4}, false), 0);
  world_run_until(&world, server_has_stream, pair);
  return stream;
}

static bool server_closed(void *context) {
  return ((struct pair *)context)->server.closed;
}

static void the_peer_is_told_at_once_and_the_owner_when_it_is_finished(void **state UNUSED) {
  struct later later;
  struct pair *pair = &later.pair;
  later_open(&later, true);
  pair_connect(pair, server_port(pair));
  struct quic_stream *stream = open_stream(pair);
  struct quic_connection *connection = pair->client.connection;
  quic_connection_finish(connection); /* not yet */
  assert_int_equal(later.endings, 0);
  quic_connection_close(connection, 7, "enough");
  world_run_until(&world, server_closed, pair);
  assert_int_equal(pair->server.close.application_code, 7);
  assert_int_equal(later.endings, 1);
  assert_ptr_equal(later.ended, connection);
  ask_everything(&pair->client, stream);
  turn_for(SECOND / 5);
  assert_int_equal(later.endings, 1);
  assert_false(pair->client.closed);
  assert_int_equal(pair->client.streams_closed, 0);
  assert_int_equal(endpoint_counters(pair->client_endpoint).connections, 1);
  uint64_t sent = endpoint_counters(pair->client_endpoint).sent_packets;
  turn_for(SECOND / 10);
  assert_int_equal(endpoint_counters(pair->client_endpoint).sent_packets, sent);
  quic_connection_finish(connection);
  assert_true(pair->client.closed);
  assert_int_equal(pair->client.streams_closed, 1);
  assert_int_equal(pair->client.close.application_code, 7);
  assert_string_equal(pair->client.close.message, "enough");
  assert_int_equal(endpoint_counters(pair->client_endpoint).connections, 0);
  turn_for(SECOND / 10);
  assert_int_equal(later.endings, 1);
  pair_close(pair);
}

static void a_server_whose_client_left_waits_as_well(void **state UNUSED) {
  struct later later;
  struct pair *pair = &later.pair;
  later_open(&later, false);
  pair_connect(pair, server_port(pair));
  (void)open_stream(pair);
  quic_connection_close(pair->client.connection, 7, "enough");
  world_run_until(&world, has_ended, &later);
  assert_true(pair->client.closed);
  assert_false(pair->server.closed);
  assert_ptr_equal(later.ended, pair->server.connection);
  ask_everything(&pair->server, later.ended->streams);
  quic_connection_finish(later.ended);
  assert_true(pair->server.closed);
  assert_true(pair->server.close.by_peer);
  assert_int_equal(pair->server.close.application_code, 7);
  assert_int_equal(later.endings, 1);
  pair_close(pair);
}

/* Whoever is still there is not answered by resets, and does no harm. */
static void late_packets_for_one_that_waits_are_dropped(void **state UNUSED) {
  struct later later;
  struct pair *pair = &later.pair;
  later_open(&later, false);
  struct forwarder forwarder;
  forwarder_open(&forwarder, &world, server_port(pair));
  pair_connect(pair, forwarder.port);
  world_run_until(&world, client_is_confirmed, pair);
  forwarder.lose_to_client = true;
  quic_connection_close(pair->server.connection, 7, "enough");
  world_run_until(&world, has_ended, &later);
  struct quic_endpoint_counters before = endpoint_counters(pair->server_endpoint), after;
  side_say(&pair->client);
  turn_for(SECOND / 5);
  after = endpoint_counters(pair->server_endpoint);
  assert_true(after.received_packets > before.received_packets);
  assert_int_equal(after.sent_packets, before.sent_packets);
  assert_int_equal(after.stateless_resets, 0);
  assert_false(pair->server.closed);
  quic_connection_finish(later.ended);
  assert_true(pair->server.closed);
  /* From now on the last words are said again. */
  assert_int_equal(pair->server_endpoint->closed_count, 1);
  assert_true(pair->server_endpoint->closed->last_words_size > 0);
  forwarder_close(&forwarder);
  pair_close(pair);
}

static void finish_at_once(struct quic_connection *connection, void *context) {
  ((struct later *)context)->endings++;
  quic_connection_finish(connection);
}

static void it_may_be_finished_when_it_is_told_of(void **state UNUSED) {
  struct later later;
  struct pair *pair = &later.pair;
  later_open(&later, true);
  pair->client_endpoint->ending = finish_at_once;
  pair_connect(pair, server_port(pair));
  quic_connection_close(pair->client.connection, 0, "");
  world_run_until(&world, both_closed, pair);
  assert_int_equal(later.endings, 1);
  pair_close(pair);
}

/* One that failed before anybody above knew it is nobody's to finish. */
static void a_client_that_never_got_in_ends_by_itself(void **state UNUSED) {
  struct later later;
  struct pair *pair = &later.pair;
  later_open(&later, false);
  struct quic_target target = tunnel_target(&pair->client, server_port(pair));
  target.credentials = NULL;
  connect_to(pair->client_endpoint, &target, &pair->client);
  world_run_until(&world, client_closed, pair);
  assert_int_equal(endpoint_counters(pair->server_endpoint).connections, 0);
  assert_int_equal(later.endings, 0);
  pair_close(pair);
}

static void a_connection_that_never_was_waits_for_its_client(void **state UNUSED) {
  struct later later;
  struct pair *pair = &later.pair;
  later_open(&later, true);
  struct quic_target target = tunnel_target(&pair->client, server_port(pair));
  target.alpn = "nobody-serves-this/1";
  connect_to(pair->client_endpoint, &target, &pair->client);
  world_run_until(&world, has_ended, &later);
  assert_false(pair->client.closed);
  quic_connection_finish(later.ended);
  assert_true(pair->client.closed);
  assert_int_equal(pair->client.close.code, ERROR_NOT_FOUND);
  pair_close(pair);
}

static void closing_the_endpoint_ends_those_that_wait_and_the_others(void **state UNUSED) {
  struct later later;
  struct pair *pair = &later.pair;
  later_open(&later, true);
  pair_connect(pair, server_port(pair));
  (void)open_stream(pair);
  static struct side other;
  struct quic_target target = tunnel_target(&other, server_port(pair));
  static struct side first;
  first = pair->server;
  quic_connection_set_handler(first.connection, &handler, &first);
  quic_connection_set_stream_handler(first.connection, NULL, NULL);
  connect_to(pair->client_endpoint, &target, &other);
  pair->server.established = false;
  world_run_until(&world, both_established, pair);
  quic_connection_close(pair->client.connection, 7, "enough");
  world_run_until(&world, has_ended, &later);
  assert_false(pair->client.closed);
  uint64_t sent = endpoint_counters(pair->client_endpoint).sent_packets;
  quic_endpoint_close(pair->client_endpoint, NULL, NULL);
  assert_true(pair->client.closed);
  assert_int_equal(pair->client.close.application_code, 7);
  assert_int_equal(pair->client.streams_closed, 1);
  assert_true(other.closed);
  assert_int_equal(later.endings, 1);
  /* The last words of the other one; of the first they were said. */
  assert_int_equal(endpoint_counters(pair->client_endpoint).sent_packets, sent + 1);
  world_endpoint_close(&world, pair->server_endpoint);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_peer_is_told_at_once_and_the_owner_when_it_is_finished),
      cmocka_unit_test(a_server_whose_client_left_waits_as_well),
      cmocka_unit_test(late_packets_for_one_that_waits_are_dropped),
      cmocka_unit_test(it_may_be_finished_when_it_is_told_of),
      cmocka_unit_test(a_client_that_never_got_in_ends_by_itself),
      cmocka_unit_test(a_connection_that_never_was_waits_for_its_client),
      cmocka_unit_test(closing_the_endpoint_ends_those_that_wait_and_the_others),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

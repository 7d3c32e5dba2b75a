/* Two endpoints on the loopback interface, the real library and real certificates between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fixture.h"

#define SECOND UINT64_C(1000000000)

/* One side of a connection and what it lived through. */
struct side {
  struct quic_connection *connection;
  bool established, closed;
  struct quic_close close;
  unsigned datagrams;
  uint8_t last_datagram[2048];
  size_t last_datagram_size;
  size_t stream_bytes;
  uint32_t stream_sum;
  bool stream_fin, stream_reset;
  unsigned streams_closed;
  unsigned remote_changes;
  bool writable;
};

static struct world world;

static void side_closed(struct quic_connection *connection UNUSED, const struct quic_close *close,
                        void *context) {
  struct side *side = context;
  assert_false(side->closed);
  side->closed = true;
  side->close = *close;
  side->connection = NULL;
}

static void side_established(struct quic_connection *connection, void *context) {
  struct side *side = context;
  side->connection = connection;
  side->established = true;
}

static void side_remote_changed(struct quic_connection *connection UNUSED, void *context) {
  ((struct side *)context)->remote_changes++;
}

static const struct quic_handler handler = {
    .established = side_established, .closed = side_closed, .remote_changed = side_remote_changed};

static void side_datagram(struct quic_connection *connection UNUSED, struct span data,
                          void *context) {
  struct side *side = context;
  side->datagrams++;
  assert_true(data.size <= sizeof(side->last_datagram));
  memcpy(side->last_datagram, data.data, data.size);
  side->last_datagram_size = data.size;
}

static void side_writable(struct quic_connection *connection UNUSED, void *context) {
  ((struct side *)context)->writable = true;
}

static const struct quic_datagram_handler datagram_handler = {side_datagram, side_writable};

static void side_opened(struct quic_connection *connection UNUSED,
                        struct quic_stream *stream UNUSED, void *context UNUSED) {
}

/* The server's side gives back what it gets; the client's side adds up. */
static void side_received(struct quic_stream *stream, struct span data, bool fin, void *context) {
  struct side *side = context;
  side->stream_bytes += data.size;
  for (size_t i = 0; i < data.size; i++) {
    side->stream_sum = side->stream_sum * 31 + data.data[i];
  }
  side->stream_fin = side->stream_fin || fin;
  if (!quic_connection_is_client(quic_stream_connection(stream))) {
    assert_int_equal(quic_stream_send(stream, data, fin), 0);
  }
}

static void side_stream_closed(struct quic_stream *stream UNUSED, bool reset, void *context) {
  struct side *side = context;
  side->streams_closed++;
  side->stream_reset = side->stream_reset || reset;
}

static const struct quic_stream_handler stream_handler = {side_opened, side_received,
                                                          side_stream_closed};

static void accepted(struct quic_connection *connection, void *context) {
  struct side *side = context;
  *side = (struct side){.connection = connection, .established = true};
  quic_connection_set_handler(connection, &handler, side);
  quic_connection_set_datagram_handler(connection, &datagram_handler, side);
  quic_connection_set_stream_handler(connection, &stream_handler, side);
}

static struct quic_parameters parameters(void) {
  return (struct quic_parameters){.idle_timeout = 30 * SECOND, .datagrams = true};
}

static struct quic_service tunnel_service(struct side *server) {
  return (struct quic_service){
      .alpn = "cyphonic-tun/1",
      .credentials = world.bob.credentials,
      .trust = world.trust,
      .peer_purpose = PKI_NODE,
      .parameters = parameters(),
      .accepted = accepted,
      .context = server,
  };
}

static struct quic_target tunnel_target(struct side *client, uint16_t port) {
  return (struct quic_target){
      .alpn = "cyphonic-tun/1",
      .remote = loopback(port),
      .credentials = world.alice.credentials,
      .trust = world.trust,
      .peer_purpose = PKI_NODE,
      .peer_name = "bob.test.internal",
      .parameters = parameters(),
      .handler = &handler,
      .context = client,
  };
}

static void serve(struct quic_endpoint *endpoint, const struct quic_service *service) {
  struct error error = {0};
  if (quic_endpoint_serve(endpoint, service, &error) != 0) {
    fail_msg("%s", error.message);
  }
}

static void connect_to(struct quic_endpoint *endpoint, const struct quic_target *target,
                       struct side *side) {
  struct error error = {0};
  *side = (struct side){0};
  if (quic_connect(endpoint, target, &side->connection, &error) != 0) {
    fail_msg("%s", error.message);
  }
  quic_connection_set_datagram_handler(side->connection, &datagram_handler, side);
  quic_connection_set_stream_handler(side->connection, &stream_handler, side);
}

/* The usual pair: alice connects to bob. */
struct pair {
  struct quic_endpoint *client_endpoint, *server_endpoint;
  struct side client, server;
};

static bool both_established(void *context) {
  struct pair *pair = context;
  return pair->client.established && pair->server.established;
}

static bool client_closed(void *context) {
  return ((struct pair *)context)->client.closed;
}

static bool both_closed(void *context) {
  struct pair *pair = context;
  return pair->client.closed && pair->server.closed;
}

static void pair_open(struct pair *pair) {
  *pair = (struct pair){0};
  pair->server_endpoint = world_endpoint(&world, 0, 0);
  pair->client_endpoint = world_endpoint(&world, 0, 0);
  struct quic_service service = tunnel_service(&pair->server);
  serve(pair->server_endpoint, &service);
}

static uint16_t server_port(const struct pair *pair) {
  return quic_endpoint_port(pair->server_endpoint, 4);
}

static void pair_connect(struct pair *pair, uint16_t port) {
  struct quic_target target = tunnel_target(&pair->client, port);
  connect_to(pair->client_endpoint, &target, &pair->client);
  world_run_until(&world, both_established, pair);
}

static void pair_close(struct pair *pair) {
  world_endpoint_close(&world, pair->client_endpoint);
  world_endpoint_close(&world, pair->server_endpoint);
}

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

static bool room_has_grown(void *context) {
  struct pair *pair = context;
  return quic_connection_datagram_room(pair->client.connection) == 1420;
}

static bool server_got_datagram(void *context) {
  return ((struct pair *)context)->server.datagrams > 0;
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

/* --- certificates --- */

static void expect_refusal(const struct quic_service *service, const struct quic_target *target,
                           int client_code, const char *words) {
  struct pair pair;
  pair_open(&pair);
  if (service != NULL) {
    struct quic_service copy = *service;
    copy.context = &pair.server;
    quic_endpoint_withdraw(pair.server_endpoint, copy.alpn);
    serve(pair.server_endpoint, &copy);
  }
  struct quic_target to = *target;
  to.context = &pair.client;
  to.remote = loopback(server_port(&pair));
  connect_to(pair.client_endpoint, &to, &pair.client);
  world_run_until(&world, client_closed, &pair);
  assert_int_equal(pair.client.close.code, client_code);
  if (strstr(pair.client.close.message, words) == NULL) {
    fail_msg("\"%s\" does not say \"%s\"", pair.client.close.message, words);
  }
  assert_false(pair.server.established);
  pair_close(&pair);
}

static void a_name_other_than_asked_is_refused(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.peer_name = "carol.test.internal";
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "carol.test.internal");
}

static void a_node_is_not_taken_for_a_service(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.peer_purpose = PKI_AS;
  target.peer_name = NULL;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "AS");
}

static void a_service_is_not_taken_for_a_node(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = world.service.credentials;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "refused our certificate");
}

static void a_node_without_certificate_is_refused(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = NULL;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "refused our certificate");
}

static void an_expired_certificate_is_refused_with_both_times(void **state UNUSED) {
  struct member old;
  int64_t now = clock_wall();
  world_add_node(&world, "old.test.internal", 77, now - 7200, now - 3600, &old);
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = old.credentials;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "check the clock");
  struct quic_service service = tunnel_service(NULL);
  service.credentials = old.credentials;
  target = tunnel_target(NULL, 0);
  target.peer_name = "old.test.internal";
  expect_refusal(&service, &target, ERROR_EXPIRED, "check the clock");
  member_clear(&old);
}

static void another_network_is_refused(void **state UNUSED) {
  struct world other;
  world_init(&other);
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = other.alice.credentials;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "refused our certificate");
  target = tunnel_target(NULL, 0);
  target.trust = other.trust;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "");
  world_clear(&other);
}

static void an_alpn_nobody_serves_is_refused(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.alpn = "cyphonic-trs/1";
  expect_refusal(NULL, &target, ERROR_NOT_FOUND, "does not serve cyphonic-trs/1");
}

static void sign_up_takes_an_anonymous_client_that_pins_the_root(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct quic_service service = {
      .alpn = "cyphonic-signup/1",
      .credentials = world.service.credentials,
      .trust = world.trust,
      .peer_purpose = PKI_NODE,
      .anonymous = true,
      .parameters = parameters(),
      .accepted = accepted,
      .context = &pair.server,
  };
  serve(pair.server_endpoint, &service);
  struct quic_target target = tunnel_target(&pair.client, server_port(&pair));
  target.alpn = "cyphonic-signup/1";
  target.credentials = NULL;
  target.trust = world.pin;
  target.peer_purpose = PKI_AS;
  target.peer_name = NULL;
  connect_to(pair.client_endpoint, &target, &pair.client);
  world_run_until(&world, both_established, &pair);
  assert_null(quic_connection_peer(pair.server.connection));
  assert_string_equal(quic_connection_peer(pair.client.connection)->name, "as.test.internal");
  pair_close(&pair);
}

/* --- time --- */

static void an_idle_connection_ends_and_a_keep_alive_keeps_it(void **state UNUSED) {
  struct pair idle, kept;
  pair_open(&idle);
  pair_open(&kept);
  struct quic_target target = tunnel_target(&idle.client, server_port(&idle));
  target.parameters.idle_timeout = SECOND / 2;
  connect_to(idle.client_endpoint, &target, &idle.client);
  target = tunnel_target(&kept.client, server_port(&kept));
  target.parameters.idle_timeout = SECOND / 2;
  target.parameters.keep_alive = SECOND / 10;
  connect_to(kept.client_endpoint, &target, &kept.client);
  world_run_until(&world, both_established, &kept);
  world_run_until(&world, both_closed, &idle);
  assert_int_equal(idle.client.close.code, ERROR_TIMEOUT);
  assert_non_null(strstr(idle.client.close.message, "silent"));
  assert_false(kept.client.closed);
  pair_close(&idle);
  pair_close(&kept);
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

static bool server_is_writable(void *context) {
  return ((struct pair *)context)->server.writable;
}

static bool client_got_datagram(void *context) {
  return ((struct pair *)context)->client.datagrams > 0;
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
  while (quic_connection_send_datagram(pair.server.connection, nothing, packet) == ERROR_AGAIN) {
    pair.server.writable = false;
    world_run_until(&world, server_is_writable, &pair);
  }
  world_run_until(&world, client_got_datagram, &pair);
  forwarder_close(&forwarder);
  pair_close(&pair);
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
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(pair.server_endpoint, &counters);
  assert_true(counters.stateless_resets >= 1);
  forwarder_close(&forwarder);
  pair_close(&pair);
}

/* --- strangers --- */

struct stranger {
  uv_udp_t udp;
  uint8_t answer[2048];
  ssize_t answer_size;
  bool closed;
};

static void stranger_allocate(uv_handle_t *handle, size_t suggested UNUSED, uv_buf_t *buffer) {
  struct stranger *stranger = handle->data;
  *buffer = uv_buf_init((char *)stranger->answer, sizeof(stranger->answer));
}

static void stranger_received(uv_udp_t *handle, ssize_t size, const uv_buf_t *buffer UNUSED,
                              const struct sockaddr *source, unsigned flags UNUSED) {
  struct stranger *stranger = handle->data;
  if (source != NULL) {
    stranger->answer_size = size;
  }
}

static void stranger_open(struct stranger *stranger) {
  memset(stranger, 0, sizeof(*stranger));
  struct address any = loopback(0);
  struct sockaddr_storage storage;
  address_to_sockaddr(&any, &storage);
  assert_int_equal(uv_udp_init(&world.loop, &stranger->udp), 0);
  stranger->udp.data = stranger;
  assert_int_equal(uv_udp_bind(&stranger->udp, (struct sockaddr *)&storage, 0), 0);
  uv_udp_recv_start(&stranger->udp, stranger_allocate, stranger_received);
}

static void stranger_send(struct stranger *stranger, uint16_t port, uint8_t *data, size_t size) {
  struct address to = loopback(port);
  struct sockaddr_storage storage;
  address_to_sockaddr(&to, &storage);
  uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)size);
  assert_int_equal(uv_udp_try_send(&stranger->udp, &buffer, 1, (struct sockaddr *)&storage), size);
}

static bool stranger_has_answer(void *context) {
  return ((struct stranger *)context)->answer_size > 0;
}

static void stranger_gone(uv_handle_t *handle) {
  ((struct stranger *)handle->data)->closed = true;
}

static bool stranger_is_gone(void *context) {
  return ((struct stranger *)context)->closed;
}

static void stranger_close(struct stranger *stranger) {
  uv_close((uv_handle_t *)&stranger->udp, stranger_gone);
  world_run_until(&world, stranger_is_gone, stranger);
}

/* A long header with a Destination Connection ID of 8 bytes and no Source Connection ID. */
static void write_long_header(uint8_t packet[static 1200], uint32_t version, uint32_t number) {
  memset(packet, 0, 1200);
  packet[0] = 0xc3;
  for (int i = 0; i < 4; i++) {
    packet[1 + i] = (uint8_t)(version >> (24 - 8 * i));
    packet[6 + i] = (uint8_t)(number >> (24 - 8 * i));
  }
  packet[5] = 8;
  packet[14] = 0;    /* no Source Connection ID */
  packet[15] = 0;    /* no token */
  packet[16] = 0x44; /* length: the rest, 1200 - 18 */
  packet[17] = 0x9e;
}

static void an_unknown_version_is_answered_with_the_ones_spoken(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct stranger stranger;
  stranger_open(&stranger);
  uint8_t packet[1200];
  write_long_header(packet, 0x6b3343cf, 1); /* QUIC version 2 */
  stranger_send(&stranger, server_port(&pair), packet, sizeof(packet));
  world_run_until(&world, stranger_has_answer, &stranger);
  static const uint8_t version_1[] = {0, 0, 0, 1};
  assert_int_equal(stranger.answer[1] | stranger.answer[2] | stranger.answer[3], 0);
  assert_memory_equal(stranger.answer + stranger.answer_size - 4, version_1, 4);
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(pair.server_endpoint, &counters);
  assert_int_equal(counters.version_negotiations, 1);
  stranger_close(&stranger);
  pair_close(&pair);
}

struct flood {
  struct pair *pair;
  uint64_t expected;
};

static bool flood_arrived(void *context) {
  struct flood *flood = context;
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(flood->pair->server_endpoint, &counters);
  return counters.received_packets >= flood->expected;
}

static void ten_thousand_forged_initials_cost_little_and_a_real_node_gets_in(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct stranger stranger;
  stranger_open(&stranger);
  struct flood flood = {.pair = &pair};
  uint8_t packet[1200];
  for (uint32_t i = 0; i < 10000; i++) {
    write_long_header(packet, 1, i + 1);
    stranger_send(&stranger, server_port(&pair), packet, sizeof(packet));
    if (i % 32 == 31) { /* loopback loses what the receiver does not take in time */
      flood.expected = i + 1;
      world_run_until(&world, flood_arrived, &flood);
    }
  }
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(pair.server_endpoint, &counters);
  assert_true(counters.half_open <= QUIC_RETRY_THRESHOLD);
  assert_true(counters.connections <= QUIC_RETRY_THRESHOLD);
  pair_connect(&pair, server_port(&pair));
  stranger_close(&stranger);
  pair_close(&pair);
}

struct crowd {
  struct pair *pair;
  size_t half_open;
  uint64_t retries;
};

static bool crowd_waits(void *context) {
  struct crowd *crowd = context;
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(crowd->pair->server_endpoint, &counters);
  return counters.half_open == crowd->half_open && counters.retries >= crowd->retries;
}

/* Clients whose answers are lost look to the server like those with forged addresses. */
static void beyond_a_bound_clients_must_prove_their_address(void **state UNUSED) {
  enum { CLIENTS = QUIC_RETRY_THRESHOLD + 20 };
  static struct side clients[CLIENTS];
  struct pair pair;
  pair_open(&pair);
  struct forwarder forwarder;
  forwarder_open(&forwarder, &world, server_port(&pair));
  forwarder.lose_to_client = true;
  struct crowd crowd = {&pair, QUIC_RETRY_THRESHOLD, CLIENTS - QUIC_RETRY_THRESHOLD};
  for (size_t i = 0; i < CLIENTS; i++) {
    struct quic_target target = tunnel_target(&clients[i], forwarder.port);
    connect_to(pair.client_endpoint, &target, &clients[i]);
  }
  world_run_until(&world, crowd_waits, &crowd);
  pair_connect(&pair, server_port(&pair));
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(pair.server_endpoint, &counters);
  assert_int_equal(counters.half_open, QUIC_RETRY_THRESHOLD);
  forwarder_close(&forwarder);
  pair_close(&pair);
}

static void a_forged_retry_token_gets_nobody_in(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct stranger stranger;
  stranger_open(&stranger);
  uint8_t packet[1200];
  write_long_header(packet, 1, 1);
  packet[15] = 20; /* token of 20 bytes, of the kind that Retry gives */
  memset(packet + 16, 0xb7, 20);
  packet[36] = 0x44;
  packet[37] = 0x8a;
  stranger_send(&stranger, server_port(&pair), packet, sizeof(packet));
  world_run_until(&world, stranger_has_answer, &stranger);
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(pair.server_endpoint, &counters);
  assert_int_equal(counters.connections, 0);
  assert_true((size_t)stranger.answer_size < sizeof(packet));
  stranger_close(&stranger);
  pair_close(&pair);
}

static void garbage_is_dropped(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  pair_connect(&pair, server_port(&pair));
  struct stranger stranger;
  stranger_open(&stranger);
  struct quic_endpoint_counters before, after;
  quic_endpoint_counters(pair.server_endpoint, &before);
  struct flood flood = {.pair = &pair, .expected = before.received_packets + 1000};
  uint8_t packet[1400];
  srand(11);
  for (int i = 0; i < 1000; i++) {
    size_t size = 1 + (size_t)rand() % sizeof(packet);
    for (size_t j = 0; j < size; j++) {
      packet[j] = (uint8_t)rand();
    }
    stranger_send(&stranger, server_port(&pair), packet, size);
    uv_run(&world.loop, UV_RUN_NOWAIT);
  }
  world_run_until(&world, flood_arrived, &flood);
  quic_endpoint_counters(pair.server_endpoint, &after);
  assert_int_equal(after.connections, 1);
  struct span nothing = {NULL, 0}, data = {(const uint8_t *)"E", 1};
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, data), 0);
  world_run_until(&world, server_got_datagram, &pair);
  stranger_close(&stranger);
  pair_close(&pair);
}

static int setup(void **state UNUSED) {
  world_init(&world);
  return 0;
}

static int teardown(void **state UNUSED) {
  world_clear(&world);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_ends_know_each_other_by_certificate),
      cmocka_unit_test(a_packet_of_1420_bytes_fits_once_the_path_is_known),
      cmocka_unit_test(a_stream_carries_more_than_its_window_both_ways),
      cmocka_unit_test(a_stream_that_is_reset_ends_on_both_sides),
      cmocka_unit_test(closing_tells_the_peer_why),
      cmocka_unit_test(a_name_other_than_asked_is_refused),
      cmocka_unit_test(a_node_is_not_taken_for_a_service),
      cmocka_unit_test(a_service_is_not_taken_for_a_node),
      cmocka_unit_test(a_node_without_certificate_is_refused),
      cmocka_unit_test(an_expired_certificate_is_refused_with_both_times),
      cmocka_unit_test(another_network_is_refused),
      cmocka_unit_test(an_alpn_nobody_serves_is_refused),
      cmocka_unit_test(sign_up_takes_an_anonymous_client_that_pins_the_root),
      cmocka_unit_test(an_idle_connection_ends_and_a_keep_alive_keeps_it),
      cmocka_unit_test(a_server_that_does_not_answer_is_given_up),
      cmocka_unit_test(a_nat_that_rebinds_does_not_break_the_connection),
      cmocka_unit_test(a_server_that_lost_its_state_says_so_at_once),
      cmocka_unit_test(an_unknown_version_is_answered_with_the_ones_spoken),
      cmocka_unit_test(ten_thousand_forged_initials_cost_little_and_a_real_node_gets_in),
      cmocka_unit_test(beyond_a_bound_clients_must_prove_their_address),
      cmocka_unit_test(a_forged_retry_token_gets_nobody_in),
      cmocka_unit_test(garbage_is_dropped),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* Packets of strangers: versions, floods, forged tokens, garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pair.h"

/* --- strangers --- */

struct stranger {
  uv_udp_t udp;
  uint16_t port;
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
  int size = sizeof(storage);
  assert_int_equal(uv_udp_getsockname(&stranger->udp, (struct sockaddr *)&storage, &size), 0);
  assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, &any), 0);
  stranger->port = any.port;
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

static bool side_is_established(void *context) {
  return ((struct side *)context)->established;
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

/* --- replay --- */

/* A node's first packet, as somebody on its way to the server recorded it: the node was told that
 * the server is at the stranger's address. */
static size_t record_initial(struct pair *pair, struct stranger *stranger,
                             uint8_t packet[static 2048]) {
  struct quic_target target = tunnel_target(&pair->client, stranger->port);
  connect_to(pair->client_endpoint, &target, &pair->client);
  world_run_until(&world, stranger_has_answer, stranger);
  size_t size = (size_t)stranger->answer_size;
  assert_true(size >= 1200 && size <= 2048);
  memcpy(packet, stranger->answer, size);
  return size;
}

static void replay(struct pair *pair, struct stranger *stranger, uint8_t *packet, size_t size) {
  enum { TIMES = 1000 };
  struct quic_endpoint_counters before;
  quic_endpoint_counters(pair->server_endpoint, &before);
  struct flood flood = {.pair = pair};
  for (uint64_t i = 1; i <= TIMES; i++) {
    stranger_send(stranger, server_port(pair), packet, size);
    if (i % 32 == 0 || i == TIMES) {
      flood.expected = before.received_packets + i;
      world_run_until(&world, flood_arrived, &flood);
    }
  }
}

static void an_initial_replayed_a_thousand_times_is_one_handshake(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct stranger stranger, other;
  stranger_open(&stranger);
  stranger_open(&other);
  uint8_t packet[2048];
  size_t size = record_initial(&pair, &stranger, packet);
  struct quic_endpoint_counters before, after;
  quic_endpoint_counters(pair.server_endpoint, &before);
  replay(&pair, &stranger, packet, size);
  replay(&pair, &other, packet, size);
  quic_endpoint_counters(pair.server_endpoint, &after);
  assert_int_equal(after.half_open, 1);
  assert_int_equal(after.connections, 1);
  assert_true(after.sent_bytes - before.sent_bytes <= after.received_bytes - before.received_bytes);
  assert_false(pair.server.established);
  /* Another node gets in beside it. */
  static struct side another;
  struct quic_target target = tunnel_target(&another, server_port(&pair));
  connect_to(pair.client_endpoint, &target, &another);
  world_run_until(&world, side_is_established, &another);
  stranger_close(&stranger);
  stranger_close(&other);
  pair_close(&pair);
}

static void the_node_whose_initial_was_replayed_gets_in(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct stranger stranger;
  stranger_open(&stranger);
  uint8_t packet[2048];
  size_t size = record_initial(&pair, &stranger, packet);
  replay(&pair, &stranger, packet, size);
  struct address server = loopback(server_port(&pair));
  quic_connection_add_candidate(pair.client.connection, &server);
  world_run_until(&world, both_established, &pair);
  /* What was recorded is of no use afterwards. */
  replay(&pair, &stranger, packet, size);
  assert_false(pair.server.closed);
  assert_int_equal(quic_connection_remote(pair.server.connection).port,
                   quic_endpoint_port(pair.client_endpoint, 4));
  struct span nothing = {NULL, 0}, data = {(const uint8_t *)"E", 1};
  assert_int_equal(quic_connection_send_datagram(pair.client.connection, nothing, data), 0);
  world_run_until(&world, server_got_datagram, &pair);
  stranger_close(&stranger);
  pair_close(&pair);
}

static void an_initial_replayed_after_the_connections_end_is_one_handshake(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct stranger stranger;
  stranger_open(&stranger);
  uint8_t packet[2048];
  size_t size = record_initial(&pair, &stranger, packet);
  struct address server = loopback(server_port(&pair));
  quic_connection_add_candidate(pair.client.connection, &server);
  world_run_until(&world, both_established, &pair);
  uint64_t closed = clock_now();
  quic_connection_close(pair.client.connection, 0, "done");
  world_run_until(&world, both_closed, &pair);
  struct quic_endpoint_counters before, after;
  quic_endpoint_counters(pair.server_endpoint, &before);
  pair.server.established = false;
  replay(&pair, &stranger, packet, size);
  quic_endpoint_counters(pair.server_endpoint, &after);
  /* For three probe time-outs, of 26 ms at least, what comes late is nobody's. */
  if (clock_now() - closed < 75 * NANOSECONDS_PER_MILLISECOND) {
    assert_int_equal(after.half_open, 0);
    assert_int_equal(after.sent_packets, before.sent_packets);
  }
  while (after.half_open == 0) {
    replay(&pair, &stranger, packet, size);
    quic_endpoint_counters(pair.server_endpoint, &after);
  }
  assert_int_equal(after.half_open, 1);
  assert_int_equal(after.connections, 1);
  assert_true(after.sent_bytes - before.sent_bytes <= after.received_bytes - before.received_bytes);
  assert_false(pair.server.established);
  pair_connect(&pair, server_port(&pair));
  stranger_close(&stranger);
  pair_close(&pair);
}

/* --- garbage --- */

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_unknown_version_is_answered_with_the_ones_spoken),
      cmocka_unit_test(ten_thousand_forged_initials_cost_little_and_a_real_node_gets_in),
      cmocka_unit_test(beyond_a_bound_clients_must_prove_their_address),
      cmocka_unit_test(a_forged_retry_token_gets_nobody_in),
      cmocka_unit_test(an_initial_replayed_a_thousand_times_is_one_handshake),
      cmocka_unit_test(the_node_whose_initial_was_replayed_gets_in),
      cmocka_unit_test(an_initial_replayed_after_the_connections_end_is_one_handshake),
      cmocka_unit_test(garbage_is_dropped),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

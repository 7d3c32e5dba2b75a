/* Datagrams: what they cost in acknowledgements, and how many may be under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"

static const uint8_t bytes[1500] = {0x45};

static int send_bytes(struct side *side, size_t size) {
  return quic_connection_send_datagram(side->connection, (struct span){0},
                                       (struct span){bytes, size});
}

static struct quic_connection_counters counters_of(const struct side *side) {
  struct quic_connection_counters counters;
  quic_connection_counters(side->connection, &counters);
  return counters;
}

static bool path_is_known(void *context) {
  struct pair *pair = context;
  return quic_connection_datagram_room(pair->client.connection) == 1420 &&
         quic_connection_datagram_room(pair->server.connection) == 1420;
}

/* Nothing but what the test sends is under way any more. */
static void open_quiet_pair(struct pair *pair) {
  pair_open(pair);
  pair_connect(pair, server_port(pair));
  world_run_until(&world, path_is_known, pair);
}

/* How many datagrams the server has been waited for. */
struct expectation {
  const struct side *side;
  unsigned datagrams;
  uint64_t sent_packets;
};

static bool has_datagrams(void *context) {
  const struct expectation *expectation = context;
  return expectation->side->datagrams >= expectation->datagrams;
}

static bool has_sent(void *context) {
  const struct expectation *expectation = context;
  return counters_of(expectation->side).sent_packets >= expectation->sent_packets;
}

static void an_answer_carries_the_acknowledgement(void **state UNUSED) {
  struct pair pair;
  open_quiet_pair(&pair);
  uint64_t client_sent = counters_of(&pair.client).sent_packets;
  uint64_t server_sent = counters_of(&pair.server).sent_packets;
  for (unsigned i = 1; i <= 10; i++) {
    assert_int_equal(send_bytes(&pair.client, 100), 0);
    struct expectation question = {.side = &pair.server, .datagrams = i};
    world_run_until(&world, has_datagrams, &question);
    assert_int_equal(send_bytes(&pair.server, 100), 0);
    struct expectation answer = {.side = &pair.client, .datagrams = i};
    world_run_until(&world, has_datagrams, &answer);
    uv_run(&world.loop, UV_RUN_NOWAIT); /* nothing is sent for the answer's sake alone */
  }
  assert_int_equal(counters_of(&pair.client).sent_packets, client_sent + 10);
  assert_int_equal(counters_of(&pair.server).sent_packets, server_sent + 10);
  pair_close(&pair);
}

static bool server_got_stream(void *context) {
  return ((struct pair *)context)->server.stream_bytes > 0;
}

/* Else who pours datagrams into a window that is full would leave no room for signalling. */
static void what_a_stream_carries_is_next_when_there_is_room(void **state UNUSED) {
  struct pair pair;
  open_quiet_pair(&pair);
  unsigned sent = 0;
  while (send_bytes(&pair.client, 1400) == 0) {
    sent++;
  }
  pair.client.pours = true; /* as soon as there is room */
  struct quic_stream *stream;
  assert_int_equal(quic_stream_open(pair.client.connection, &stream), 0);
  assert_int_equal(quic_stream_send(stream, (struct span){bytes, 1}, true), 0);
  world_run_until(&world, server_got_stream, &pair);
  assert_int_equal(pair.server.datagrams_before_stream, sent);
  pair_close(&pair);
}

static void what_nobody_answers_is_acknowledged_all_the_same(void **state UNUSED) {
  struct pair pair;
  open_quiet_pair(&pair);
  struct expectation expectation = {.side = &pair.server, .datagrams = 1};
  assert_int_equal(send_bytes(&pair.client, 100), 0);
  world_run_until(&world, has_datagrams, &expectation);
  expectation.sent_packets = counters_of(&pair.server).sent_packets + 1;
  world_run_until(&world, has_sent, &expectation);
  pair_close(&pair);
}

static void the_fourth_datagram_is_acknowledged_at_once(void **state UNUSED) {
  struct pair pair;
  open_quiet_pair(&pair);
  struct expectation expectation = {.side = &pair.server, .datagrams = 4};
  uint64_t before = counters_of(&pair.server).sent_packets;
  for (unsigned i = 0; i < 4; i++) {
    assert_int_equal(send_bytes(&pair.client, 100), 0);
  }
  world_run_until(&world, has_datagrams, &expectation);
  uv_run(&world.loop, UV_RUN_NOWAIT); /* one turn, which no timer is waited for in */
  assert_int_equal(counters_of(&pair.server).sent_packets, before + 1);
  pair_close(&pair);
}

static void on_a_short_path_no_more_than_a_mebibyte_is_under_way(void **state UNUSED) {
  struct pair pair;
  open_quiet_pair(&pair);
  struct side *client = &pair.client;
  /* Congestion control comes to know the path, and lets ever more go. */
  for (unsigned sent = 0; sent < 20000;) {
    if (send_bytes(client, 1400) == 0) {
      sent++;
      continue;
    }
    client->writable = false;
    world_run_until(&world, side_is_writable, client);
  }
  if (counters_of(client).minimum_rtt >= SECOND / 1000) { /* under valgrind, say */
    pair_close(&pair);
    skip();
  }
  /* What the loop does not run for is not acknowledged. */
  uint64_t before = counters_of(client).sent_bytes;
  int code;
  while ((code = send_bytes(client, 1400)) == 0) {
  }
  assert_int_equal(code, ERROR_AGAIN);
  uint64_t sent = counters_of(client).sent_bytes - before;
  assert_in_range(sent, 1, (1 << 20) + 1500);
  client->writable = false;
  world_run_until(&world, side_is_writable, client);
  pair_close(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_carries_the_acknowledgement),
      cmocka_unit_test(what_a_stream_carries_is_next_when_there_is_room),
      cmocka_unit_test(what_nobody_answers_is_acknowledged_all_the_same),
      cmocka_unit_test(the_fourth_datagram_is_acknowledged_at_once),
      cmocka_unit_test(on_a_short_path_no_more_than_a_mebibyte_is_under_way),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

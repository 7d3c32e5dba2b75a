/* What strangers, and nodes that misbehave, can make a TRS do: nothing for others, and never send
 * more than it got. */
#include "relayed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"
#include "base/span.h"

enum {
  FLOOD = 10000,
  FLIGHT = 32, /* loopback loses what the receiver does not take in time */
  PACKET_MAX = 1452,
};

/* --- strangers --- */

struct stranger {
  struct cloud *cloud;
  int socket;
  uint64_t expected; /* received by the server */
  uint64_t sent, got;
  size_t longest_answer, longest_packet;
};

static struct quic_endpoint_counters counters_of(const struct cloud *cloud) {
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(cloud->endpoint, &counters);
  return counters;
}

static void stranger_open(struct cloud *cloud, struct stranger *stranger) {
  *stranger = (struct stranger){.cloud = cloud};
  struct sockaddr_storage server;
  socklen_t size = address_to_sockaddr(&cloud->address, &server);
  stranger->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_true(stranger->socket >= 0);
  assert_int_equal(connect(stranger->socket, (struct sockaddr *)&server, size), 0);
  stranger->expected = counters_of(cloud).received_packets;
}

static void stranger_listen(struct stranger *stranger) {
  uint8_t answer[2048];
  ssize_t size;
  while ((size = recv(stranger->socket, answer, sizeof(answer), 0)) > 0) {
    stranger->got += (uint64_t)size;
    if ((size_t)size > stranger->longest_answer) {
      stranger->longest_answer = (size_t)size;
    }
  }
}

static bool all_has_arrived(void *context) {
  const struct stranger *stranger = context;
  return counters_of(stranger->cloud).received_packets >= stranger->expected;
}

static void stranger_settle(struct stranger *stranger) {
  wait_for(stranger->cloud, all_has_arrived, stranger);
  stranger_listen(stranger);
}

static void stranger_send(struct stranger *stranger, const uint8_t *packet, size_t size) {
  assert_int_equal(send(stranger->socket, packet, size, 0), size);
  stranger->sent += size;
  stranger->expected++;
  if (size > stranger->longest_packet) {
    stranger->longest_packet = size;
  }
  if (stranger->expected % FLIGHT == 0) {
    stranger_settle(stranger);
  }
}

static void stranger_close(struct stranger *stranger) {
  stranger_settle(stranger);
  close(stranger->socket);
}

/* A packet of QUIC's shape for a route id: every second one with a long header, of version 1 or of
 * none that is known. */
static size_t shape(uint8_t packet[static PACKET_MAX], uint32_t route_id) {
  size_t size = 25 + (size_t)rand() % (PACKET_MAX - 25 + 1);
  random_bytes(packet, size);
  bool is_long = (packet[0] & 0x80) != 0;
  struct writer writer = writer_init(packet, size);
  writer_u8(&writer, packet[0] | 0x40);
  if (is_long) {
    writer_u32(&writer, (packet[1] & 1) != 0 ? 1 : 0x1a2a3a4a);
    writer_u8(&writer, 8);
  }
  writer_u32(&writer, route_id);
  return size;
}

static uint32_t any_route_id(void) {
  uint32_t route_id;
  random_bytes(&route_id, sizeof(route_id));
  return route_id;
}

/* --- tests --- */

static void a_strangers_packets_to_a_bound_route_id_go_nowhere(void **state) {
  struct tunnel tunnel;
  open_tunnel(*state, NULL, &tunnel);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  struct quic_endpoint_counters before = counters_of(*state);
  struct stranger stranger;
  stranger_open(*state, &stranger);
  uint8_t packet[PACKET_MAX];
  for (int i = 0; i < FLOOD; i++) {
    stranger_send(&stranger, packet, shape(packet, i % 2 == 0 ? ALICE : BOB));
  }
  stranger_close(&stranger);
  struct quic_endpoint_counters after = counters_of(*state);
  assert_int_equal(station_counters(&tunnel.station).forwarded_packets, 0);
  assert_int_equal(station_counters(&tunnel.station).pairs, 1);
  assert_true(after.dropped - before.dropped >= FLOOD / 2); /* the others: unknown versions */
  assert_true(after.half_open <= QUIC_RETRY_THRESHOLD);
  assert_true(stranger.longest_answer < stranger.longest_packet);
  assert_true(stranger.got <= stranger.sent);
  assert_true(after.sent_bytes - before.sent_bytes <= after.received_bytes - before.received_bytes);
  close_tunnel(&tunnel);
}

static void a_flood_to_random_route_ids_leaves_a_tunnel_alone(void **state) {
  struct tunnel tunnel;
  open_tunnel(*state, NULL, &tunnel);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  dial_and_meet(&tunnel);
  struct quic_endpoint_counters before = counters_of(*state);
  struct stranger stranger;
  stranger_open(*state, &stranger);
  uint8_t packet[PACKET_MAX];
  for (int i = 0; i < FLOOD; i++) {
    stranger_send(&stranger, packet, shape(packet, any_route_id()));
    if (i % 1000 == 0) {
      talk(&tunnel);
      stranger.expected = counters_of(*state).received_packets;
    }
  }
  talk(&tunnel);
  stranger_close(&stranger);
  struct quic_endpoint_counters after = counters_of(*state);
  assert_false(tunnel.client.closed || tunnel.server.closed);
  assert_true(stranger.got <= stranger.sent);
  assert_true(after.sent_bytes - before.sent_bytes <= after.received_bytes - before.received_bytes);
  close_tunnel(&tunnel);
}

static void a_bound_node_reaches_no_route_id_but_its_peers(void **state) {
  struct cloud *cloud = *state;
  struct tunnel tunnel;
  open_tunnel(cloud, NULL, &tunnel);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  struct quic_endpoint_counters before = counters_of(cloud);
  struct stranger count = {.cloud = cloud, .expected = before.received_packets};
  for (int i = 0; i < FLOOD / FLIGHT; i++) {
    for (int j = 0; j < FLIGHT; j++) { /* each of 21 bytes, with a random route id */
      quic_endpoint_punch(tunnel.alice.member.endpoint, &cloud->address);
    }
    count.expected += FLIGHT;
    wait_for(cloud, all_has_arrived, &count);
  }
  struct quic_endpoint_counters after = counters_of(cloud);
  assert_int_equal(station_counters(&tunnel.station).forwarded_packets, 0);
  assert_true(after.dropped - before.dropped >= FLOOD / FLIGHT * FLIGHT);
  assert_int_equal(after.stateless_resets, before.stateless_resets);
  close_tunnel(&tunnel);
}

static void a_relay_sends_no_more_than_it_gets(void **state) {
  struct tunnel tunnel;
  open_tunnel(*state, NULL, &tunnel);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  struct quic_endpoint_counters before = counters_of(*state);
  dial_and_meet(&tunnel);
  for (int i = 0; i < 100; i++) {
    talk(&tunnel);
  }
  struct quic_endpoint_counters after = counters_of(*state);
  struct trs_counters forwarded = station_counters(&tunnel.station);
  assert_true(forwarded.forwarded_bytes > 200 * 1000);
  assert_true(forwarded.forwarded_bytes <= after.received_bytes - before.received_bytes);
  assert_true(forwarded.forwarded_packets <= after.received_packets - before.received_packets);
  assert_true(after.sent_bytes - before.sent_bytes <= after.received_bytes - before.received_bytes);
  close_tunnel(&tunnel);
}

struct crowd {
  const struct station *station;
  size_t connections;
};

static bool the_older_ones_are_gone(void *context) {
  const struct crowd *crowd = context;
  return counters_of(crowd->station->cloud).connections <= crowd->connections &&
         station_counters(crowd->station).nodes == 2;
}

/* Ten thousand times: relay_table.c, which is what grows. */
static void a_node_that_connects_again_and_again_is_one_node(void **state) {
  enum { TIMES = 300 };
  static struct session sessions[TIMES];
  struct station station;
  struct user alice, bob;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", ALICE, &alice);
  user_open(*state, "bob", BOB, &bob);
  users_meet(&station, &alice, &bob);
  struct crowd crowd = {&station, counters_of(*state).connections};
  for (size_t i = 0; i < TIMES; i++) {
    session_open(&alice.member, TRS_ALPN, PKI_TRS, &sessions[i]);
  }
  wait_for(*state, the_older_ones_are_gone, &crowd);
  assert_int_equal(station_counters(&station).pairs, 1);
  assert_false(sessions[TIMES - 1].closed);
  for (size_t i = 0; i < TIMES; i++) {
    session_close(&sessions[i]);
  }
  user_close(&alice);
  user_close(&bob);
  station_close(&station);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  srand(7);
  const struct CMUnitTest tests[] = {
      TEST(a_strangers_packets_to_a_bound_route_id_go_nowhere),
      TEST(a_flood_to_random_route_ids_leaves_a_tunnel_alone),
      TEST(a_bound_node_reaches_no_route_id_but_its_peers),
      TEST(a_relay_sends_no_more_than_it_gets),
      TEST(a_node_that_connects_again_and_again_is_one_node),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A tunnel between two nodes whose packets a TRS carries: their own QUIC connection, end to end. */
#include "station.h"

#include <string.h>

#include "base/clock.h"

#define TUNNEL_ALPN "cyphonic-tun/1"

enum { ALICE = 0xa11ce001, BOB = 0xb0b00002 };

struct end {
  struct quic_connection *connection;
  bool established, closed;
  struct quic_close close;
  size_t received; /* datagrams */
};

/* Alice is the client. */
struct tunnel {
  struct station station;
  struct cloud *cloud;
  struct user alice, bob;
  struct end client, server;
};

static void end_established(struct quic_connection *connection UNUSED, void *context) {
  ((struct end *)context)->established = true;
}

static void end_closed(struct quic_connection *connection UNUSED, const struct quic_close *close,
                       void *context) {
  struct end *end = context;
  end->close = *close;
  end->connection = NULL;
  end->closed = true;
}

static void end_received(struct quic_connection *connection UNUSED, struct span data UNUSED,
                         void *context) {
  ((struct end *)context)->received++;
}

static const struct quic_handler end_handler = {.established = end_established,
                                                .closed = end_closed};
static const struct quic_datagram_handler datagram_handler = {.received = end_received};
static const struct quic_parameters parameters = {.idle_timeout = 30 * NANOSECONDS_PER_SECOND,
                                                  .datagrams = true};

static void tunnel_accepted(struct quic_connection *connection, void *context) {
  struct end *end = context;
  end->connection = connection;
  end->established = true;
  quic_connection_set_handler(connection, &end_handler, end);
  quic_connection_set_datagram_handler(connection, &datagram_handler, end);
}

static void open_tunnel(struct cloud *cloud, const struct trs_config *config,
                        struct tunnel *tunnel) {
  *tunnel = (struct tunnel){.cloud = cloud};
  station_open(cloud, config, &tunnel->station);
  user_open(cloud, "alice", ALICE, &tunnel->alice);
  user_open(cloud, "bob", BOB, &tunnel->bob);
  const struct quic_service service = {
      .alpn = TUNNEL_ALPN,
      .credentials = tunnel->bob.member.credentials,
      .trust = cloud->trust,
      .peer_purpose = PKI_NODE,
      .parameters = parameters,
      .accepted = tunnel_accepted,
      .context = &tunnel->server,
  };
  struct error error = {0};
  must(quic_endpoint_serve(tunnel->bob.member.endpoint, &service, &error), &error);
}

static void dial(struct tunnel *tunnel) {
  const struct quic_target target = {
      .alpn = TUNNEL_ALPN,
      .remote = tunnel->cloud->address,
      .credentials = tunnel->alice.member.credentials,
      .trust = tunnel->cloud->trust,
      .peer_purpose = PKI_NODE,
      .peer_name = tunnel->bob.member.fqdn,
      .peer_route_id = BOB,
      .parameters = parameters,
      .handler = &end_handler,
      .context = &tunnel->client,
  };
  struct error error = {0};
  must(quic_connect(tunnel->alice.member.endpoint, &target, &tunnel->client.connection, &error),
       &error);
  quic_connection_set_datagram_handler(tunnel->client.connection, &datagram_handler,
                                       &tunnel->client);
}

static void dial_and_meet(struct tunnel *tunnel) {
  dial(tunnel);
  cloud_wait(tunnel->cloud, &tunnel->client.established);
  cloud_wait(tunnel->cloud, &tunnel->server.established);
}

static void hang_up(struct end *end, struct cloud *cloud) {
  if (end->connection != NULL) {
    quic_connection_close(end->connection, 0, "the test is done");
    cloud_wait(cloud, &end->closed);
  }
}

static void close_tunnel(struct tunnel *tunnel) {
  hang_up(&tunnel->client, tunnel->cloud);
  hang_up(&tunnel->server, tunnel->cloud);
  user_close(&tunnel->alice);
  user_close(&tunnel->bob);
  station_close(&tunnel->station);
}

static int say(struct end *end) {
  static const uint8_t words[1000] = "E";
  return quic_connection_send_datagram(end->connection, (struct span){NULL, 0},
                                       (struct span){words, sizeof(words)});
}

static bool both_have_heard(void *context) {
  struct tunnel *tunnel = context;
  return tunnel->client.received > 0 && tunnel->server.received > 0;
}

static void talk(struct tunnel *tunnel) {
  tunnel->client.received = tunnel->server.received = 0;
  assert_int_equal(say(&tunnel->client), 0);
  assert_int_equal(say(&tunnel->server), 0);
  wait_for(tunnel->cloud, both_have_heard, tunnel);
}

static size_t connections(const struct cloud *cloud) {
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(cloud->endpoint, &counters);
  return counters.connections;
}

static void a_tunnel_passes_and_the_relay_is_no_party_to_it(void **state) {
  struct tunnel tunnel;
  open_tunnel(*state, NULL, &tunnel);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  size_t before = connections(*state);
  dial_and_meet(&tunnel);
  talk(&tunnel);
  assert_int_equal(connections(*state), before);
  struct address remote = quic_connection_remote(tunnel.client.connection);
  assert_true(address_equal(&remote, &tunnel.cloud->address));
  assert_string_equal(quic_connection_peer(tunnel.client.connection)->name, "bob.test.internal");
  struct trs_counters counters = station_counters(&tunnel.station);
  assert_true(counters.forwarded_packets > 4);
  assert_true(counters.forwarded_bytes > 2 * 1200);
  close_tunnel(&tunnel);
}

static void without_a_pair_nothing_is_forwarded(void **state) {
  struct tunnel tunnel;
  open_tunnel(*state, NULL, &tunnel);
  struct wish half;
  user_wish_peer(&tunnel.alice, &tunnel.station, &tunnel.bob, &half);
  dial(&tunnel);
  /* To this endpoint the packet is one of a client that wants what is not served here. */
  cloud_wait(*state, &tunnel.client.closed);
  assert_false(tunnel.client.established);
  assert_false(tunnel.server.established);
  assert_int_equal(station_counters(&tunnel.station).forwarded_packets, 0);
  wish_await(*state, &half, CYPHONIC__ERROR__CODE__PEER_ABSENT);
  close_tunnel(&tunnel);
}

static bool no_pair_is_left(void *context) {
  return station_counters(&((struct tunnel *)context)->station).pairs == 0;
}

static void an_expired_pair_stops_and_goes_on_with_a_new_grant(void **state) {
  struct tunnel tunnel;
  open_tunnel(*state, NULL, &tunnel);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  dial_and_meet(&tunnel);
  talk(&tunnel);
  station_clock_ahead = 3700;
  wait_for(*state, no_pair_is_left, &tunnel);
  uint64_t forwarded = station_counters(&tunnel.station).forwarded_packets;
  assert_int_equal(say(&tunnel.client), 0);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  /* The tunnel has outlived it. */
  talk(&tunnel);
  assert_true(station_counters(&tunnel.station).forwarded_packets > forwarded);
  assert_false(tunnel.client.closed);
  close_tunnel(&tunnel);
}

static bool too_much_was_sent(void *context) {
  struct tunnel *tunnel = context;
  for (int code = 0; code == 0;) {
    code = say(&tunnel->client);
  }
  return station_counters(&tunnel->station).dropped_rate > 0;
}

static void what_exceeds_a_nodes_rate_is_dropped_in_silence(void **state) {
  struct tunnel tunnel;
  open_tunnel(*state, &(struct trs_config){.rate_limit = 10000}, &tunnel);
  users_meet(&tunnel.station, &tunnel.alice, &tunnel.bob);
  size_t before = connections(*state);
  dial_and_meet(&tunnel);
  wait_for(*state, too_much_was_sent, &tunnel);
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(tunnel.cloud->endpoint, &counters);
  assert_int_equal(counters.stateless_resets, 0);
  assert_int_equal(counters.connections, before);
  assert_true(counters.dropped > 0);
  close_tunnel(&tunnel);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_tunnel_passes_and_the_relay_is_no_party_to_it),
      TEST(without_a_pair_nothing_is_forwarded),
      TEST(an_expired_pair_stops_and_goes_on_with_a_new_grant),
      TEST(what_exceeds_a_nodes_rate_is_dropped_in_silence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

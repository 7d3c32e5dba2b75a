/* What a TRS forwards of a tunnel, and when. */
#include "relayed.h"

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

#include "pair.h"
#include "relay_station.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/message.h"

enum { ALICE_ROUTE = 0x0a11ce01, BOB_ROUTE = 0x0b0b0b02 };

/* --- with a relay --- */

/* What NMS says of a pair that has a relay. */
struct terms {
  uint64_t id;
  uint32_t pattern;
  uint16_t port;       /* of Bob, as Alice is told; 0: none */
  uint16_t alice_port; /* of Alice, as Bob is told; 0: none */
};

static void direct_one(struct pair *pair, struct side *side, const struct side *other,
                       struct station_offer *offer, const struct terms *terms) {
  struct pki_identity about = other->member->identity;
  bool client = side == &pair->alice;
  struct ip_address loopback_ip = {.family = 4, .bytes = {127, 0, 0, 1}};
  Cyphonic__Endpoint endpoint = CYPHONIC__ENDPOINT__INIT, *candidates[] = {&endpoint};
  endpoint.ip = message_bytes(&loopback_ip);
  endpoint.port = client ? terms->port : terms->alice_port;
  Cyphonic__RouteDirection direction = CYPHONIC__ROUTE_DIRECTION__INIT;
  direction.direction_id = terms->id;
  direction.pattern = terms->pattern;
  direction.role =
      client ? CYPHONIC__ROUTE_DIRECTION__ROLE__CLIENT : CYPHONIC__ROUTE_DIRECTION__ROLE__SERVER;
  direction.fqdn = about.name;
  direction.public_key = message_data(about.public_key, PKI_HASH_SIZE);
  direction.ipv4 = message_bytes(&about.ipv4);
  direction.ipv6 = message_bytes(&about.ipv6);
  direction.candidates = candidates;
  direction.n_candidates = endpoint.port != 0 ? 1 : 0;
  direction.route_id = client ? BOB_ROUTE : ALICE_ROUTE;
  direction.relay = &offer->message;
  struct error error = {0};
  if (peers_direct(side->peers, &direction, &error))
    fail_msg("%s", error.message);
}

/* NMS pushes to both; Alice is the QUIC client. */
static void direct_both(struct pair *pair, struct relay_station *station,
                        const struct terms *terms) {
  struct station_offer offer;
  station_offer_make(station, pair->alice.member->identity.name, ALICE_ROUTE,
                     pair->bob.member->identity.name, BOB_ROUTE, &offer);
  direct_one(pair, &pair->bob, &pair->alice, &offer, terms);
  direct_one(pair, &pair->alice, &pair->bob, &offer, terms);
  station_offer_clear(&offer);
}

static void pair_open_with_relay(struct pair *pair, struct relay_station *station) {
  pair_open(pair);
  relay_station_open(station, &pair->world);
  quic_endpoint_set_route_id(pair->alice.endpoint, ALICE_ROUTE);
  quic_endpoint_set_route_id(pair->bob.endpoint, BOB_ROUTE);
}

static void pair_close_with_relay(struct pair *pair, struct relay_station *station) {
  side_close(pair, &pair->alice);
  side_close(pair, &pair->bob);
  relay_station_close(station);
  world_clear(&pair->world);
}

static const char *relay_of(struct side *side, const struct side *other) {
  return known(side, other)->path.relay;
}

static bool both_relayed(void *context) {
  struct pair *pair = context;
  return both_up(pair) && strcmp(relay_of(&pair->alice, &pair->bob), STATION_NAME) == 0 &&
         strcmp(relay_of(&pair->bob, &pair->alice), STATION_NAME) == 0;
}

static bool alice_asked(void *context) {
  return ((struct pair *)context)->alice.asked > 0;
}

/* --- tests --- */

static void a_pair_without_a_direct_path_meets_at_the_relay(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  pair_open_with_relay(&pair, &station);
  direct_both(&pair, &station, &(struct terms){.id = 1, .pattern = 3});
  world_run_until(&pair.world, both_relayed, &pair);
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, bob_has_packet, &pair);
  send_packet(&pair.bob, &pair.alice);
  world_run_until(&pair.world, alice_has_packet, &pair);
  assert_true(relay_station_forwarded(&station) > 0);
  assert_true(known(&pair.alice, &pair.bob)->path.reason[0] != '\0');
  pair_close_with_relay(&pair, &station);
}

static void a_pair_that_is_up_at_once_leaves_the_relay_alone(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  pair_open_with_relay(&pair, &station);
  uint16_t port = quic_endpoint_port(pair.bob.endpoint, 4);
  direct_both(&pair, &station, &(struct terms){.id = 1, .pattern = 1, .port = port});
  world_run_until(&pair.world, both_up, &pair);
  assert_string_equal(relay_of(&pair.alice, &pair.bob), "");
  assert_false(binding_is_asking(&known(&pair.alice, &pair.bob)->binding));
  pair_close_with_relay(&pair, &station);
}

static void an_address_that_swallows_packets_does_not_keep_a_pair_apart(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  struct forwarder wall;
  pair_open_with_relay(&pair, &station);
  forwarder_open(&wall, &pair.world, quic_endpoint_port(pair.bob.endpoint, 4));
  wall.lose_to_server = true;
  direct_both(&pair, &station, &(struct terms){.id = 1, .pattern = 1, .port = wall.port});
  world_run_until(&pair.world, both_relayed, &pair);
  assert_true(wall.to_server > 0);
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, bob_has_packet, &pair);
  forwarder_close(&wall);
  pair_close_with_relay(&pair, &station);
}

static bool somebody_came(void *context) {
  return ((struct forwarder *)context)->to_server > 0;
}

static void the_server_sends_to_the_clients_addresses_at_once(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  struct forwarder door;
  pair_open_with_relay(&pair, &station);
  forwarder_open(&door, &pair.world, quic_endpoint_port(pair.alice.endpoint, 4));
  struct terms terms = {.id = 1, .pattern = 1, .alice_port = door.port};
  terms.port = quic_endpoint_port(pair.bob.endpoint, 4);
  direct_both(&pair, &station, &terms);
  world_run_until(&pair.world, somebody_came, &door);
  world_run_until(&pair.world, both_up, &pair);
  assert_int_equal(door.to_server, 1);
  assert_string_equal(relay_of(&pair.alice, &pair.bob), "");
  forwarder_close(&door);
  pair_close_with_relay(&pair, &station);
}

static void who_meets_at_the_relay_sends_to_no_address_before_the_upgrade(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  struct forwarder door;
  pair_open_with_relay(&pair, &station);
  forwarder_open(&door, &pair.world, quic_endpoint_port(pair.alice.endpoint, 4));
  direct_both(&pair, &station, &(struct terms){.id = 1, .pattern = 3, .alice_port = door.port});
  world_run_until(&pair.world, both_relayed, &pair);
  assert_int_equal(door.to_server, 0);
  forwarder_close(&door);
  pair_close_with_relay(&pair, &station);
}

static void a_direct_path_that_dies_is_replaced_by_the_relay(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  struct forwarder wire;
  pair_open_with_relay(&pair, &station);
  forwarder_open(&wire, &pair.world, quic_endpoint_port(pair.bob.endpoint, 4));
  direct_both(&pair, &station, &(struct terms){.id = 1, .pattern = 1, .port = wire.port});
  world_run_until(&pair.world, both_up, &pair);
  assert_string_equal(relay_of(&pair.alice, &pair.bob), "");
  wire.lose_to_client = wire.lose_to_server = true;
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, alice_asked, &pair); /* so that Bob hears of it */
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_string_equal(pair.alice.failed_relay, "");
  direct_both(&pair, &station, &(struct terms){.id = 2, .pattern = 1, .port = wire.port});
  world_run_until(&pair.world, both_relayed, &pair);
  assert_int_equal(link_direction(known(&pair.alice, &pair.bob)->link), 1);
  assert_non_null(strstr(known(&pair.alice, &pair.bob)->path.reason, "silent"));
  pair.bob.delivered = 0;
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, bob_has_packet, &pair);
  forwarder_close(&wire);
  pair_close_with_relay(&pair, &station);
}

struct elsewhere {
  struct pair *pair;
  uint16_t port;
};

static bool alice_is_elsewhere(void *context) {
  struct elsewhere *elsewhere = context;
  const struct peer *bob = known(&elsewhere->pair->alice, &elsewhere->pair->bob);
  return link_remote(bob->link).port == elsewhere->port;
}

static void a_relay_that_dies_is_replaced_by_another(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  pair_open_with_relay(&pair, &station);
  direct_both(&pair, &station, &(struct terms){.id = 1, .pattern = 3});
  world_run_until(&pair.world, both_relayed, &pair);
  relay_station_stop(&station);
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, alice_asked, &pair);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_string_equal(pair.alice.failed_relay, STATION_NAME);
  relay_station_start(&station, 0); /* elsewhere */
  struct elsewhere elsewhere = {&pair, relay_station_port(&station)};
  direct_both(&pair, &station, &(struct terms){.id = 2, .pattern = 3});
  world_run_until(&pair.world, alice_is_elsewhere, &elsewhere);
  pair.bob.delivered = 0;
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, bob_has_packet, &pair);
  assert_int_equal(link_direction(known(&pair.alice, &pair.bob)->link), 1);
  pair_close_with_relay(&pair, &station);
}

static void another_relay_is_asked_for_when_the_first_does_not_work(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  pair_open_with_relay(&pair, &station);
  struct terms first = {.id = 1, .pattern = 3}, second = {.id = 2, .pattern = 3};
  struct station_offer offer;
  station_offer_make(&station, pair.alice.member->identity.name, ALICE_ROUTE,
                     pair.bob.member->identity.name, BOB_ROUTE, &offer);
  snprintf(offer.name, sizeof offer.name, "other.test.internal"); /* not its certificate's */
  direct_one(&pair, &pair.alice, &pair.bob, &offer, &first);
  station_offer_clear(&offer);
  world_run_until(&pair.world, alice_asked, &pair);
  assert_string_equal(pair.alice.failed_relay, "other.test.internal");
  assert_int_equal(known(&pair.alice, &pair.bob)->state, PEER_CONNECTING);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  direct_both(&pair, &station, &second);
  world_run_until(&pair.world, both_relayed, &pair);
  pair_close_with_relay(&pair, &station);
}

static void without_another_relay_the_reason_is_told(void **state) {
  (void)state;
  struct pair pair;
  struct relay_station station;
  pair_open_with_relay(&pair, &station);
  struct station_offer offer;
  station_offer_make(&station, pair.alice.member->identity.name, ALICE_ROUTE,
                     pair.bob.member->identity.name, BOB_ROUTE, &offer);
  snprintf(offer.name, sizeof offer.name, "other.test.internal");
  direct_one(&pair, &pair.alice, &pair.bob, &offer, &(struct terms){.id = 1, .pattern = 3});
  station_offer_clear(&offer);
  world_run_until(&pair.world, alice_asked, &pair);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY);
  assert_int_equal(known(&pair.alice, &pair.bob)->state, PEER_FAILED);
  assert_non_null(strstr(known(&pair.alice, &pair.bob)->failure.message, "other.test.internal"));
  /* In another network it may work. */
  peers_hurry(pair.alice.peers);
  unsigned asked = pair.alice.asked;
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(pair.alice.asked, asked + 1);
  assert_string_equal(pair.alice.failed_relay, "");
  pair_close_with_relay(&pair, &station);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_pair_without_a_direct_path_meets_at_the_relay),
      cmocka_unit_test(a_pair_that_is_up_at_once_leaves_the_relay_alone),
      cmocka_unit_test(an_address_that_swallows_packets_does_not_keep_a_pair_apart),
      cmocka_unit_test(the_server_sends_to_the_clients_addresses_at_once),
      cmocka_unit_test(who_meets_at_the_relay_sends_to_no_address_before_the_upgrade),
      cmocka_unit_test(a_direct_path_that_dies_is_replaced_by_the_relay),
      cmocka_unit_test(a_relay_that_dies_is_replaced_by_another),
      cmocka_unit_test(another_relay_is_asked_for_when_the_first_does_not_work),
      cmocka_unit_test(without_another_relay_the_reason_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

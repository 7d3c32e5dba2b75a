#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fixture.h"
#include "node/message.h"
#include "node/peers.h"
#include "relay_station.h"

#define DOMAIN "test.internal"

enum { PROTOCOL_ICMP = 1, ALICE_ROUTE = 0x0a11ce01, BOB_ROUTE = 0x0b0b0b02 };

/* One node of two on the loopback. */
struct side {
  struct quic_endpoint *endpoint;
  struct peers *peers;
  const struct member *member;
  /* NMS's part is the test's: a question waits here for its answer. */
  control_reply_callback answer;
  void *asker;
  unsigned asked;
  bool nms_away;
  char failed_relay[64];          /* the last question's first */
  unsigned delivered, complaints; /* packets of the peer, ICMP of our own */
  /* What somebody who waits was told. */
  unsigned told;
  int told_code;
  char told_fqdn[FQDN_SIZE], told_message[512];
};

struct pair {
  struct world world;
  struct side alice, bob;
};

/* --- what the peers ask of their owner --- */

static int ask(const control_message *message, control_reply_callback callback, void *asker,
               struct error *error, void *context) {
  struct side *side = context;
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY_DIRECTION_REQUEST);
  side->asked++;
  const Cyphonic__DirectionRequest *request = message->direction_request;
  snprintf(side->failed_relay, sizeof side->failed_relay, "%s",
           request->n_failed_relays > 0 ? request->failed_relays[0] : "");
  if (side->nms_away)
    return error_set(error, ERROR_UNREACHABLE, "NMS is away");
  assert_null(side->answer);
  side->answer = callback;
  side->asker = asker;
  return 0;
}

static bool behind_nat(UNUSED int family, UNUSED void *context) {
  return false;
}

static void own(UNUSED struct path_own *addresses, UNUSED void *context) {
}

static void deliver(struct span packet, void *context) {
  struct side *side = context;
  struct ip_packet parsed;
  assert_int_equal(ip_packet_parse(packet, &parsed), 0);
  if (parsed.protocol == PROTOCOL_ICMP)
    side->complaints++;
  else
    side->delivered++;
}

static void tell(int code, struct peer *peer, const struct error *error, void *context) {
  struct side *side = context;
  side->told++;
  side->told_code = code;
  snprintf(side->told_fqdn, sizeof side->told_fqdn, "%s", code ? "" : peer->entry.fqdn);
  snprintf(side->told_message, sizeof side->told_message, "%s", code ? error->message : "");
}

/* --- the scene --- */

static void side_open(struct pair *pair, struct side *side, const struct member *member,
                      uint64_t tunnel_idle) {
  side->endpoint = world_endpoint(&pair->world, 0, 0);
  side->member = member;
  struct peers_config config = {
      .loop = &pair->world.loop,
      .log = &pair->world.log,
      .endpoint = side->endpoint,
      .credentials = member->credentials,
      .trust = pair->world.trust,
      .fqdn = member->identity.name,
      .domain = DOMAIN,
      .ipv4 = member->identity.ipv4,
      .ipv6 = member->identity.ipv6,
      .tunnel_idle = tunnel_idle,
      .ask = ask,
      .behind_nat = behind_nat,
      .own = own,
      .deliver = deliver,
      .context = side,
  };
  struct error error = {0};
  if (peers_new(&config, &side->peers, &error))
    fail_msg("%s", error.message);
}

/* As session_close does: questions under way end. */
static void side_close(struct pair *pair, struct side *side) {
  control_reply_callback answer = side->answer;
  side->answer = NULL;
  struct error error = {0};
  error_set(&error, ERROR_CLOSED, "the node goes down");
  if (answer)
    answer(NULL, ERROR_CLOSED, NULL, &error, side->asker);
  peers_close(side->peers);
  side->peers = NULL;
  world_endpoint_close(&pair->world, side->endpoint);
}

static void pair_open_idling(struct pair *pair, uint64_t tunnel_idle) {
  *pair = (struct pair){0};
  world_init(&pair->world);
  side_open(pair, &pair->alice, &pair->world.alice, tunnel_idle);
  side_open(pair, &pair->bob, &pair->world.bob, tunnel_idle);
}

static void pair_open(struct pair *pair) {
  pair_open_idling(pair, 300 * NANOSECONDS_PER_SECOND);
}

static void pair_close(struct pair *pair) {
  side_close(pair, &pair->alice);
  side_close(pair, &pair->bob);
  world_clear(&pair->world);
}

/* NMS pushes a Route Direction to `side` about `other`. */
static int direct(struct side *side, const struct side *other, uint64_t id, bool client,
                  const uint8_t *key, struct error *error) {
  struct pki_identity about = other->member->identity;
  struct ip_address loopback_ip = {.family = 4, .bytes = {127, 0, 0, 1}};
  Cyphonic__Endpoint endpoint = CYPHONIC__ENDPOINT__INIT;
  endpoint.ip = message_bytes(&loopback_ip);
  endpoint.port = quic_endpoint_port(other->endpoint, 4);
  Cyphonic__Endpoint *candidates[] = {&endpoint};
  Cyphonic__RouteDirection direction = CYPHONIC__ROUTE_DIRECTION__INIT;
  direction.direction_id = id;
  direction.pattern = 1;
  direction.role =
      client ? CYPHONIC__ROUTE_DIRECTION__ROLE__CLIENT : CYPHONIC__ROUTE_DIRECTION__ROLE__SERVER;
  direction.fqdn = about.name;
  direction.public_key = message_data(key ? key : about.public_key, PKI_HASH_SIZE);
  direction.ipv4 = message_bytes(&about.ipv4);
  direction.ipv6 = message_bytes(&about.ipv6);
  direction.candidates = candidates;
  direction.n_candidates = client ? 1 : 0;
  return peers_direct(side->peers, &direction, error);
}

static void must_direct(struct side *side, const struct side *other, uint64_t id, bool client) {
  struct error error = {0};
  if (direct(side, other, id, client, NULL, &error))
    fail_msg("%s", error.message);
}

/* NMS answers the question of `side` with what it says of `about`. */
static void respond(struct side *side, const struct member *about,
                    Cyphonic__DirectionResponse__Status status) {
  struct pki_identity identity = about->identity;
  char text[] = "says NMS";
  Cyphonic__DirectionResponse response = CYPHONIC__DIRECTION_RESPONSE__INIT;
  response.status = status;
  response.fqdn = identity.name;
  response.ipv4 = message_bytes(&identity.ipv4);
  response.ipv6 = message_bytes(&identity.ipv6);
  response.message = text;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_DIRECTION_RESPONSE;
  reply.direction_response = &response;
  struct error none = {0};
  control_reply_callback answer = side->answer;
  assert_non_null(answer);
  side->answer = NULL;
  answer(NULL, 0, &reply, &none, side->asker);
}

static void refuse(struct side *side, Cyphonic__Error__Code code) {
  char text[] = "no such name";
  Cyphonic__Error body = CYPHONIC__ERROR__INIT;
  body.code = code;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_ERROR;
  reply.error = &body;
  struct error error = {0};
  error_set(&error, (enum error_code)control_error_code(code), "%s", text);
  control_reply_callback answer = side->answer;
  assert_non_null(answer);
  side->answer = NULL;
  answer(NULL, error.code, &reply, &error, side->asker);
}

static void send_packet(struct side *side, const struct side *to) {
  uint8_t packet[40] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 17};
  memcpy(packet + 12, side->member->identity.ipv4.bytes, 4);
  memcpy(packet + 16, to->member->identity.ipv4.bytes, 4);
  peers_send(side->peers, &to->member->identity.ipv4,
             (struct span){.data = packet, .size = sizeof packet});
}

static const struct peer *known(struct side *side, const struct side *other) {
  return peers_known(side->peers, other->member->identity.name, NULL);
}

static bool is_up(struct side *side, const struct side *other) {
  const struct peer *peer = known(side, other);
  return peer && peer->state == PEER_UP;
}

static bool both_up(void *context) {
  struct pair *pair = context;
  return is_up(&pair->alice, &pair->bob) && is_up(&pair->bob, &pair->alice) &&
         link_is_confirmed(known(&pair->alice, &pair->bob)->link) &&
         link_is_confirmed(known(&pair->bob, &pair->alice)->link);
}

static bool bob_has_packet(void *context) {
  return ((struct pair *)context)->bob.delivered > 0;
}

static bool alice_has_packet(void *context) {
  return ((struct pair *)context)->alice.delivered > 0;
}

static bool alice_was_told(void *context) {
  return ((struct pair *)context)->alice.told > 0;
}

static bool alice_failed(void *context) {
  struct pair *pair = context;
  return known(&pair->alice, &pair->bob)->state == PEER_FAILED;
}

/* --- with a relay --- */

/* What NMS says of a pair that has a relay. */
struct terms {
  uint64_t id;
  uint32_t pattern;
  uint16_t port; /* of Bob, as Alice is told; 0: none */
};

static void direct_one(struct pair *pair, struct side *side, const struct side *other,
                       struct station_offer *offer, const struct terms *terms) {
  struct pki_identity about = other->member->identity;
  bool client = side == &pair->alice;
  struct ip_address loopback_ip = {.family = 4, .bytes = {127, 0, 0, 1}};
  Cyphonic__Endpoint endpoint = CYPHONIC__ENDPOINT__INIT, *candidates[] = {&endpoint};
  endpoint.ip = message_bytes(&loopback_ip);
  endpoint.port = terms->port;
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
  direction.n_candidates = client && terms->port != 0 ? 1 : 0;
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

static void a_packet_asks_for_a_path_and_arrives_over_it(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  send_packet(&pair.alice, &pair.bob);
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(pair.alice.asked, 1);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  must_direct(&pair.bob, &pair.alice, 1, false);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, bob_has_packet, &pair);
  send_packet(&pair.bob, &pair.alice);
  world_run_until(&pair.world, alice_has_packet, &pair);
  assert_int_equal(pair.bob.asked, 0);
  assert_true(link_is_client(known(&pair.alice, &pair.bob)->link));
  assert_false(link_is_client(known(&pair.bob, &pair.alice)->link));
  pair_close(&pair);
}

static void the_push_may_come_before_the_answer(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  send_packet(&pair.alice, &pair.bob); /* known by address only */
  must_direct(&pair.bob, &pair.alice, 1, false);
  must_direct(&pair.alice, &pair.bob, 1, true);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  world_run_until(&pair.world, bob_has_packet, &pair);
  pair_close(&pair);
}

static void the_peer_may_connect_before_its_direction_is_known(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  must_direct(&pair.alice, &pair.bob, 1, true);
  struct side *bob = &pair.bob;
  /* Alice's side is up as soon as the handshake is complete; Bob's waits for NMS. */
  while (!is_up(&pair.alice, bob))
    uv_run(&pair.world.loop, UV_RUN_ONCE);
  for (int i = 0; i < 10; i++)
    uv_run(&pair.world.loop, UV_RUN_NOWAIT);
  assert_null(known(bob, &pair.alice));
  assert_false(link_is_confirmed(known(&pair.alice, bob)->link));
  must_direct(bob, &pair.alice, 1, false);
  world_run_until(&pair.world, both_up, &pair);
  pair_close(&pair);
}

static void without_a_direction_the_tunnel_is_refused(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, alice_failed, &pair);
  assert_non_null(strstr(known(&pair.alice, &pair.bob)->failure.message, "Route Direction"));
  assert_null(known(&pair.bob, &pair.alice));
  pair_close(&pair);
}

static void a_key_other_than_directed_is_not_connected_to(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  uint8_t key[PKI_HASH_SIZE] = {1, 2, 3};
  struct error error = {0};
  must_direct(&pair.bob, &pair.alice, 1, false);
  assert_int_equal(direct(&pair.alice, &pair.bob, 1, true, key, &error), 0);
  world_run_until(&pair.world, alice_failed, &pair);
  assert_non_null(strstr(known(&pair.alice, &pair.bob)->failure.message, "certificate"));
  assert_int_equal(known(&pair.alice, &pair.bob)->failure.code, ERROR_CERTIFICATE);
  pair_close(&pair);
}

static void a_key_other_than_directed_is_not_let_in(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  uint8_t key[PKI_HASH_SIZE] = {1, 2, 3};
  struct error error = {0};
  assert_int_equal(direct(&pair.bob, &pair.alice, 1, false, key, &error), 0);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, alice_failed, &pair);
  assert_false(is_up(&pair.bob, &pair.alice));
  pair_close(&pair);
}

static bool later_is_used(void *context) {
  struct pair *pair = context;
  return both_up(pair) && link_direction(known(&pair->alice, &pair->bob)->link) == 8 &&
         link_direction(known(&pair->bob, &pair->alice)->link) == 8;
}

static void of_two_connections_the_later_direction_stays_on_both_sides(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  /* Both asked at once, and NMS gave each the client's part once. */
  must_direct(&pair.bob, &pair.alice, 7, false);
  must_direct(&pair.alice, &pair.bob, 7, true);
  world_run_until(&pair.world, both_up, &pair);
  must_direct(&pair.alice, &pair.bob, 8, false);
  must_direct(&pair.bob, &pair.alice, 8, true);
  world_run_until(&pair.world, later_is_used, &pair);
  assert_false(link_is_client(known(&pair.alice, &pair.bob)->link));
  send_packet(&pair.alice, &pair.bob);
  world_run_until(&pair.world, bob_has_packet, &pair);
  pair_close(&pair);
}

static void an_older_direction_changes_nothing(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  must_direct(&pair.bob, &pair.alice, 8, false);
  must_direct(&pair.alice, &pair.bob, 8, true);
  world_run_until(&pair.world, both_up, &pair);
  must_direct(&pair.alice, &pair.bob, 7, true);
  assert_false(known(&pair.alice, &pair.bob)->attempt.under_way);
  assert_int_equal(known(&pair.alice, &pair.bob)->direction.id, 8);
  pair_close(&pair);
}

static void who_waits_for_a_name_hears_it_even_if_there_is_no_path(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  assert_int_equal(pair.alice.told, 0);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY);
  assert_int_equal(pair.alice.told, 1);
  assert_string_equal(pair.alice.told_fqdn, "bob." DOMAIN);
  const struct peer *bob = known(&pair.alice, &pair.bob);
  assert_int_equal(bob->state, PEER_FAILED);
  assert_int_equal(bob->failure.code, ERROR_RELAY);
  assert_non_null(strstr(bob->failure.message, "needs a relay"));
  /* A packet is answered at once while the failure is fresh. */
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(pair.alice.complaints, 1);
  assert_int_equal(pair.alice.asked, 1);
  pair_close(&pair);
}

static void two_questions_for_one_name_ask_once(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  assert_int_equal(pair.alice.asked, 1);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_int_equal(pair.alice.told, 2);
  pair_close(&pair);
}

static void who_waits_for_a_tunnel_hears_why_there_is_none(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_UP, tell, &pair.alice);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__PEER_OFFLINE);
  assert_int_equal(pair.alice.told_code, ERROR_UNREACHABLE);
  assert_non_null(strstr(pair.alice.told_message, "offline"));
  pair_close(&pair);
}

static void a_name_that_does_not_exist_is_not_found(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "nobody." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  refuse(&pair.alice, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  assert_int_equal(pair.alice.told_code, ERROR_NOT_FOUND);
  peers_find(pair.alice.peers, "nobody." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  assert_int_equal(pair.alice.told, 2); /* remembered for a moment */
  assert_int_equal(pair.alice.asked, 1);
  pair_close(&pair);
}

static void nms_cannot_answer_with_another_name(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "charlie." DOMAIN, NULL, PEER_WAIT_NAME, tell, &pair.alice);
  respond(&pair.alice, &pair.world.bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_int_equal(pair.alice.told_code, ERROR_PROTOCOL);
  pair_close(&pair);
}

static void nms_cannot_give_a_proven_address_to_another(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  must_direct(&pair.bob, &pair.alice, 1, false);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, both_up, &pair);
  struct member impostor = pair.world.bob; /* Bob's addresses, and another name */
  snprintf(impostor.identity.name, sizeof impostor.identity.name, "eve." DOMAIN);
  struct side eve = pair.bob;
  eve.member = &impostor;
  struct error error = {0};
  assert_int_equal(direct(&pair.alice, &eve, 2, true, NULL, &error), ERROR_PROTOCOL);
  assert_true(is_up(&pair.alice, &pair.bob));
  pair_close(&pair);
}

static void a_direction_to_ourselves_is_refused(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  struct error error = {0};
  assert_int_equal(direct(&pair.alice, &pair.alice, 1, true, NULL, &error), ERROR_PROTOCOL);
  pair_close(&pair);
}

static void without_nms_packets_are_answered_as_unreachable(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  pair.alice.nms_away = true;
  send_packet(&pair.alice, &pair.bob);
  assert_int_equal(pair.alice.complaints, 1);
  pair_close(&pair);
}

static bool both_idle(void *context) {
  struct pair *pair = context;
  return known(&pair->alice, &pair->bob)->state == PEER_IDLE &&
         known(&pair->bob, &pair->alice)->state == PEER_IDLE;
}

static void a_tunnel_without_packets_closes_and_comes_back_on_demand(void **state) {
  (void)state;
  struct pair pair;
  pair_open_idling(&pair, 50 * NANOSECONDS_PER_MILLISECOND);
  must_direct(&pair.bob, &pair.alice, 1, false);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, both_up, &pair);
  world_run_until(&pair.world, both_idle, &pair);
  send_packet(&pair.bob, &pair.alice);
  assert_int_equal(pair.bob.asked, 1);
  respond(&pair.bob, &pair.world.alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  must_direct(&pair.alice, &pair.bob, 2, true);
  must_direct(&pair.bob, &pair.alice, 2, false);
  world_run_until(&pair.world, alice_has_packet, &pair);
  pair_close(&pair);
}

static void echoed(UNUSED struct control *control, int code, const control_message *reply,
                   UNUSED const struct error *error, void *context) {
  struct side *side = context;
  side->told++;
  side->told_code = code;
  if (!code)
    assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_PING_RESPONSE);
}

static void a_ping_is_answered_over_the_tunnel(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  must_direct(&pair.bob, &pair.alice, 1, false);
  must_direct(&pair.alice, &pair.bob, 1, true);
  world_run_until(&pair.world, both_up, &pair);
  struct error error = {0};
  assert_int_equal(link_ping(known(&pair.alice, &pair.bob)->link, echoed, &pair.alice, &error), 0);
  world_run_until(&pair.world, alice_was_told, &pair);
  assert_int_equal(pair.alice.told_code, 0);
  pair_close(&pair);
}

static void going_down_tells_who_waits(void **state) {
  (void)state;
  struct pair pair;
  pair_open(&pair);
  peers_find(pair.alice.peers, "bob." DOMAIN, NULL, PEER_WAIT_UP, tell, &pair.alice);
  must_direct(&pair.alice, &pair.bob, 1, true); /* an attempt is under way */
  side_close(&pair, &pair.alice);
  assert_int_equal(pair.alice.told, 1);
  assert_int_equal(pair.alice.told_code, ERROR_CLOSED);
  side_close(&pair, &pair.bob);
  world_clear(&pair.world);
}

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
  pair_close_with_relay(&pair, &station);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_packet_asks_for_a_path_and_arrives_over_it),
      cmocka_unit_test(the_push_may_come_before_the_answer),
      cmocka_unit_test(the_peer_may_connect_before_its_direction_is_known),
      cmocka_unit_test(without_a_direction_the_tunnel_is_refused),
      cmocka_unit_test(a_key_other_than_directed_is_not_connected_to),
      cmocka_unit_test(a_key_other_than_directed_is_not_let_in),
      cmocka_unit_test(of_two_connections_the_later_direction_stays_on_both_sides),
      cmocka_unit_test(an_older_direction_changes_nothing),
      cmocka_unit_test(who_waits_for_a_name_hears_it_even_if_there_is_no_path),
      cmocka_unit_test(two_questions_for_one_name_ask_once),
      cmocka_unit_test(who_waits_for_a_tunnel_hears_why_there_is_none),
      cmocka_unit_test(a_name_that_does_not_exist_is_not_found),
      cmocka_unit_test(nms_cannot_answer_with_another_name),
      cmocka_unit_test(nms_cannot_give_a_proven_address_to_another),
      cmocka_unit_test(a_direction_to_ourselves_is_refused),
      cmocka_unit_test(without_nms_packets_are_answered_as_unreachable),
      cmocka_unit_test(a_tunnel_without_packets_closes_and_comes_back_on_demand),
      cmocka_unit_test(a_ping_is_answered_over_the_tunnel),
      cmocka_unit_test(going_down_tells_who_waits),
      cmocka_unit_test(a_pair_without_a_direct_path_meets_at_the_relay),
      cmocka_unit_test(a_pair_that_is_up_at_once_leaves_the_relay_alone),
      cmocka_unit_test(an_address_that_swallows_packets_does_not_keep_a_pair_apart),
      cmocka_unit_test(a_direct_path_that_dies_is_replaced_by_the_relay),
      cmocka_unit_test(another_relay_is_asked_for_when_the_first_does_not_work),
      cmocka_unit_test(without_another_relay_the_reason_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

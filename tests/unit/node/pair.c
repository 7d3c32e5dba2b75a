#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/message.h"

enum { PROTOCOL_ICMP = 1 };

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

static uint64_t keep_alive(UNUSED int family, void *context) {
  const struct side *side = context;
  return side->keep_alive;
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

void tell(int code, struct peer *peer, const struct error *error, void *context) {
  struct side *side = context;
  side->told++;
  side->told_code = code;
  snprintf(side->told_fqdn, sizeof side->told_fqdn, "%s", code ? "" : peer->entry.fqdn);
  snprintf(side->told_message, sizeof side->told_message, "%s", code ? error->message : "");
}

void echoed(int code, uint64_t round_trip, UNUSED const struct error *error, void *context) {
  struct side *side = context;
  side->told++;
  side->told_code = code;
  if (!code)
    assert_true(round_trip > 0);
}

/* --- the scene --- */

static void open_endpoints(struct pair *pair, struct side *side, unsigned threads) {
  struct quic_endpoint_config config = world_endpoint_config(&pair->world, 0);
  struct error error = {0};
  if (threads == 0) {
    side->endpoint = world_endpoint_new(&config);
    return;
  }
  if (lanes_new(threads, &config, &side->lanes, &error))
    fail_msg("%s", error.message);
  side->endpoint = lanes_main_endpoint(side->lanes);
}

static void side_open(struct pair *pair, struct side *side, const struct member *member,
                      uint64_t tunnel_idle, unsigned threads) {
  open_endpoints(pair, side, threads);
  side->member = member;
  struct peers_config config = {
      .loop = &pair->world.loop,
      .log = &pair->world.log,
      .endpoint = side->endpoint,
      .lanes = side->lanes,
      .credentials = member->credentials,
      .trust = pair->world.trust,
      .fqdn = member->identity.name,
      .domain = DOMAIN,
      .ipv4 = member->identity.ipv4,
      .ipv6 = member->identity.ipv6,
      .tunnel_idle = tunnel_idle,
      .ask = ask,
      .keep_alive = keep_alive,
      .own = own,
      .deliver = deliver,
      .context = side,
  };
  struct error error = {0};
  if (peers_new(&config, &side->peers, &error))
    fail_msg("%s", error.message);
}

/* As session_close does: questions under way end. */
void side_close(struct pair *pair, struct side *side) {
  control_reply_callback answer = side->answer;
  side->answer = NULL;
  struct error error = {0};
  error_set(&error, ERROR_CLOSED, "the node goes down");
  if (answer)
    answer(NULL, ERROR_CLOSED, NULL, &error, side->asker);
  peers_close(side->peers);
  side->peers = NULL;
  lanes_close(side->lanes);
  side->lanes = NULL;
  world_endpoint_close(&pair->world, side->endpoint);
}

static void open_both(struct pair *pair, uint64_t tunnel_idle, unsigned threads) {
  *pair = (struct pair){0};
  world_init(&pair->world);
  side_open(pair, &pair->alice, &pair->world.alice, tunnel_idle, threads);
  side_open(pair, &pair->bob, &pair->world.bob, tunnel_idle, threads);
}

void pair_open_idling(struct pair *pair, uint64_t tunnel_idle) {
  open_both(pair, tunnel_idle, 0);
}

void pair_open(struct pair *pair) {
  open_both(pair, 300 * NANOSECONDS_PER_SECOND, 0);
}

void pair_open_threaded(struct pair *pair, unsigned threads) {
  open_both(pair, 300 * NANOSECONDS_PER_SECOND, threads);
}

void pair_close(struct pair *pair) {
  side_close(pair, &pair->alice);
  side_close(pair, &pair->bob);
  world_clear(&pair->world);
}

/* NMS pushes a Route Direction to `side` about `other`. */
int direct(struct side *side, const struct side *other, uint64_t id, bool client,
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

void must_direct(struct side *side, const struct side *other, uint64_t id, bool client) {
  struct error error = {0};
  if (direct(side, other, id, client, NULL, &error))
    fail_msg("%s", error.message);
}

/* NMS answers the question of `side` with what it says of `about`. */
void respond(struct side *side, const struct member *about,
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

void refuse(struct side *side, Cyphonic__Error__Code code) {
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

void send_packet(struct side *side, const struct side *to) {
  uint8_t packet[40] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 17};
  memcpy(packet + 12, side->member->identity.ipv4.bytes, 4);
  memcpy(packet + 16, to->member->identity.ipv4.bytes, 4);
  peers_send(side->peers, &to->member->identity.ipv4,
             (struct span){.data = packet, .size = sizeof packet});
}

const struct peer *known(struct side *side, const struct side *other) {
  return peers_known(side->peers, other->member->identity.name, NULL);
}

bool is_up(struct side *side, const struct side *other) {
  const struct peer *peer = known(side, other);
  return peer && peer->state == PEER_UP;
}

bool both_up(void *context) {
  struct pair *pair = context;
  return is_up(&pair->alice, &pair->bob) && is_up(&pair->bob, &pair->alice) &&
         link_is_confirmed(known(&pair->alice, &pair->bob)->link) &&
         link_is_confirmed(known(&pair->bob, &pair->alice)->link);
}

bool bob_has_packet(void *context) {
  return ((struct pair *)context)->bob.delivered > 0;
}

bool alice_has_packet(void *context) {
  return ((struct pair *)context)->alice.delivered > 0;
}

bool alice_was_told(void *context) {
  return ((struct pair *)context)->alice.told > 0;
}

bool alice_failed(void *context) {
  struct pair *pair = context;
  return known(&pair->alice, &pair->bob)->state == PEER_FAILED;
}

void tunnel_by(struct pair *pair, uint64_t direction) {
  must_direct(&pair->bob, &pair->alice, direction, false);
  must_direct(&pair->alice, &pair->bob, direction, true);
  world_run_until(&pair->world, both_up, pair);
}

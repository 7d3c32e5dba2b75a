#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nms/grant.h"
#include "nms/message.h"
#include "nms/relay_choice.h"
#include "nms/relay_message.h"
#include "nms/service.h"

enum { CONFIRMATION_MILLISECONDS = 5000 };

/* From the clock, so that a restart does not go back, and ever growing, whatever the clock does. */
static uint64_t next_direction_id(struct nms_service *nms) {
  uint64_t id;
  if (nms->config.wall != NULL) {
    id = (uint64_t)nms->config.wall() * 1000000;
  } else {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    id = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
  }
  if (id <= nms->last_direction_id) {
    id = nms->last_direction_id + 1;
  }
  nms->last_direction_id = id;
  return id;
}

static void reply_direction(struct nms_request *request, struct store_device *peer,
                            Cyphonic__DirectionResponse__Status status, uint64_t direction_id,
                            char *text) {
  Cyphonic__DirectionResponse response = CYPHONIC__DIRECTION_RESPONSE__INIT;
  response.status = status;
  response.fqdn = peer->fqdn;
  response.ipv4 = nms_message_ip(&peer->ipv4);
  response.ipv6 = nms_message_ip(&peer->ipv6);
  response.direction_id = direction_id;
  response.message = text;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_DIRECTION_RESPONSE;
  message.direction_response = &response;
  control_reply(request->exchange, &message);
}

/* A direction that a node has been told, until it confirms it. */
struct confirmation {
  struct nms_service *nms;
  int64_t receiver_id, peer_id;
  uint64_t direction_id;
  char receiver[PKI_NAME_SIZE];
  bool repeated;
  size_t size;
  uint8_t message[]; /* packed */
};

static void confirmed(struct control *control, int code, const control_message *reply,
                      const struct error *error, void *context);

/* A node that was killed and came back has registered over a new connection, while the direction
 * was on its way over the old one. Once: a node that reads none is not worth more. */
static bool repeat(struct confirmation *confirmation, const struct control *gone) {
  const struct directory_entry *receiver =
      directory_by_fqdn(confirmation->nms->directory, confirmation->receiver);
  if (confirmation->repeated || receiver == NULL || receiver->control == NULL ||
      receiver->control == gone) {
    return false;
  }
  Cyphonic__Message *message =
      cyphonic__message__unpack(NULL, confirmation->size, confirmation->message);
  struct error error = {0};
  confirmation->repeated = true;
  int code = message == NULL
                 ? ERROR_NO_MEMORY
                 : control_request_in_turn(receiver->control, message, CONFIRMATION_MILLISECONDS,
                                           confirmed, confirmation, &error);
  cyphonic__message__free_unpacked(message, NULL);
  return code == 0;
}

/* Beyond ending the time in which a direction is under way nothing hangs on it: a node that did not
 * get the direction asks again. */
static void confirmed(struct control *control, int code, const control_message *reply UNUSED,
                      const struct error *error, void *context) {
  struct confirmation *confirmation = context;
  struct nms_service *nms = confirmation->nms;
  if (code == 0) {
    uint64_t now = uv_now(quic_connection_loop(control_connection(control)));
    struct pair *pair =
        pair_table_find(nms->pairs, confirmation->receiver_id, confirmation->peer_id, now);
    if (pair != NULL && pair->direction_id == confirmation->direction_id) {
      bool *flag = pair->initiator_id == confirmation->receiver_id ? &pair->initiator_confirmed
                                                                   : &pair->responder_confirmed;
      *flag = true;
    }
  } else if (code == ERROR_CLOSED && repeat(confirmation, control)) {
    log_debug(nms->config.log, "direction-repeated", "device=%s", confirmation->receiver);
    return;
  } else {
    log_debug(nms->config.log, "direction-unconfirmed", "cause=\"%s\"", error->message);
  }
  free(confirmation);
}

static int send_route(struct nms_service *nms, const struct pair *pair,
                      const struct directory_entry *receiver, const struct directory_entry *peer,
                      const Cyphonic__Message *message, struct error *error) {
  size_t size = cyphonic__message__get_packed_size(message);
  struct confirmation *confirmation = malloc(sizeof(*confirmation) + size);
  if (confirmation == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a direction");
  }
  *confirmation = (struct confirmation){.nms = nms,
                                        .receiver_id = receiver->device_id,
                                        .peer_id = peer->device_id,
                                        .direction_id = pair->direction_id,
                                        .size = size};
  snprintf(confirmation->receiver, sizeof(confirmation->receiver), "%s", receiver->fqdn);
  cyphonic__message__pack(message, confirmation->message);
  int code = control_request_in_turn(receiver->control, message, CONFIRMATION_MILLISECONDS,
                                     confirmed, confirmation, error);
  if (code != 0) {
    free(confirmation);
  }
  return code;
}

/* What both nodes are told of their TRS: the same, byte for byte. */
struct offer {
  const struct relay *relay; /* NULL: there is none */
  uint8_t *grant;            /* the caller frees it */
  size_t grant_size;
};

static int make_offer(struct nms_service *nms, const struct relay *relay,
                      const struct directory_entry *initiator,
                      const struct directory_entry *responder, struct offer *offer,
                      struct error *error) {
  *offer = (struct offer){.relay = relay};
  if (relay == NULL) {
    return 0;
  }
  const struct grant grant = {
      .relay = relay->name,
      .first = {.fqdn = initiator->fqdn, .route_id = initiator->route_id},
      .second = {.fqdn = responder->fqdn, .route_id = responder->route_id},
      .expires = nms_wall(nms) + GRANT_SECONDS,
  };
  return grant_build(&grant, nms->config.credentials, &offer->grant, &offer->grant_size, error);
}

/* Tells `receiver` how to reach `peer`. */
static int push(struct nms_service *nms, const struct pair *pair, const struct offer *offer,
                const struct directory_entry *receiver, const struct directory_entry *peer,
                struct error *error) {
  bool initiator = receiver->device_id == pair->initiator_id;
  const struct direction *direction = &pair->direction;
  const struct direction_candidates *candidates =
      initiator ? &direction->responder : &direction->initiator;
  Cyphonic__Endpoint endpoint[DIRECTION_CANDIDATES_MAX], *endpoints[DIRECTION_CANDIDATES_MAX];
  for (size_t i = 0; i < candidates->count; i++) {
    endpoint[i] = nms_message_endpoint(&candidates->address[i]);
    endpoints[i] = &endpoint[i];
  }
  Cyphonic__RouteDirection route = CYPHONIC__ROUTE_DIRECTION__INIT;
  route.direction_id = pair->direction_id;
  route.pattern = (uint32_t)direction->rule.pattern;
  route.role = initiator == direction_initiator_is_client(&direction->rule)
                   ? CYPHONIC__ROUTE_DIRECTION__ROLE__CLIENT
                   : CYPHONIC__ROUTE_DIRECTION__ROLE__SERVER;
  route.initiator = initiator;
  route.fqdn = nms_message_text(peer->fqdn);
  route.public_key = nms_message_data(peer->public_key, sizeof(peer->public_key));
  route.ipv4 = nms_message_ip(&peer->ipv4);
  route.ipv6 = nms_message_ip(&peer->ipv6);
  route.n_candidates = candidates->count;
  route.candidates = endpoints;
  route.route_id = peer->route_id;
  struct relay_message relay;
  Cyphonic__RelayOffer relay_offer = CYPHONIC__RELAY_OFFER__INIT;
  if (offer->relay != NULL) {
    relay_message_init(&relay, offer->relay);
    relay_offer.name = relay.name;
    relay_offer.n_addresses = relay.address_count;
    relay_offer.addresses = relay.addresses;
    relay_offer.grant = nms_message_data(offer->grant, offer->grant_size);
    route.relay = &relay_offer;
  }
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_ROUTE_DIRECTION;
  message.route_direction = &route;
  return send_route(nms, pair, receiver, peer, &message, error);
}

/* To both at once; the peer first, whose way to go is the longer one. The pair is kept only when
 * both have been told, so that who asks after a failure gets another try. */
static void push_both(struct nms_request *request, const struct pair *pair,
                      const struct offer *offer, const struct directory_entry *own,
                      const struct directory_entry *other, struct store_device *peer) {
  struct nms_service *nms = request->nms;
  struct error error = {0};
  if (push(nms, pair, offer, other, own, &error) != 0) {
    log_warning(nms->config.log, "direction-not-pushed", "to=peer cause=\"%s\"", error.message);
    reply_direction(request, peer, CYPHONIC__DIRECTION_RESPONSE__STATUS__PEER_OFFLINE, 0,
                    (char[]){"the peer cannot be told just now; try again"});
    return;
  }
  if (push(nms, pair, offer, own, other, &error) != 0) {
    nms_refuse_fault(nms, request->exchange, &error);
    return;
  }
  pair_table_put(nms->pairs, pair, nms_now(request->client));
  reply_direction(request, peer, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED, pair->direction_id,
                  (char[]){""});
}

/* The direction that was made a moment ago and that the asker did not have when it asked: the two
 * asked at once. Who has confirmed it and asks anew has failed with it, and needs another; so does
 * who has moved since, or whose peer has. */
static const struct pair *under_way(struct nms_request *request, const struct directory_entry *own,
                                    const struct directory_entry *other) {
  const struct pair *pair = pair_table_find(request->nms->pairs, own->device_id, other->device_id,
                                            nms_now(request->client));
  if (pair == NULL) {
    return NULL;
  }
  bool initiator = pair->initiator_id == own->device_id;
  bool holds = pair->initiator_revision == (initiator ? own : other)->revision &&
               pair->responder_revision == (initiator ? other : own)->revision;
  bool has_it = initiator ? pair->initiator_confirmed : pair->responder_confirmed;
  return holds && !has_it ? pair : NULL;
}

/* More names than there can be TRSs cannot all be of any; comparing them would cost too much. */
static size_t failed_count(const Cyphonic__DirectionRequest *message) {
  return message->n_failed_relays < RELAYS_MAX ? message->n_failed_relays : RELAYS_MAX;
}

static void refuse_without_relay(struct nms_request *request, struct store_device *peer) {
  struct nms_service *nms = request->nms;
  bool has_relay = relay_registry_first(nms->relays) != NULL;
  log_info(nms->config.log, "direction-needs-relay", "pattern=3 relays=%zu",
           relay_registry_count(nms->relays));
  reply_direction(
      request, peer, CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY, 0,
      has_relay
          ? (char[]){"the two nodes cannot reach each other directly, and no relay of this network "
                     "works for them"}
          : (char[]){"the two nodes cannot reach each other directly, and this network has no "
                     "relay"});
}

static void direct(struct nms_request *request, const Cyphonic__DirectionRequest *message,
                   struct directory_entry *own, struct directory_entry *other,
                   struct store_device *peer) {
  struct nms_service *nms = request->nms;
  /* Who names a relay that failed has the direction that named it, and needs another. */
  const struct pair *known = message->n_failed_relays == 0 ? under_way(request, own, other) : NULL;
  if (known != NULL) {
    reply_direction(request, peer, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED,
                    known->direction_id, (char[]){""});
    return;
  }
  struct pair pair = {.initiator_id = own->device_id,
                      .responder_id = other->device_id,
                      .initiator_revision = own->revision,
                      .responder_revision = other->revision};
  direction_choose(&own->view, &other->view, &pair.direction);
  direction_add_upgrade(&own->view, &other->view, &pair.direction);
  const struct relay *relay =
      relay_choose(relay_registry_first(nms->relays), &own->relays, &other->relays,
                   message->failed_relays, failed_count(message));
  if (pair.direction.rule.pattern == PATTERN_RELAY && relay == NULL) {
    refuse_without_relay(request, peer);
    return;
  }
  struct offer offer;
  struct error error = {0};
  if (make_offer(nms, relay, own, other, &offer, &error) != 0) {
    if (pair.direction.rule.pattern == PATTERN_RELAY) {
      nms_refuse_fault(nms, request->exchange, &error);
      return;
    }
    /* The direct way is there without it. */
    log_warning(nms->config.log, "relay-not-granted", "cause=\"%s\"", error.message);
    offer.relay = NULL;
  }
  pair.direction_id = next_direction_id(nms);
  log_debug(nms->config.log, "direction", "initiator=%s responder=%s pattern=%d client=%s relay=%s",
            own->fqdn, other->fqdn, (int)pair.direction.rule.pattern,
            direction_initiator_is_client(&pair.direction.rule) ? "initiator" : "responder",
            offer.relay != NULL ? offer.relay->name : "none");
  push_both(request, &pair, &offer, own, other, peer);
  free(offer.grant);
}

void nms_answer_direction(struct nms_request *request, const Cyphonic__DirectionRequest *message) {
  struct nms_service *nms = request->nms;
  bool by_name = message->target_case == CYPHONIC__DIRECTION_REQUEST__TARGET_FQDN;
  if (!by_name && message->target_case != CYPHONIC__DIRECTION_REQUEST__TARGET_ADDRESS) {
    control_refuse(request->exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                   "the request names neither a name nor an address");
    return;
  }
  struct directory_entry *own = directory_by_fqdn(nms->directory, request->device.fqdn);
  if (own == NULL || own->control == NULL) {
    control_refuse(request->exchange, CYPHONIC__ERROR__CODE__NOT_REGISTERED,
                   "register before asking for a direction");
    return;
  }
  struct store_device peer;
  if (!nms_find_device(request, by_name ? message->fqdn : NULL, by_name ? NULL : &message->address,
                       &peer)) {
    return;
  }
  if (peer.id == request->device.id) {
    control_refuse(request->exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                   "a node needs no path to itself");
    return;
  }
  struct directory_entry *other = directory_by_fqdn(nms->directory, peer.fqdn);
  if (other == NULL || other->control == NULL) {
    reply_direction(request, &peer, CYPHONIC__DIRECTION_RESPONSE__STATUS__PEER_OFFLINE, 0,
                    (char[]){"the peer is known, but not here now"});
    return;
  }
  direct(request, message, own, other, &peer);
}

/* Asking NMS for the way to a peer (paper 2.2.2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/direction.h"
#include "node/message.h"
#include "node/peers_internal.h"

/* By key, not by pointer: the entry may be gone or merged when the answer comes. */
struct ask {
  struct peers *peers;
  char fqdn[FQDN_SIZE];
  struct ip_address address;
};

static void take_response(struct peers *peers, struct peer *peer,
                          const Cyphonic__DirectionResponse *response) {
  struct error error = {0};
  struct direction_peer is = {0};
  if (strlen(response->fqdn) >= sizeof is.fqdn || message_ip(&response->ipv4, 4, &is.ipv4) ||
      message_ip(&response->ipv6, 6, &is.ipv6)) {
    error_set(&error, ERROR_PROTOCOL, "NMS answered without a name or addresses");
    peer_refuse(peer, &error);
    return;
  }
  snprintf(is.fqdn, sizeof is.fqdn, "%s", response->fqdn);
  struct peer *named = peer_book_identify(peers->book, peer, &is, &error);
  if (!named) {
    peer_refuse(peer, &error);
    return;
  }
  switch (response->status) {
  case CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED:
    break;
  case CYPHONIC__DIRECTION_RESPONSE__STATUS__PEER_OFFLINE:
    error_set(&error, ERROR_UNREACHABLE, "%s is offline: %.300s", is.fqdn, response->message);
    break;
  case CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY:
    error_set(&error, ERROR_RELAY, "%s needs a relay: %.300s", is.fqdn, response->message);
    break;
  default:
    error_set(&error, ERROR_PROTOCOL, "NMS answered with an unknown status %d",
              (int)response->status);
  }
  peer_name(named);
  /* Who heard the name may have asked for more; the table says whether the peer is still there. */
  named = peer_book_find(peers->book, is.fqdn, NULL);
  if (named && error.code != ERROR_NONE)
    peer_refuse(named, &error);
}

static void asked(UNUSED struct control *control, int code, const control_message *reply,
                  const struct error *error, void *context) {
  struct ask *ask = context;
  struct peers *peers = ask->peers;
  struct peer *peer =
      peers->closed
          ? NULL
          : peer_book_find(peers->book, ask->fqdn[0] != '\0' ? ask->fqdn : NULL, &ask->address);
  free(ask);
  if (!peer)
    return;
  struct error fault = {0};
  if (code) {
    fault = *error;
    if (message_refusal(reply) == CYPHONIC__ERROR__CODE__NAME_UNKNOWN)
      fault.code = ERROR_NOT_FOUND;
    peer_refuse(peer, &fault);
  } else if (reply->body_case != CYPHONIC__MESSAGE__BODY_DIRECTION_RESPONSE) {
    error_set(&fault, ERROR_PROTOCOL, "NMS answered the DirectionRequest with another message");
    peer_refuse(peer, &fault);
  } else {
    take_response(peers, peer, reply->direction_response);
  }
}

void peers_ask(struct peer *peer, void *owner) {
  struct peers *peers = owner;
  struct error error = {0};
  struct ask *ask = calloc(1, sizeof *ask);
  if (!ask) {
    error_set(&error, ERROR_NO_MEMORY, "no memory to ask NMS");
    peer_refuse(peer, &error);
    return;
  }
  ask->peers = peers;
  memcpy(ask->fqdn, peer->entry.fqdn, sizeof ask->fqdn);
  ask->address = peer->entry.ipv4.family == 4 ? peer->entry.ipv4 : peer->entry.ipv6;
  Cyphonic__DirectionRequest request = CYPHONIC__DIRECTION_REQUEST__INIT;
  const char *failed[BINDING_FAILED_MAX];
  char *failed_relays[BINDING_FAILED_MAX];
  size_t count = binding_failed(&peer->binding, peer_now(peer), failed);
  for (size_t i = 0; i < count; i++)
    failed_relays[i] = (char *)(uintptr_t)failed[i]; /* packing only reads */
  request.n_failed_relays = count;
  request.failed_relays = failed_relays;
  if (ask->fqdn[0] != '\0') {
    request.target_case = CYPHONIC__DIRECTION_REQUEST__TARGET_FQDN;
    request.fqdn = ask->fqdn;
  } else {
    request.target_case = CYPHONIC__DIRECTION_REQUEST__TARGET_ADDRESS;
    request.address = message_bytes(&ask->address);
  }
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_DIRECTION_REQUEST;
  message.direction_request = &request;
  if (peers->config.ask(&message, asked, ask, &error, peers->config.context)) {
    free(ask);
    peer_refuse(peer, &error);
  }
}

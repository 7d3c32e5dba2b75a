#include "node/direction.h"

#include <stdio.h>
#include <string.h>

#include "node/message.h"

static int wrong(struct error *error, const char *field) {
  return error_set(error, ERROR_PROTOCOL, "the Route Direction's %s cannot be", field);
}

int direction_read(const Cyphonic__RouteDirection *message, const char *domain,
                   struct peer_direction *direction, struct direction_peer *peer,
                   struct error *error) {
  *direction = (struct peer_direction){
      .id = message->direction_id,
      .client = message->role == CYPHONIC__ROUTE_DIRECTION__ROLE__CLIENT,
      .initiator = message->initiator,
      .pattern = message->pattern,
      .route_id = message->route_id,
  };
  *peer = (struct direction_peer){0};
  /* 0 stands for "not told yet" in a link. */
  if (direction->id == 0)
    return wrong(error, "direction_id");
  if (!direction->client && message->role != CYPHONIC__ROUTE_DIRECTION__ROLE__SERVER)
    return wrong(error, "role");
  if (!fqdn_is_valid(message->fqdn, domain))
    return wrong(error, "fqdn");
  snprintf(peer->fqdn, sizeof peer->fqdn, "%s", message->fqdn);
  if (message->public_key.len != PKI_HASH_SIZE)
    return wrong(error, "public_key");
  memcpy(direction->public_key, message->public_key.data, PKI_HASH_SIZE);
  if (message_ip(&message->ipv4, 4, &peer->ipv4))
    return wrong(error, "ipv4");
  if (message_ip(&message->ipv6, 6, &peer->ipv6))
    return wrong(error, "ipv6");
  for (size_t i = 0; i < message->n_candidates && direction->count < PEER_CANDIDATES_MAX; i++) {
    if (message_endpoint(message->candidates[i], &direction->candidates[direction->count]))
      return wrong(error, "candidates");
    direction->count++;
  }
  /* Without an address and without a relay there is no way to go. */
  if (direction->client && direction->count == 0 && !message->relay)
    return wrong(error, "candidates");
  return 0;
}

/* Set-up on any route (design 4): during the handshake all addresses at which the peer may be are
 * the same path to ngtcp2. What it writes for that path goes to each of them until one answers. */
#include <stdlib.h>
#include <string.h>

#include "quic/connection_internal.h"

int race_begin(struct quic_connection *connection, const struct address *remote) {
  connection->race = calloc(1, sizeof(*connection->race));
  if (connection->race == NULL) {
    return ERROR_NO_MEMORY;
  }
  connection->race->candidates[0] = *remote;
  connection->race->candidate_count = 1;
  return 0;
}

void race_end(struct quic_connection *connection) {
  free(connection->race);
  connection->race = NULL;
}

bool race_has(const struct quic_connection *connection, const struct address *remote) {
  const struct connection_race *race = connection->race;
  for (size_t i = 0; race != NULL && i < race->candidate_count; i++) {
    if (address_equal(&race->candidates[i], remote)) {
      return true;
    }
  }
  return false;
}

static void race_say(struct quic_connection *connection, const struct address *remote,
                     const uint8_t *packet, size_t size) {
  struct transmit *transmit = &connection->endpoint->transmit;
  uint8_t *slot = transmit_slot(transmit);
  if (slot == NULL) {
    return; /* as if lost on the way: the library says it again */
  }
  const struct ip_address any = {0};
  memcpy(slot, packet, size);
  transmit_commit(transmit, remote, &any, 0, size);
}

void race_sent(struct quic_connection *connection, const uint8_t *packet, size_t size) {
  struct connection_race *race = connection->race;
  if (race == NULL || connection->answered) {
    return;
  }
  if (race->packet_count < FLIGHT_PACKETS) {
    memcpy(race->packets[race->packet_count], packet, size);
    race->sizes[race->packet_count++] = size;
  }
  /* The path's own remote, the first candidate, has it from the caller. */
  for (size_t i = 1; i < race->candidate_count; i++) {
    race_say(connection, &race->candidates[i], packet, size);
  }
}

void quic_connection_add_candidate(struct quic_connection *connection,
                                   const struct address *remote) {
  struct connection_race *race = connection->race;
  if (race == NULL || connection->answered || connection->state != CONNECTION_HANDSHAKE ||
      race_has(connection, remote) || race->candidate_count == CANDIDATES_MAX ||
      endpoint_check_route(connection->endpoint, remote, NULL) != 0) {
    return;
  }
  race->candidates[race->candidate_count++] = *remote;
  for (size_t i = 0; i < race->packet_count; i++) {
    race_say(connection, remote, race->packets[i], race->sizes[i]);
  }
}

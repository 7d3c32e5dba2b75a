#include "node/relay_offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* It goes to logs, terminals and the certificate check: only what a host name has may pass. */
bool relay_name_is_valid(const char *name) {
  size_t size = strlen(name);
  return size > 0 && size < FQDN_SIZE &&
         strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == size;
}

int relay_offer_read(const Cyphonic__RelayOffer *message, struct relay_offer **out,
                     struct error *error) {
  *out = NULL;
  if (!message)
    return 0;
  struct service_addresses addresses = {0};
  for (size_t i = 0; i < message->n_addresses; i++)
    (void)service_addresses_add(&addresses, message->addresses[i]->host,
                                message->addresses[i]->port);
  if (!relay_name_is_valid(message->name) || addresses.count == 0 || message->grant.len == 0 ||
      message->grant.len > RELAY_GRANT_MAX)
    return error_set(error, ERROR_PROTOCOL, "the Route Direction's relay cannot be");
  size_t addresses_size = addresses.count * sizeof *addresses.item;
  struct relay_offer *offer = calloc(1, sizeof *offer + addresses_size + message->grant.len);
  if (!offer)
    return error_set(error, ERROR_NO_MEMORY, "no memory for the offer of a relay");
  snprintf(offer->name, sizeof offer->name, "%s", message->name);
  offer->address_count = addresses.count;
  memcpy(offer->addresses, addresses.item, addresses_size);
  uint8_t *grant = (uint8_t *)(offer->addresses + addresses.count);
  memcpy(grant, message->grant.data, message->grant.len);
  offer->grant = grant;
  offer->grant_size = message->grant.len;
  *out = offer;
  return 0;
}

void relay_offer_addresses(const struct relay_offer *offer, struct service_addresses *addresses) {
  addresses->count = offer->address_count;
  memcpy(addresses->item, offer->addresses, offer->address_count * sizeof *offer->addresses);
}

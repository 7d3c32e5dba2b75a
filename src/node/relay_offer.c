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
  struct relay_offer *offer = calloc(1, sizeof *offer + message->grant.len);
  if (!offer)
    return error_set(error, ERROR_NO_MEMORY, "no memory for the offer of a relay");
  snprintf(offer->name, sizeof offer->name, "%s", message->name);
  offer->addresses = addresses;
  offer->grant_size = message->grant.len;
  memcpy(offer->grant, message->grant.data, message->grant.len);
  *out = offer;
  return 0;
}

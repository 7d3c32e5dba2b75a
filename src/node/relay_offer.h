/* NMS's offer of a TRS to one pair of nodes, as a Route Direction brings it, checked into plain
 * values. Pure. */
#ifndef CYPHONIC_NODE_RELAY_OFFER_H
#define CYPHONIC_NODE_RELAY_OFFER_H

#include "base/span.h"
#include "cyphonic.pb-c.h"
#include "node/fqdn.h"
#include "node/service_address.h"

enum { RELAY_GRANT_MAX = 16384 /* bytes; it bears a chain of certificates */ };

/* Every peer keeps one, which so takes no more memory than it needs. The grant is NMS's and is read
 * by the TRS alone. */
struct relay_offer {
  char name[FQDN_SIZE]; /* the TRS's certificate bears it */
  size_t grant_size, address_count;
  const uint8_t *grant; /* behind the addresses */
  struct service_address addresses[];
};

/* NULL (no TRS is offered) gives NULL. The caller frees the offer with free(). ERROR_PROTOCOL:
 * without a name, an address or a grant, or with too large a one; ERROR_NO_MEMORY. */
int relay_offer_read(const Cyphonic__RelayOffer *message, struct relay_offer **offer,
                     struct error *error) MUST_CHECK;

void relay_offer_addresses(const struct relay_offer *offer, struct service_addresses *addresses);

/* Whether a TRS can have this name. */
bool relay_name_is_valid(const char *name);

#endif

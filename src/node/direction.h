/* A Route Direction as it came, checked into plain values. Pure. */
#ifndef CYPHONIC_NODE_DIRECTION_H
#define CYPHONIC_NODE_DIRECTION_H

#include "cyphonic.pb-c.h"
#include "node/peer.h"

struct direction_peer {
  char fqdn[FQDN_SIZE];
  struct ip_address ipv4, ipv6;
};

/* ERROR_PROTOCOL names the field that cannot be. `received` is left 0. */
int direction_read(const Cyphonic__RouteDirection *message, const char *domain,
                   struct peer_direction *direction, struct direction_peer *peer,
                   struct error *error) MUST_CHECK;

#endif

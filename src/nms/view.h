/* What NMS knows of one node's real addresses: plain data, kept true by the functions here. */
#ifndef CYPHONIC_NMS_VIEW_H
#define CYPHONIC_NMS_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

/* Addresses of its own that a node may register; those beyond it are ignored. */
enum { VIEW_ADDRESSES_MAX = 16 };

/* One IP version's side of a node. */
struct view_side {
  struct address observed; /* where its packets came from; family 0: never seen over this version */
  bool behind_nat;         /* observed is none of its own addresses */
};

/* How a node's IPv4 NAT chooses the outer port (RFC 4787 section 4.1): the same one whoever is
 * spoken to, or another for each. */
enum view_mapping {
  VIEW_MAPPING_UNKNOWN,
  VIEW_MAPPING_ENDPOINT_INDEPENDENT, /* also without a NAT */
  VIEW_MAPPING_ENDPOINT_DEPENDENT,
};

/* Zero-initialise. */
struct view {
  struct view_side ipv4, ipv6;
  struct address elsewhere; /* IPv4, as another service saw the node; family 0: not known */
  size_t address_count;
  struct address addresses[VIEW_ADDRESSES_MAX]; /* its own, with the port of its socket */
};

/* family 4 or 6. */
const struct view_side *view_side(const struct view *view, int family);

/* What the node says another service saw of it over IPv4; NULL or another IP version: nothing. It
 * is the node's word alone, and no reason to direct anyone anew. */
void view_hear_elsewhere(struct view *view, const struct address *elsewhere);
/* From the two observations over IPv4; unknown unless both are there. */
enum view_mapping view_mapping(const struct view *view);

/* Both return whether anything changed. view_register forgets what was observed of an IP version of
 * which the node has no address any more: it has left that network. view_observe forgets what was
 * seen elsewhere when the address it is to be compared with is another one. */
bool view_register(struct view *view, const struct address *addresses, size_t count);
bool view_observe(struct view *view, const struct address *observed);

#endif

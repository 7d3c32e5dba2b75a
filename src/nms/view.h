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

/* Zero-initialise. */
struct view {
  struct view_side ipv4, ipv6;
  size_t address_count;
  struct address addresses[VIEW_ADDRESSES_MAX]; /* its own, with the port of its socket */
};

/* family 4 or 6. */
const struct view_side *view_side(const struct view *view, int family);

/* Whether a node with these addresses of its own, seen from `observed`, is behind a NAT. IP
 * addresses alone are compared, since a NAT may keep the port; and what is private on both sides is
 * no NAT: server and node share a LAN. */
bool view_is_behind_nat(const struct address *observed, const struct address *addresses,
                        size_t count);

/* Both return whether anything changed. view_register forgets what was observed of an IP version of
 * which the node has no address any more: it has left that network. */
bool view_register(struct view *view, const struct address *addresses, size_t count);
bool view_observe(struct view *view, const struct address *observed);

#endif

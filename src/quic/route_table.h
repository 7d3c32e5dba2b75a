/* Virtual paths (design 4). ngtcp2 is told of path numbers only; this table maps them to real
 * routes: where packets of that path go and where they may come from. Today a route is a pair of
 * UDP addresses; a relay will be another kind of the same thing. Pure.
 *
 * A number stands for one remote for ever: when a slot is given to another remote it gets a new
 * number, so that ngtcp2 sees a new path and validates it (RFC 9000 section 8.2). Both ends of the
 * path that it sees are that number: where our own end differs, too, a path gets a Connection ID of
 * its own (section 9.5). Without that, ngtcp2 1.11 retires the one that it still counts as the
 * fallback's when a second move follows at once, and breaks off for too many of them. */
#ifndef CYPHONIC_QUIC_ROUTE_TABLE_H
#define CYPHONIC_QUIC_ROUTE_TABLE_H

#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "quic/limits.h"

struct route {
  uint16_t number; /* from 1; 0: the slot is free */
  bool left;       /* route_table_leave: only for what ngtcp2 still sends there */
  struct address remote;
  struct ip_address local; /* where its packets arrive; family 0: none came yet */
  unsigned interface;      /* by which */
  /* Its packets leave from there, whatever the kernel prefers now. Only packets that arrive there
   * are of this route while there is another to the same remote. */
  bool pinned;
  uint64_t heard; /* nanoseconds */
};

/* Zero-initialise. */
struct route_table {
  struct route slots[ROUTES_MAX];
  uint16_t last_number;
};

/* A virtual path in the form that ngtcp2 compares. */
struct virtual_path {
  struct sockaddr_in local, remote;
  ngtcp2_path path; /* points to the two above: do not copy */
};

/* The route to `remote` that is in use, or NULL. */
struct route *route_table_find(struct route_table *table, const struct address *remote);
/* The route by which a packet came from `remote` to our address `local`, or NULL. */
struct route *route_table_arrival(struct route_table *table, const struct address *remote,
                                  const struct ip_address *local);
struct route *route_table_by_number(struct route_table *table, uint16_t number);
/* The route to `remote`, made if there is none; the one longest unheard gives way, but never
 * `keep`. */
struct route *route_table_add(struct route_table *table, const struct address *remote,
                              uint16_t keep, uint64_t now);

/* A route that a client moves to: always a new number, also for a remote that had one before, since
 * ngtcp2 1.11 must not come back to a path that it has left. */
struct route *route_table_move(struct route_table *table, const struct address *remote,
                               uint16_t keep, uint64_t now);

/* What comes from the route's remote after this comes by a new route with a new number. ngtcp2 goes
 * on validating a path that a server has just left, and does not follow a peer that returns to it
 * meanwhile; nor does it validate the path of the handshake. A number of its own changes both. */
void route_table_leave(struct route_table *table, uint16_t number);

/* Our own addresses are others now: packets leave from where the kernel chooses, until the remote's
 * packets show where they arrive. */
void route_table_forget_local(struct route_table *table);

void route_path(const struct route *route, struct virtual_path *path);
/* The number of the route that a path of ngtcp2's stands for. */
uint16_t route_number(const ngtcp2_path *path);

#endif

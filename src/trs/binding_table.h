/* The look-up that each packet needs: where it comes from and the route id it is for, to the side
 * of a pair that sends it. For trs/ alone. */
#ifndef CYPHONIC_TRS_BINDING_TABLE_H
#define CYPHONIC_TRS_BINDING_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/address.h"

/* Without padding, so that it can be hashed and compared as bytes. */
struct binding_key {
  uint8_t ip[16];
  uint32_t route_id;
  uint16_t port;
  uint16_t family;
};

/* Lies in what it leads to. Zero-initialise. */
struct binding {
  struct binding_key key;
  bool entered;
  bool lost; /* there was no memory to enter it */
  UT_hash_handle hh;
};

/* Zero-initialise, then set `seed` to a random number, so that nobody can choose addresses that
 * all fall into one bucket. */
struct binding_table {
  uint64_t seed;
  struct binding *bindings;
};

/* Enters it under a new key, out of the old one. Two bindings may have one key, as when a NAT gives
 * a port to the next node before we know that the last one left: either is found, and both lead to
 * the node of the route id. Returns false without memory; the binding is in no table then. */
bool binding_table_enter(struct binding_table *table, struct binding *binding,
                         const struct address *source, uint32_t route_id);
void binding_table_leave(struct binding_table *table, struct binding *binding);
/* NULL: none. */
struct binding *binding_table_find(const struct binding_table *table, const struct address *source,
                                   uint32_t route_id);

#endif

/* Directions given a moment ago, by pair of devices: two nodes that ask for each other at once get
 * one direction and not two. */
#ifndef CYPHONIC_NMS_PAIR_TABLE_H
#define CYPHONIC_NMS_PAIR_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "nms/direction.h"

enum { PAIR_LIFETIME_MILLISECONDS = 3000 };

struct pair {
  uint64_t direction_id;
  int64_t initiator_id, responder_id;              /* devices */
  uint64_t initiator_revision, responder_revision; /* of their directory entries */
  struct direction direction;
  bool initiator_confirmed, responder_confirmed; /* have it, and will act on it */
};

struct pair_table;

/* NULL without memory. */
struct pair_table *pair_table_new(void);
void pair_table_free(struct pair_table *table);

/* The direction under way between the two, whichever asked; NULL if there is none, or if it is old.
 * `now` in milliseconds of a steady clock. Lives until the next call. */
struct pair *pair_table_find(struct pair_table *table, int64_t one, int64_t other, uint64_t now);
/* Keeps a copy in place of the pair's former one. Without memory nothing is kept: the next request
 * makes a new direction, which the nodes can cope with. */
void pair_table_put(struct pair_table *table, const struct pair *pair, uint64_t now);

#endif

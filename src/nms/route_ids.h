/* Route ids (design 5): the 32 bits with which a node's Connection IDs begin, by which a TRS finds
 * it. One holds at every TRS, so NMS gives them. */
#ifndef CYPHONIC_NMS_ROUTE_IDS_H
#define CYPHONIC_NMS_ROUTE_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "nms/grant.h"

/* For how long an id stays its node's after it has left: as long as a grant that names it may hold,
 * so that no other node can ask for it and pass for its former bearer at a TRS. */
enum { ROUTE_ID_HOLD_SECONDS = GRANT_SECONDS };

struct route_ids;

/* NULL without memory. */
struct route_ids *route_ids_new(void);
void route_ids_free(struct route_ids *ids);

/* The id of a device that is here from now on: the one it wishes (0: none) if nobody else has it,
 * else the one it has, else a random one. 0 without memory. `now` in seconds of a steady clock. One
 * device has one id, so that devices bound the memory. */
uint32_t route_ids_take(struct route_ids *ids, int64_t device_id, uint32_t wish, uint64_t now);
/* The device has left. */
void route_ids_leave(struct route_ids *ids, int64_t device_id, uint64_t now);

/* Whose it is, here or held for it. False if nobody's. */
bool route_ids_holder(const struct route_ids *ids, uint32_t route_id, int64_t *device_id);

#endif

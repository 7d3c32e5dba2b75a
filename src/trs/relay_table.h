/* Who may send to whom over this TRS: nodes by FQDN, pairs of nodes that a grant allows, and the
 * look-up that each packet needs. Knows no sockets and no connections.
 *
 * A node is connected or not. A pair is made by the first of its nodes that shows a grant, and is
 * *bound* while both have shown one, both are connected and the grant holds; only then is anything
 * forwarded between them. Who leaves and comes back finds its pairs again, as long as the other
 * node stays; where nobody waits any more, the pair goes. */
#ifndef CYPHONIC_TRS_RELAY_TABLE_H
#define CYPHONIC_TRS_RELAY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "trs/grant.h"

struct relay_table;
struct relay_node; /* as long as it is connected, or in a pair */
struct relay_pair;

struct relay_table_config {
  size_t nodes_max; /* connected */
  size_t pairs_max;
  size_t pairs_per_node; /* that a node asked for itself: others cannot use up its share */
  uint64_t rate_limit;   /* bytes a second that a node may send, 0: any */
  /* The pair has become bound. May be NULL. */
  void (*bound)(struct relay_pair *pair, void *context);
  /* The pair is about to be freed. May be NULL. */
  void (*removed)(struct relay_pair *pair, void *context);
  void *context;
};

/* Where a node is: its address, which it has proven (port 0: not yet, and none of its pairs is
 * bound so long), and ours that it talks to (family 0: not known). */
struct relay_place {
  struct address remote;
  struct ip_address local;
};

struct relay_traffic {
  uint64_t packets, bytes;
};

/* One direction of a bound pair: what comes from `from` for `route_id` goes on to `to`. */
struct relay_flow {
  struct relay_place from, to;
  uint32_t route_id;
  int64_t seconds; /* that the grant still holds */
};

/* Somebody below who forwards packets of some flows before they come here, as the kernel can. What
 * he does not know or does not want still comes. */
struct relay_offload {
  /* False: not this one. A flow that is entered has left before anything about it changes. */
  bool (*enter)(const struct relay_flow *flow, void *context);
  /* `*traffic` is what was forwarded since it was entered. */
  void (*leave)(const struct address *source, uint32_t route_id, struct relay_traffic *traffic,
                void *context);
  /* Of all flows since the beginning. */
  void (*total)(struct relay_traffic *traffic, void *context);
  void *context;
};

/* NULL without memory. */
struct relay_table *relay_table_new(const struct relay_table_config *config);
void relay_table_free(struct relay_table *table);
/* Before the first pair is bound. Copied; its flows leave with the table at the latest. Not
 * together with a rate limit, which is counted here. */
void relay_table_set_offload(struct relay_table *table, const struct relay_offload *offload);

/* The node called `fqdn` is connected. If it was already, the new place holds, its pairs stay, and
 * `*replaced` is the former owner; otherwise NULL. `owner` is not NULL. ERROR_LIMIT,
 * ERROR_NO_MEMORY. */
int relay_table_connect(struct relay_table *table, const char *fqdn,
                        const struct relay_place *place, void *owner, struct relay_node **node,
                        void **replaced, struct error *error) MUST_CHECK;
void relay_table_move(struct relay_table *table, struct relay_node *node,
                      const struct relay_place *place);
/* The pointer is dead then. */
void relay_table_disconnect(struct relay_table *table, struct relay_node *node);

/* A connected node shows a grant, which was read for its name. A grant of a pair that is known
 * renews it, unless the present one holds longer. ERROR_LIMIT, ERROR_NO_MEMORY: nothing has
 * changed. */
int relay_table_ask(struct relay_table *table, struct relay_node *node,
                    const struct trs_grant *grant, struct relay_pair **pair,
                    struct error *error) MUST_CHECK;

/* Wall time in seconds, from which expiry is told; to be called about each second. Frees what ran
 * out now and then. */
void relay_table_set_time(struct relay_table *table, int64_t now);

bool relay_pair_is_bound(const struct relay_pair *pair);
/* Of the owner; NULL at first. A pair with a context is not freed, but for relay_table_free. */
void relay_pair_set_context(struct relay_pair *pair, void *context);
void *relay_pair_context(const struct relay_pair *pair);

struct relay_pair_counters {
  const char *fqdn[2]; /* borrowed from the pair */
  /* From the node of that name to the other; what an offload forwarded is in it when the flow has
   * left. */
  uint64_t packets[2], bytes[2];
};
void relay_pair_counters(const struct relay_pair *pair, struct relay_pair_counters *counters);

enum relay_verdict {
  RELAY_NOT_OURS, /* from nobody who may send there */
  RELAY_FORWARD,
  RELAY_OVER_LIMIT, /* the sender's rate */
};
/* For each packet: whether it goes on, and where. `now` is in milliseconds of the loop's clock. No
 * memory is taken, no system call made. */
enum relay_verdict relay_table_forward(struct relay_table *table, const struct address *source,
                                       uint32_t route_id, size_t size, uint64_t now,
                                       struct relay_place *destination);

struct relay_table_counters {
  size_t nodes; /* connected */
  size_t pairs, bound;
  uint64_t forwarded_packets, forwarded_bytes, over_limit;
  struct relay_traffic offloaded; /* a part of what was forwarded */
};
void relay_table_counters(const struct relay_table *table, struct relay_table_counters *counters);

#endif

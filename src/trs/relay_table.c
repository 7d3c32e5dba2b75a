#include "trs/relay_table.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include <uthash.h>
#include <utlist.h>

#include "base/random.h"
#include "trs/binding_table.h"
#include "trs/token_bucket.h"

enum {
  SWEEP_SECONDS = 10,
  STEP_SECONDS = 3, /* the clock was set forward: an offload would go by the old time */
};

struct relay_side;

struct relay_node {
  void *owner; /* NULL: not connected */
  struct relay_place place;
  struct token_bucket bucket;
  size_t asked;             /* pairs it asked for */
  struct relay_side *sides; /* all its pairs */
  bool lost;                /* the table had no memory for it */
  UT_hash_handle hh;
  char fqdn[];
};

/* A node in a pair. */
struct relay_side {
  struct binding binding; /* first: what the node sends to the other finds it */
  struct relay_pair *pair;
  struct relay_node *node;
  uint32_t route_id; /* the node's */
  bool asked;
  bool offloaded;
  uint64_t packets, bytes; /* from this node */
  struct relay_side *prev, *next;
};

struct pair_key {
  const struct relay_node *lesser, *greater;
};

struct relay_pair {
  struct pair_key key;
  struct relay_side side[2];
  int64_t expires; /* seconds since 1970 */
  bool bound;
  bool lost;
  void *context;
  UT_hash_handle hh;
};

struct relay_table {
  struct relay_table_config config;
  struct relay_offload offload; /* `enter` NULL: none */
  struct relay_node *nodes;     /* uthash head */
  struct relay_pair *pairs;     /* uthash head */
  struct binding_table bindings;
  size_t connected, bound;
  int64_t now, swept; /* wall time */
  uint64_t forwarded_packets, forwarded_bytes, over_limit;
};

struct relay_table *relay_table_new(const struct relay_table_config *config) {
  struct relay_table *table = calloc(1, sizeof(*table));
  if (table != NULL) {
    table->config = *config;
    random_bytes(&table->bindings.seed, sizeof(table->bindings.seed));
  }
  return table;
}

void relay_table_set_offload(struct relay_table *table, const struct relay_offload *offload) {
  table->offload = *offload;
}

/* --- binding --- */

static struct relay_side *other_of(const struct relay_side *side) {
  struct relay_pair *pair = side->pair;
  return side == &pair->side[0] ? &pair->side[1] : &pair->side[0];
}

static void offload_leave(struct relay_table *table, struct relay_side *side) {
  if (!side->offloaded) {
    return;
  }
  struct address source = {.ip.family = (uint8_t)side->binding.key.family,
                           .port = side->binding.key.port};
  memcpy(source.ip.bytes, side->binding.key.ip, sizeof(source.ip.bytes));
  struct relay_traffic traffic = {0};
  table->offload.leave(&source, side->binding.key.route_id, &traffic, table->offload.context);
  side->packets += traffic.packets;
  side->bytes += traffic.bytes;
  side->offloaded = false;
}

static void offload_enter(struct relay_table *table, struct relay_side *side) {
  const struct relay_side *other = other_of(side);
  const struct relay_flow flow = {.from = side->node->place,
                                  .to = other->node->place,
                                  .route_id = other->route_id,
                                  .seconds = side->pair->expires - table->now};
  side->offloaded =
      table->offload.enter != NULL && table->offload.enter(&flow, table->offload.context);
}

static bool enter(struct relay_table *table, struct relay_side *side) {
  offload_leave(table, side);
  if (!binding_table_enter(&table->bindings, &side->binding, &side->node->place.remote,
                           other_of(side)->route_id)) {
    return false;
  }
  offload_enter(table, side);
  return true;
}

static void leave(struct relay_table *table, struct relay_side *side) {
  offload_leave(table, side);
  binding_table_leave(&table->bindings, &side->binding);
}

static void unbind(struct relay_table *table, struct relay_pair *pair) {
  leave(table, &pair->side[0]);
  leave(table, &pair->side[1]);
  if (pair->bound) {
    pair->bound = false;
    table->bound--;
  }
}

static bool may_bind(const struct relay_table *table, const struct relay_pair *pair) {
  if (pair->expires <= table->now) {
    return false;
  }
  for (size_t i = 0; i < 2; i++) {
    const struct relay_node *node = pair->side[i].node;
    if (!pair->side[i].asked || node->owner == NULL || node->place.remote.port == 0) {
      return false;
    }
  }
  return true;
}

/* Makes what is in the table true again after anything about the pair has changed. */
static void bind_again(struct relay_table *table, struct relay_pair *pair) {
  bool was_bound = pair->bound;
  if (!may_bind(table, pair) || !enter(table, &pair->side[0]) || !enter(table, &pair->side[1])) {
    unbind(table, pair);
    return;
  }
  if (was_bound) {
    return;
  }
  pair->bound = true;
  table->bound++;
  if (table->config.bound != NULL) {
    table->config.bound(pair, table->config.context);
  }
}

/* --- nodes --- */

static struct relay_node *node_find(const struct relay_table *table, const char *fqdn) {
  struct relay_node *node;
  HASH_FIND(hh, table->nodes, fqdn, strlen(fqdn), node);
  return node;
}

static struct relay_node *node_make(struct relay_table *table, const char *fqdn) {
  size_t size = strlen(fqdn);
  struct relay_node *node = calloc(1, sizeof(*node) + size + 1);
  if (node == NULL) {
    return NULL;
  }
  memcpy(node->fqdn, fqdn, size + 1);
  HASH_ADD_KEYPTR(hh, table->nodes, node->fqdn, size, node);
  if (node->lost) {
    free(node);
    return NULL;
  }
  return node;
}

static void node_drop_unused(struct relay_table *table, struct relay_node *node) {
  if (node->owner == NULL && node->sides == NULL) {
    HASH_DELETE(hh, table->nodes, node);
    free(node);
  }
}

int relay_table_connect(struct relay_table *table, const char *fqdn,
                        const struct relay_place *place, void *owner, struct relay_node **out,
                        void **replaced, struct error *error) {
  *replaced = NULL;
  struct relay_node *node = node_find(table, fqdn);
  if ((node == NULL || node->owner == NULL) && table->connected >= table->config.nodes_max) {
    return error_set(error, ERROR_LIMIT, "%zu nodes are connected, and no more may be",
                     table->connected);
  }
  if (node == NULL) {
    node = node_make(table, fqdn);
  }
  if (node == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a node");
  }
  *replaced = node->owner;
  if (node->owner == NULL) {
    table->connected++;
  }
  node->owner = owner;
  *out = node;
  relay_table_move(table, node, place);
  return 0;
}

void relay_table_move(struct relay_table *table, struct relay_node *node,
                      const struct relay_place *place) {
  node->place = *place;
  struct relay_side *side;
  DL_FOREACH(node->sides, side) {
    bind_again(table, side->pair);
  }
}

/* --- pairs --- */

static struct pair_key key_of(const struct relay_node *one, const struct relay_node *other) {
  return one < other ? (struct pair_key){one, other} : (struct pair_key){other, one};
}

static struct relay_pair *pair_find(const struct relay_table *table, const struct relay_node *one,
                                    const struct relay_node *other) {
  struct pair_key key = key_of(one, other);
  struct relay_pair *pair;
  HASH_FIND(hh, table->pairs, &key, sizeof(key), pair);
  return pair;
}

static struct relay_pair *pair_make(struct relay_table *table, struct relay_node *one,
                                    struct relay_node *other) {
  struct relay_pair *pair = calloc(1, sizeof(*pair));
  if (pair == NULL) {
    return NULL;
  }
  pair->key = key_of(one, other);
  HASH_ADD(hh, table->pairs, key, sizeof(pair->key), pair);
  if (pair->lost) {
    free(pair);
    return NULL;
  }
  struct relay_node *nodes[] = {one, other};
  for (size_t i = 0; i < 2; i++) {
    pair->side[i].pair = pair;
    pair->side[i].node = nodes[i];
    DL_APPEND(nodes[i]->sides, &pair->side[i]);
  }
  return pair;
}

static void pair_remove(struct relay_table *table, struct relay_pair *pair) {
  unbind(table, pair);
  if (table->config.removed != NULL) {
    table->config.removed(pair, table->config.context);
  }
  HASH_DELETE(hh, table->pairs, pair);
  for (size_t i = 0; i < 2; i++) {
    struct relay_side *side = &pair->side[i];
    DL_DELETE(side->node->sides, side);
    if (side->asked) {
      side->node->asked--;
    }
    node_drop_unused(table, side->node);
  }
  free(pair);
}

/* Whether anybody who is here asked for it. */
static bool pair_is_wanted(const struct relay_pair *pair) {
  for (size_t i = 0; i < 2; i++) {
    if (pair->side[i].asked && pair->side[i].node->owner != NULL) {
      return true;
    }
  }
  return false;
}

static void sweep(struct relay_table *table) {
  struct relay_pair *pair, *next;
  HASH_ITER(hh, table->pairs, pair, next) {
    bool over = pair->expires <= table->now;
    if (over) {
      unbind(table, pair);
    }
    if ((over || !pair_is_wanted(pair)) && pair->context == NULL) {
      pair_remove(table, pair);
    }
  }
}

void relay_table_set_time(struct relay_table *table, int64_t now) {
  bool stepped = now > table->now + STEP_SECONDS;
  table->now = now;
  /* Also when the clock was put back. */
  if (stepped || now >= table->swept + SWEEP_SECONDS || now < table->swept) {
    table->swept = now;
    sweep(table);
  }
}

void relay_table_disconnect(struct relay_table *table, struct relay_node *node) {
  node->owner = NULL;
  table->connected--;
  bool in_pairs = node->sides != NULL;
  struct relay_side *side, *next;
  DL_FOREACH_SAFE(node->sides, side, next) {
    struct relay_pair *pair = side->pair;
    unbind(table, pair);
    if (!pair_is_wanted(pair) && pair->context == NULL) {
      /* With the last of its pairs the node goes, too. */
      pair_remove(table, pair);
    }
  }
  if (!in_pairs) {
    node_drop_unused(table, node);
  }
}

static int pair_prepare(struct relay_table *table, struct relay_node *node,
                        const struct trs_grant_node *peer, struct relay_pair **out,
                        struct error *error) {
  *out = NULL;
  struct relay_node *other = node_find(table, peer->fqdn);
  struct relay_pair *pair = other == NULL ? NULL : pair_find(table, node, other);
  bool asked =
      pair != NULL && (pair->side[0].node == node ? pair->side[0].asked : pair->side[1].asked);
  if (!asked && node->asked >= table->config.pairs_per_node) {
    return error_set(error, ERROR_LIMIT,
                     "this node has %zu relayed pairs here, and may not have more", node->asked);
  }
  if (pair == NULL) {
    if (HASH_CNT(hh, table->pairs) >= table->config.pairs_max) {
      return error_set(error, ERROR_LIMIT, "this TRS serves %zu pairs, and takes no more",
                       table->config.pairs_max);
    }
    if (other == NULL) {
      other = node_make(table, peer->fqdn);
    }
    if (other != NULL) {
      pair = pair_make(table, node, other);
      node_drop_unused(table, other);
    }
    if (pair == NULL) {
      return error_set(error, ERROR_NO_MEMORY, "out of memory for a pair of nodes");
    }
  }
  *out = pair;
  return 0;
}

int relay_table_ask(struct relay_table *table, struct relay_node *node,
                    const struct trs_grant *grant, struct relay_pair **out, struct error *error) {
  size_t own = strcmp(grant->node[0].fqdn, node->fqdn) == 0 ? 0 : 1;
  struct relay_pair *pair;
  int code = pair_prepare(table, node, &grant->node[1 - own], &pair, error);
  if (code != 0) {
    return code;
  }
  struct relay_side *side = pair->side[0].node == node ? &pair->side[0] : &pair->side[1];
  if (!side->asked) {
    side->asked = true;
    node->asked++;
  }
  if (grant->expires >= pair->expires) {
    pair->expires = grant->expires;
    side->route_id = grant->node[own].route_id;
    other_of(side)->route_id = grant->node[1 - own].route_id;
  }
  bind_again(table, pair);
  *out = pair;
  return 0;
}

bool relay_pair_is_bound(const struct relay_pair *pair) {
  return pair->bound;
}

void relay_pair_set_context(struct relay_pair *pair, void *context) {
  pair->context = context;
}

void *relay_pair_context(const struct relay_pair *pair) {
  return pair->context;
}

void relay_pair_counters(const struct relay_pair *pair, struct relay_pair_counters *counters) {
  for (size_t i = 0; i < 2; i++) {
    counters->fqdn[i] = pair->side[i].node->fqdn;
    counters->packets[i] = pair->side[i].packets;
    counters->bytes[i] = pair->side[i].bytes;
  }
}

/* --- packets --- */

enum relay_verdict relay_table_forward(struct relay_table *table, const struct address *source,
                                       uint32_t route_id, size_t size, uint64_t now,
                                       struct relay_place *destination) {
  struct binding *binding = binding_table_find(&table->bindings, source, route_id);
  if (binding == NULL) {
    return RELAY_NOT_OURS;
  }
  struct relay_side *side = (struct relay_side *)binding;
  if (side->pair->expires <= table->now) {
    return RELAY_NOT_OURS;
  }
  if (table->config.rate_limit != 0 &&
      !token_bucket_take(&side->node->bucket, table->config.rate_limit, size, now)) {
    table->over_limit++;
    return RELAY_OVER_LIMIT;
  }
  side->packets++;
  side->bytes += size;
  table->forwarded_packets++;
  table->forwarded_bytes += size;
  *destination = other_of(side)->node->place;
  return RELAY_FORWARD;
}

/* --- the whole --- */

void relay_table_counters(const struct relay_table *table, struct relay_table_counters *counters) {
  *counters = (struct relay_table_counters){
      .nodes = table->connected,
      .pairs = HASH_CNT(hh, table->pairs),
      .bound = table->bound,
      .forwarded_packets = table->forwarded_packets,
      .forwarded_bytes = table->forwarded_bytes,
      .over_limit = table->over_limit,
  };
  if (table->offload.total != NULL) {
    table->offload.total(&counters->offloaded, table->offload.context);
    counters->forwarded_packets += counters->offloaded.packets;
    counters->forwarded_bytes += counters->offloaded.bytes;
  }
}

void relay_table_free(struct relay_table *table) {
  if (table == NULL) {
    return;
  }
  struct relay_pair *pair, *next_pair;
  HASH_ITER(hh, table->pairs, pair, next_pair) {
    pair_remove(table, pair);
  }
  struct relay_node *node, *next_node;
  HASH_ITER(hh, table->nodes, node, next_node) {
    node->owner = NULL;
    node_drop_unused(table, node);
  }
  free(table);
}

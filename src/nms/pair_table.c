#include "nms/pair_table.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct key {
  int64_t lesser, greater;
};

struct slot {
  struct key key;
  struct pair pair;
  uint64_t expires;
  struct slot *next; /* in the order of expiry */
  UT_hash_handle hh;
};

struct pair_table {
  struct slot *slots; /* uthash head: those in force */
  struct slot *oldest, *youngest;
};

struct pair_table *pair_table_new(void) {
  return calloc(1, sizeof(struct pair_table));
}

static struct key key_of(int64_t one, int64_t other) {
  return one < other ? (struct key){one, other} : (struct key){other, one};
}

static struct slot *slot_of(struct pair_table *table, const struct key *key) {
  struct slot *slot;
  HASH_FIND(hh, table->slots, key, sizeof(*key), slot);
  return slot;
}

static void drop_oldest(struct pair_table *table) {
  struct slot *slot = table->oldest;
  table->oldest = slot->next;
  if (table->oldest == NULL) {
    table->youngest = NULL;
  }
  if (slot_of(table, &slot->key) == slot) { /* not replaced */
    HASH_DEL(table->slots, slot);
  }
  free(slot);
}

/* The rate of requests over the lifetime bounds the table. */
static void drop_expired(struct pair_table *table, uint64_t now) {
  while (table->oldest != NULL && table->oldest->expires <= now) {
    drop_oldest(table);
  }
}

void pair_table_free(struct pair_table *table) {
  if (table != NULL) {
    drop_expired(table, UINT64_MAX);
    free(table);
  }
}

struct pair *pair_table_find(struct pair_table *table, int64_t one, int64_t other, uint64_t now) {
  drop_expired(table, now);
  struct key key = key_of(one, other);
  struct slot *slot = slot_of(table, &key);
  return slot == NULL ? NULL : &slot->pair;
}

void pair_table_put(struct pair_table *table, const struct pair *pair, uint64_t now) {
  drop_expired(table, now);
  struct slot *slot = calloc(1, sizeof(*slot));
  if (slot == NULL) {
    return;
  }
  slot->key = key_of(pair->initiator_id, pair->responder_id);
  slot->pair = *pair;
  slot->expires = now + PAIR_LIFETIME_MILLISECONDS;
  struct slot *former = slot_of(table, &slot->key);
  if (former != NULL) {
    HASH_DEL(table->slots, former); /* its memory goes when its time comes */
  }
  HASH_ADD(hh, table->slots, key, sizeof(slot->key), slot);
  if (table->youngest != NULL) {
    table->youngest->next = slot;
  } else {
    table->oldest = slot;
  }
  table->youngest = slot;
}

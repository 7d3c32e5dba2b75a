#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include "trs/binding_table.h"

#include <assert.h>
#include <string.h>

enum { KEY_WORDS = 3 };
static_assert(sizeof(struct binding_key) == KEY_WORDS * sizeof(uint64_t), "padding in the key");

static struct binding_key key_of(const struct address *source, uint32_t route_id) {
  struct binding_key key = {
      .route_id = route_id, .port = source->port, .family = source->ip.family};
  memcpy(key.ip, source->ip.bytes, sizeof(key.ip));
  return key;
}

/* Three multiplications instead of one step for each byte: this runs for each packet. */
static unsigned hash_of(const struct binding_table *table, const struct binding_key *key) {
  uint64_t words[KEY_WORDS], hash = table->seed;
  memcpy(words, key, sizeof(words));
  for (size_t i = 0; i < KEY_WORDS; i++) {
    hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
  }
  return (unsigned)hash;
}

bool binding_table_enter(struct binding_table *table, struct binding *binding,
                         const struct address *source, uint32_t route_id) {
  binding_table_leave(table, binding);
  binding->key = key_of(source, route_id);
  binding->lost = false;
  unsigned hash = hash_of(table, &binding->key);
  HASH_ADD_BYHASHVALUE(hh, table->bindings, key, sizeof(binding->key), hash, binding);
  binding->entered = !binding->lost;
  return binding->entered;
}

void binding_table_leave(struct binding_table *table, struct binding *binding) {
  if (binding->entered) {
    HASH_DELETE(hh, table->bindings, binding);
    binding->entered = false;
  }
}

struct binding *binding_table_find(const struct binding_table *table, const struct address *source,
                                   uint32_t route_id) {
  struct binding_key key = key_of(source, route_id);
  unsigned hash = hash_of(table, &key);
  struct binding *binding = NULL;
  HASH_FIND_BYHASHVALUE(hh, table->bindings, &key, sizeof(key), hash, binding);
  return binding;
}

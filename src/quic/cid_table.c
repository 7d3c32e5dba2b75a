#include "quic/cid_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include <uthash.h>

struct cid_entry {
  UT_hash_handle hh;
  struct quic_connection *connection;
  struct cid_entry *next; /* of the same connection */
  bool is_token;
  bool lost; /* the table had no memory for it */
  uint8_t size;
  uint8_t key[CID_KEY_MAX];
};

struct cid_table {
  struct cid_entry *ids;
  struct cid_entry *tokens;
  struct cid_entry *last; /* found of ids: packets come in trains of one connection; or NULL */
};

struct cid_table *cid_table_new(void) {
  return calloc(1, sizeof(struct cid_table));
}

void cid_table_free(struct cid_table *table) {
  free(table);
}

static struct cid_entry **table_of(struct cid_table *table, bool is_token) {
  return is_token ? &table->tokens : &table->ids;
}

static struct cid_entry *find(const struct cid_table *table, bool is_token, const uint8_t *key,
                              size_t size) {
  struct cid_entry *head = is_token ? table->tokens : table->ids;
  struct cid_entry *entry = NULL;
  HASH_FIND(hh, head, key, size, entry);
  return entry;
}

static int add(struct cid_table *table, bool is_token, const uint8_t *key, size_t size,
               struct quic_connection *connection, struct cid_entry **list) {
  if (size == 0 || size > CID_KEY_MAX) {
    return ERROR_INVALID;
  }
  if (find(table, is_token, key, size) != NULL) {
    return ERROR_EXISTS;
  }
  struct cid_entry *entry = calloc(1, sizeof(*entry));
  if (entry == NULL) {
    return ERROR_NO_MEMORY;
  }
  entry->connection = connection;
  entry->is_token = is_token;
  entry->size = (uint8_t)size;
  memcpy(entry->key, key, size);
  struct cid_entry **head = table_of(table, is_token);
  HASH_ADD_KEYPTR(hh, *head, entry->key, entry->size, entry);
  if (entry->lost) {
    free(entry);
    return ERROR_NO_MEMORY;
  }
  entry->next = *list;
  *list = entry;
  return 0;
}

static void drop(struct cid_table *table, struct cid_entry *entry) {
  struct cid_entry **head = table_of(table, entry->is_token);
  if (table->last == entry) {
    table->last = NULL;
  }
  HASH_DELETE(hh, *head, entry);
  free(entry);
}

static void remove_from(struct cid_table *table, bool is_token, const uint8_t *key, size_t size,
                        struct cid_entry **list) {
  for (struct cid_entry **link = list; *link != NULL; link = &(*link)->next) {
    struct cid_entry *entry = *link;
    if (entry->is_token == is_token && entry->size == size && memcmp(entry->key, key, size) == 0) {
      *link = entry->next;
      drop(table, entry);
      return;
    }
  }
}

int cid_table_add(struct cid_table *table, const uint8_t *key, size_t size,
                  struct quic_connection *connection, struct cid_entry **list) {
  return add(table, false, key, size, connection, list);
}

void cid_table_remove(struct cid_table *table, const uint8_t *key, size_t size,
                      struct cid_entry **list) {
  remove_from(table, false, key, size, list);
}

struct quic_connection *cid_table_find(struct cid_table *table, const uint8_t *key, size_t size) {
  struct cid_entry *last = table->last;
  if (last != NULL && last->size == size && memcmp(last->key, key, size) == 0) {
    return last->connection;
  }
  struct cid_entry *entry = find(table, false, key, size);
  if (entry == NULL) {
    return NULL;
  }
  table->last = entry;
  return entry->connection;
}

int cid_table_add_token(struct cid_table *table, const uint8_t token[static RESET_TOKEN_SIZE],
                        struct quic_connection *connection, struct cid_entry **list) {
  return add(table, true, token, RESET_TOKEN_SIZE, connection, list);
}

void cid_table_remove_token(struct cid_table *table, const uint8_t token[static RESET_TOKEN_SIZE],
                            struct cid_entry **list) {
  remove_from(table, true, token, RESET_TOKEN_SIZE, list);
}

struct quic_connection *cid_table_find_token(const struct cid_table *table,
                                             const uint8_t token[static RESET_TOKEN_SIZE]) {
  struct cid_entry *entry = find(table, true, token, RESET_TOKEN_SIZE);
  return entry == NULL ? NULL : entry->connection;
}

void cid_table_remove_all(struct cid_table *table, struct cid_entry **list) {
  while (*list != NULL) {
    struct cid_entry *entry = *list;
    *list = entry->next;
    drop(table, entry);
  }
}

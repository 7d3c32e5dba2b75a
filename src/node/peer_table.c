#include "node/peer_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct peer_table {
  struct peer_entry *by_fqdn, *by_ipv4, *by_ipv6;
  struct peer_entry *all;
  size_t count;
  struct peer_entry *last; /* hit by address */
};

struct peer_table *peer_table_new(void) {
  return calloc(1, sizeof(struct peer_table));
}

void peer_table_free(struct peer_table *table) {
  if (!table)
    return;
  HASH_CLEAR(by_fqdn, table->by_fqdn);
  HASH_CLEAR(by_ipv4, table->by_ipv4);
  HASH_CLEAR(by_ipv6, table->by_ipv6);
  free(table);
}

struct peer_entry *peer_table_find_fqdn(const struct peer_table *table, const char *fqdn) {
  struct peer_entry *found;
  HASH_FIND(by_fqdn, table->by_fqdn, fqdn, strlen(fqdn), found);
  return found;
}

static struct peer_entry *look_up(const struct peer_table *table, const struct ip_address *ip) {
  struct peer_entry *found = NULL;
  if (ip->family == 4)
    HASH_FIND(by_ipv4, table->by_ipv4, ip, sizeof *ip, found);
  else if (ip->family == 6)
    HASH_FIND(by_ipv6, table->by_ipv6, ip, sizeof *ip, found);
  return found;
}

struct peer_entry *peer_table_find_address(struct peer_table *table, const struct ip_address *ip) {
  struct peer_entry *last = table->last;
  if (last && (ip_address_equal(&last->ipv4, ip) || ip_address_equal(&last->ipv6, ip)))
    return last;
  struct peer_entry *found = look_up(table, ip);
  if (found)
    table->last = found;
  return found;
}

static bool taken(const struct peer_table *table, const struct peer_entry *entry, const char *fqdn,
                  const struct ip_address *ipv4, const struct ip_address *ipv6) {
  const struct peer_entry *others[] = {
      fqdn[0] != '\0' ? peer_table_find_fqdn(table, fqdn) : NULL,
      look_up(table, ipv4),
      look_up(table, ipv6),
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i] && others[i] != entry)
      return true;
  return false;
}

static void keys_insert(struct peer_table *table, struct peer_entry *entry) {
  if (entry->fqdn[0] != '\0')
    HASH_ADD_KEYPTR(by_fqdn, table->by_fqdn, entry->fqdn, strlen(entry->fqdn), entry);
  if (entry->ipv4.family == 4)
    HASH_ADD(by_ipv4, table->by_ipv4, ipv4, sizeof entry->ipv4, entry);
  if (entry->ipv6.family == 6)
    HASH_ADD(by_ipv6, table->by_ipv6, ipv6, sizeof entry->ipv6, entry);
}

static void keys_remove(struct peer_table *table, struct peer_entry *entry) {
  if (entry->fqdn[0] != '\0')
    HASH_DELETE(by_fqdn, table->by_fqdn, entry);
  if (entry->ipv4.family == 4)
    HASH_DELETE(by_ipv4, table->by_ipv4, entry);
  if (entry->ipv6.family == 6)
    HASH_DELETE(by_ipv6, table->by_ipv6, entry);
  table->last = NULL;
}

int peer_table_add(struct peer_table *table, struct peer_entry *entry) {
  if (taken(table, NULL, entry->fqdn, &entry->ipv4, &entry->ipv6))
    return ERROR_EXISTS;
  if (table->count >= PEER_TABLE_MAX)
    return ERROR_LIMIT;
  keys_insert(table, entry);
  DL_APPEND2(table->all, entry, previous, next);
  table->count++;
  return 0;
}

int peer_table_set_keys(struct peer_table *table, struct peer_entry *entry, const char *fqdn,
                        const struct ip_address *ipv4, const struct ip_address *ipv6) {
  if (strlen(fqdn) >= FQDN_SIZE)
    return ERROR_LIMIT;
  if (taken(table, entry, fqdn, ipv4, ipv6))
    return ERROR_EXISTS;
  keys_remove(table, entry);
  /* The arguments may be the entry's own fields. */
  char name[FQDN_SIZE];
  snprintf(name, sizeof name, "%s", fqdn);
  struct ip_address addresses[] = {*ipv4, *ipv6};
  memcpy(entry->fqdn, name, sizeof name);
  entry->ipv4 = addresses[0];
  entry->ipv6 = addresses[1];
  keys_insert(table, entry);
  return 0;
}

void peer_table_remove(struct peer_table *table, struct peer_entry *entry) {
  keys_remove(table, entry);
  DL_DELETE2(table->all, entry, previous, next);
  table->count--;
}

size_t peer_table_count(const struct peer_table *table) {
  return table->count;
}

struct peer_entry *peer_table_first(const struct peer_table *table) {
  return table->all;
}

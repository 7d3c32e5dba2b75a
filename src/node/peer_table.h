/* Peers by what they are known by: FQDN and virtual addresses. An entry may know only some of its
 * keys at first (a packet names an address, a DNS query a name) and learns the others from NMS.
 * Pure.
 *
 * The entries are the caller's, embedded in its own objects; the table frees none. */
#ifndef CYPHONIC_NODE_PEER_TABLE_H
#define CYPHONIC_NODE_PEER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

#include "base/address.h"
#include "base/error.h"
#include "node/fqdn.h"

enum { PEER_TABLE_MAX = 4096 /* entries; beyond it ERROR_LIMIT: the caller lets an idle one go */ };

struct peer_table;

/* Zero-initialise, set what is known, then peer_table_add; change keys by peer_table_set_keys only.
 */
struct peer_entry {
  char fqdn[FQDN_SIZE];         /* empty: not known */
  struct ip_address ipv4, ipv6; /* family 0: not known */
  UT_hash_handle by_fqdn, by_ipv4, by_ipv6;
  struct peer_entry *next, *previous; /* all entries, oldest first */
};

struct peer_table *peer_table_new(void); /* NULL without memory */
/* Entries still in it are the caller's affair. */
void peer_table_free(struct peer_table *table);

/* ERROR_EXISTS: another entry has one of the keys. */
int peer_table_add(struct peer_table *table, struct peer_entry *entry) MUST_CHECK;
/* The entry in the table takes these keys instead of those it has; on ERROR_EXISTS it keeps them.
 */
int peer_table_set_keys(struct peer_table *table, struct peer_entry *entry, const char *fqdn,
                        const struct ip_address *ipv4, const struct ip_address *ipv6) MUST_CHECK;
void peer_table_remove(struct peer_table *table, struct peer_entry *entry);

/* NULL when there is none. */
struct peer_entry *peer_table_find_fqdn(const struct peer_table *table, const char *fqdn);
/* The last hit is remembered: packets come in runs to one destination. */
struct peer_entry *peer_table_find_address(struct peer_table *table, const struct ip_address *ip);

size_t peer_table_count(const struct peer_table *table);
/* The first of all entries; go on by `next`. */
struct peer_entry *peer_table_first(const struct peer_table *table);

#endif

/* What NMS lately said of names and addresses, so that it is not asked again for each DNS query.
 * Pure.
 *
 * A device has one name and its addresses for good, so what was learnt holds as long as
 * applications may keep our answer. Zeroed storage is an empty cache, and nothing is to be freed.
 */
#ifndef CYPHONIC_NODE_NAME_CACHE_H
#define CYPHONIC_NODE_NAME_CACHE_H

#include <stdint.h>

#include "base/clock.h"
#include "node/dns.h"
#include "node/fqdn.h"
#include "node/node.h"

enum {
  NAME_CACHE_MAX = 1024, /* entries, a power of two; the one learnt first gives way */
  NAME_CACHE_KEYS = 3,   /* name, IPv4, IPv6 */
};
/* Nanoseconds. Short for what does not exist: it may be about to sign up. */
#define NAME_CACHE_LIFETIME        (DNS_TTL * NANOSECONDS_PER_SECOND)
#define NAME_CACHE_ABSENT_LIFETIME (2 * NANOSECONDS_PER_SECOND)

struct name_cache_entry {
  struct node_name name; /* lower case; absent: only what was asked for; all empty: a free entry */
  bool absent;
  uint64_t expires;               /* nanoseconds */
  uint16_t next[NAME_CACHE_KEYS]; /* of the same hash: an index plus one, 0: none */
};

struct name_cache {
  struct name_cache_entry entries[NAME_CACHE_MAX];
  uint16_t heads[NAME_CACHE_KEYS][NAME_CACHE_MAX]; /* by hash, as `next` */
  uint16_t oldest;                                 /* the index that the next entry takes */
};

enum name_cache_result { NAME_CACHE_UNKNOWN, NAME_CACHE_FOUND, NAME_CACHE_ABSENT };

/* By name, in any case, or by address if `fqdn` is NULL. `name` is filled in if it is found. `now`
 * in nanoseconds. */
enum name_cache_result name_cache_find(const struct name_cache *cache, const char *fqdn,
                                       const struct ip_address *address, uint64_t now,
                                       struct node_name *name);

/* Takes the place of whatever is known of its name and of its addresses. */
void name_cache_put(struct name_cache *cache, const struct node_name *name, uint64_t now);
/* There is no such name or, if `fqdn` is NULL, no such address. */
void name_cache_put_absent(struct name_cache *cache, const char *fqdn,
                           const struct ip_address *address, uint64_t now);

#endif

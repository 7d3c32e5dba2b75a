#include "node/name_cache.h"

#include <stdio.h>
#include <string.h>

enum key { KEY_FQDN, KEY_IPV4, KEY_IPV6 };

_Static_assert((NAME_CACHE_MAX & (NAME_CACHE_MAX - 1)) == 0,
               "hashes are cut to an index by a mask");
_Static_assert(NAME_CACHE_MAX < UINT16_MAX, "an index plus one fits");
_Static_assert(KEY_IPV6 + 1 == NAME_CACHE_KEYS, "each key has its chains");
_Static_assert((int)sizeof(((struct node_name *)NULL)->fqdn) == (int)FQDN_SIZE, "any FQDN fits");

static void name_write(struct node_name *name, const char *fqdn) {
  size_t size = strnlen(fqdn, FQDN_SIZE - 1);
  for (size_t i = 0; i < size; i++)
    name->fqdn[i] = fqdn[i] >= 'A' && fqdn[i] <= 'Z' ? (char)(fqdn[i] - 'A' + 'a') : fqdn[i];
  name->fqdn[size] = '\0';
}

/* A name of one key only. */
static struct node_name subject(const char *fqdn, const struct ip_address *address) {
  struct node_name name = {0};
  if (fqdn)
    name_write(&name, fqdn);
  else if (address->family == 4)
    name.ipv4 = *address;
  else if (address->family == 6)
    name.ipv6 = *address;
  return name;
}

static bool has_key(const struct node_name *name, enum key key) {
  switch (key) {
  case KEY_FQDN:
    return name->fqdn[0] != '\0';
  case KEY_IPV4:
    return name->ipv4.family == 4;
  case KEY_IPV6:
    return name->ipv6.family == 6;
  }
  return false;
}

static bool same_key(const struct node_name *a, const struct node_name *b, enum key key) {
  switch (key) {
  case KEY_FQDN:
    return strcmp(a->fqdn, b->fqdn) == 0;
  case KEY_IPV4:
    return ip_address_equal(&a->ipv4, &b->ipv4);
  case KEY_IPV6:
    return ip_address_equal(&a->ipv6, &b->ipv6);
  }
  return false;
}

/* FNV-1a. Whoever makes names collide makes our own look-ups walk NAME_CACHE_MAX entries: no harm.
 */
static size_t hash(const struct node_name *name, enum key key) {
  const void *bytes = name->fqdn;
  size_t size = 0;
  if (key == KEY_FQDN) {
    size = strlen(name->fqdn);
  } else {
    const struct ip_address *ip = key == KEY_IPV4 ? &name->ipv4 : &name->ipv6;
    bytes = ip->bytes;
    size = ip_address_size(ip);
  }
  uint32_t value = 2166136261U;
  for (size_t i = 0; i < size; i++)
    value = (value ^ ((const uint8_t *)bytes)[i]) * 16777619U;
  return (value ^ value >> 16) & (NAME_CACHE_MAX - 1);
}

/* An index plus one, 0: none. */
static uint16_t look_up(const struct name_cache *cache, const struct node_name *name,
                        enum key key) {
  if (!has_key(name, key))
    return 0;
  uint16_t at = cache->heads[key][hash(name, key)];
  while (at != 0 && !same_key(&cache->entries[at - 1].name, name, key))
    at = cache->entries[at - 1].next[key];
  return at;
}

static void link_key(struct name_cache *cache, uint16_t at, enum key key) {
  struct name_cache_entry *entry = &cache->entries[at - 1];
  if (!has_key(&entry->name, key))
    return;
  uint16_t *head = &cache->heads[key][hash(&entry->name, key)];
  entry->next[key] = *head;
  *head = at;
}

static void unlink_key(struct name_cache *cache, uint16_t at, enum key key) {
  struct name_cache_entry *entry = &cache->entries[at - 1];
  if (!has_key(&entry->name, key))
    return;
  uint16_t *to = &cache->heads[key][hash(&entry->name, key)];
  while (*to != at)
    to = &cache->entries[*to - 1].next[key];
  *to = entry->next[key];
}

static void drop(struct name_cache *cache, uint16_t at) {
  for (enum key key = 0; key <= KEY_IPV6; key++)
    unlink_key(cache, at, key);
  cache->entries[at - 1] = (struct name_cache_entry){0};
}

static void put(struct name_cache *cache, const struct node_name *name, bool absent,
                uint64_t expires) {
  for (enum key key = 0; key <= KEY_IPV6; key++) {
    uint16_t at = look_up(cache, name, key);
    if (at != 0)
      drop(cache, at);
  }
  uint16_t at = (uint16_t)(cache->oldest + 1);
  cache->oldest = at % NAME_CACHE_MAX;
  drop(cache, at);
  cache->entries[at - 1] =
      (struct name_cache_entry){.name = *name, .absent = absent, .expires = expires};
  for (enum key key = 0; key <= KEY_IPV6; key++)
    link_key(cache, at, key);
}

enum name_cache_result name_cache_find(const struct name_cache *cache, const char *fqdn,
                                       const struct ip_address *address, uint64_t now,
                                       struct node_name *name) {
  struct node_name asked = subject(fqdn, address);
  uint16_t at = 0;
  for (enum key key = 0; key <= KEY_IPV6 && at == 0; key++)
    at = look_up(cache, &asked, key);
  if (at == 0)
    return NAME_CACHE_UNKNOWN;
  const struct name_cache_entry *entry = &cache->entries[at - 1];
  if (now >= entry->expires)
    return NAME_CACHE_UNKNOWN;
  if (entry->absent)
    return NAME_CACHE_ABSENT;
  *name = entry->name;
  return NAME_CACHE_FOUND;
}

void name_cache_put(struct name_cache *cache, const struct node_name *name, uint64_t now) {
  struct node_name kept = *name;
  name_write(&kept, name->fqdn);
  put(cache, &kept, false, now + NAME_CACHE_LIFETIME);
}

void name_cache_put_absent(struct name_cache *cache, const char *fqdn,
                           const struct ip_address *address, uint64_t now) {
  struct node_name kept = subject(fqdn, address);
  put(cache, &kept, true, now + NAME_CACHE_ABSENT_LIFETIME);
}

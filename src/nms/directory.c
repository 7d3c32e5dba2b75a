#include "nms/directory.h"

#include <stdlib.h>
#include <string.h>

#include "nms/route_ids.h"

struct directory {
  struct directory_entry *fqdns, *ipv4s, *ipv6s;             /* uthash heads */
  struct directory_entry *pending_oldest, *pending_youngest; /* observed, not registered */
  struct directory_entry *routes;                            /* uthash head: registered ones */
  struct route_ids *route_ids;                               /* also of nodes that have left */
  uint64_t revisions;                                        /* given out */
};

struct directory *directory_new(void) {
  struct directory *directory = calloc(1, sizeof(*directory));
  if (directory == NULL) {
    return NULL;
  }
  directory->route_ids = route_ids_new();
  if (directory->route_ids == NULL) {
    free(directory);
    return NULL;
  }
  return directory;
}

size_t directory_count(const struct directory *directory) {
  return HASH_CNT(by_fqdn, directory->fqdns);
}

static void pending_add(struct directory *directory, struct directory_entry *entry, uint64_t now) {
  entry->pending_since = now;
  entry->pending_previous = directory->pending_youngest;
  if (entry->pending_previous != NULL) {
    entry->pending_previous->pending_next = entry;
  } else {
    directory->pending_oldest = entry;
  }
  directory->pending_youngest = entry;
}

static void pending_remove(struct directory *directory, struct directory_entry *entry) {
  if (entry->pending_previous != NULL) {
    entry->pending_previous->pending_next = entry->pending_next;
  } else {
    directory->pending_oldest = entry->pending_next;
  }
  if (entry->pending_next != NULL) {
    entry->pending_next->pending_previous = entry->pending_previous;
  } else {
    directory->pending_youngest = entry->pending_previous;
  }
  entry->pending_previous = entry->pending_next = NULL;
}

static void entry_free(struct directory *directory, struct directory_entry *entry) {
  if (entry->control == NULL) {
    pending_remove(directory, entry);
  }
  HASH_DELETE(by_fqdn, directory->fqdns, entry);
  HASH_DELETE(by_ipv4, directory->ipv4s, entry);
  HASH_DELETE(by_ipv6, directory->ipv6s, entry);
  if (entry->route_id != 0) {
    HASH_DELETE(by_route_id, directory->routes, entry);
  }
  relay_reports_clear(&entry->relays);
  free(entry);
}

void directory_free(struct directory *directory) {
  if (directory == NULL) {
    return;
  }
  struct directory_entry *entry, *next;
  HASH_ITER(by_fqdn, directory->fqdns, entry, next) {
    entry_free(directory, entry);
  }
  route_ids_free(directory->route_ids);
  free(directory);
}

struct directory_entry *directory_by_fqdn(struct directory *directory, const char *fqdn) {
  struct directory_entry *entry;
  HASH_FIND(by_fqdn, directory->fqdns, fqdn, strlen(fqdn), entry);
  return entry;
}

struct directory_entry *directory_by_address(struct directory *directory,
                                             const struct ip_address *ip) {
  struct directory_entry *entry = NULL;
  if (ip->family == 4) {
    HASH_FIND(by_ipv4, directory->ipv4s, ip, sizeof(*ip), entry);
  } else if (ip->family == 6) {
    HASH_FIND(by_ipv6, directory->ipv6s, ip, sizeof(*ip), entry);
  }
  return entry;
}

struct directory_entry *directory_by_route_id(struct directory *directory, uint32_t route_id) {
  struct directory_entry *entry;
  HASH_FIND(by_route_id, directory->routes, &route_id, sizeof(route_id), entry);
  return entry;
}

/* The entry of the device, pending if it is new. */
static struct directory_entry *entry_of(struct directory *directory,
                                        const struct store_device *device, uint64_t now) {
  struct directory_entry *entry = directory_by_fqdn(directory, device->fqdn);
  if (entry != NULL) {
    return entry;
  }
  entry = calloc(1, sizeof(*entry));
  if (entry == NULL) {
    return NULL;
  }
  entry->device_id = device->id;
  memcpy(entry->fqdn, device->fqdn, sizeof(entry->fqdn));
  memcpy(entry->public_key, device->public_key, sizeof(entry->public_key));
  entry->ipv4 = device->ipv4;
  entry->ipv6 = device->ipv6;
  HASH_ADD(by_fqdn, directory->fqdns, fqdn, strlen(entry->fqdn), entry);
  HASH_ADD(by_ipv4, directory->ipv4s, ipv4, sizeof(entry->ipv4), entry);
  HASH_ADD(by_ipv6, directory->ipv6s, ipv6, sizeof(entry->ipv6), entry);
  pending_add(directory, entry, now);
  return entry;
}

static void drop_stale(struct directory *directory, uint64_t now) {
  struct directory_entry *oldest;
  while ((oldest = directory->pending_oldest) != NULL &&
         now - oldest->pending_since >= DIRECTORY_PENDING_SECONDS) {
    entry_free(directory, oldest);
  }
}

struct directory_entry *directory_observe(struct directory *directory,
                                          const struct store_device *device,
                                          const struct address *observed, uint64_t now) {
  drop_stale(directory, now);
  struct directory_entry *entry = entry_of(directory, device, now);
  if (entry == NULL) {
    return NULL;
  }
  if (entry->control == NULL) { /* its time begins anew */
    pending_remove(directory, entry);
    pending_add(directory, entry, now);
  }
  directory_move(directory, entry, observed);
  return entry;
}

bool directory_move(struct directory *directory, struct directory_entry *entry,
                    const struct address *observed) {
  bool changed = view_observe(&entry->view, observed);
  if (changed) {
    entry->revision = ++directory->revisions;
  }
  return changed;
}

/* Returns whether it is another one. */
static bool set_route_id(struct directory *directory, struct directory_entry *entry,
                         uint32_t route_id) {
  if (entry->route_id == route_id) {
    return false;
  }
  if (entry->route_id != 0) {
    HASH_DELETE(by_route_id, directory->routes, entry);
  }
  entry->route_id = route_id;
  HASH_ADD(by_route_id, directory->routes, route_id, sizeof(entry->route_id), entry);
  return true;
}

struct directory_entry *directory_register(struct directory *directory,
                                           const struct store_device *device,
                                           const struct directory_registration *registration,
                                           uint64_t now, struct control **replaced) {
  *replaced = NULL;
  struct directory_entry *entry = entry_of(directory, device, now);
  if (entry == NULL) {
    return NULL;
  }
  uint32_t route_id = route_ids_take(directory->route_ids, device->id, registration->route_id, now);
  if (route_id == 0) {
    return NULL;
  }
  if (entry->control == NULL) {
    pending_remove(directory, entry);
  } else if (entry->control != registration->control) {
    *replaced = entry->control;
  }
  bool changed = entry->control != registration->control;
  entry->control = registration->control;
  changed = set_route_id(directory, entry, route_id) || changed;
  changed =
      view_register(&entry->view, registration->addresses, registration->address_count) || changed;
  changed = view_observe(&entry->view, &registration->observed) || changed;
  if (changed) {
    entry->revision = ++directory->revisions;
  }
  view_hear_elsewhere(&entry->view, registration->elsewhere);
  relay_reports_set(&entry->relays, registration->relays, registration->relay_count);
  return entry;
}

void directory_remove(struct directory *directory, const char *fqdn, const struct control *control,
                      uint64_t now) {
  struct directory_entry *entry = directory_by_fqdn(directory, fqdn);
  if (entry != NULL && entry->control != NULL && entry->control == control) {
    route_ids_leave(directory->route_ids, entry->device_id, now);
    entry_free(directory, entry);
  }
}

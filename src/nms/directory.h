/* The nodes that are here now, by name and by virtual address, with what NMS knows of each. */
#ifndef CYPHONIC_NMS_DIRECTORY_H
#define CYPHONIC_NMS_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "nms/relay_reports.h"
#include "nms/view.h"
#include "store/store.h"

struct control;

/* How long an observation waits for its node's registration. */
enum { DIRECTORY_PENDING_SECONDS = 60 };

/* Fields are read by anyone; the functions below write them. */
struct directory_entry {
  int64_t device_id;
  char fqdn[PKI_NAME_SIZE];
  struct ip_address ipv4, ipv6; /* virtual */
  uint8_t public_key[PKI_HASH_SIZE];
  struct view view;            /* how its NAT maps included: view_mapping */
  struct relay_reports relays; /* round trips that it measured */
  uint32_t route_id;           /* 0: not registered yet */
  /* Another number whenever the view, the route id or the connection changes; never one that this
   * directory has used before, so that a node that left and came back is told from one that stayed.
   */
  uint64_t revision;
  /* The connection that registered the node; NULL: only observed so far, and forgotten unless it
   * registers within DIRECTORY_PENDING_SECONDS. */
  struct control *control;

  uint64_t pending_since; /* seconds of the caller's clock */
  struct directory_entry *pending_previous, *pending_next;
  UT_hash_handle by_fqdn, by_ipv4, by_ipv6, by_route_id;
};

/* What a node says, and what is seen of it, when it registers. Borrowed. */
struct directory_registration {
  struct control *control;
  const struct address *addresses; /* its own */
  size_t address_count;
  struct address observed;         /* where its connection comes from */
  const struct address *elsewhere; /* over IPv4, as another service saw it; NULL: not known */
  uint32_t route_id;               /* that it has and would keep; 0: none */
  Cyphonic__RelayReport *const *relays;
  size_t relay_count;
};

struct directory;

/* NULL without memory. */
struct directory *directory_new(void);
void directory_free(struct directory *directory);
size_t directory_count(const struct directory *directory); /* entries, pending ones included */

/* NULL if not here. `ip` is virtual, of either IP version. */
struct directory_entry *directory_by_fqdn(struct directory *directory, const char *fqdn);
struct directory_entry *directory_by_address(struct directory *directory,
                                             const struct ip_address *ip);
/* The registered node with this route id. */
struct directory_entry *directory_by_route_id(struct directory *directory, uint32_t route_id);

/* `device` was seen from `observed` at `now` (seconds of any steady clock); makes an entry if there
 * is none. NULL without memory. One device has one entry, so that devices bound the memory. */
struct directory_entry *directory_observe(struct directory *directory,
                                          const struct store_device *device,
                                          const struct address *observed, uint64_t now);

/* The node registers. Writes to `*replaced` the connection that was registered before, if another.
 * NULL without memory. */
struct directory_entry *directory_register(struct directory *directory,
                                           const struct store_device *device,
                                           const struct directory_registration *registration,
                                           uint64_t now, struct control **replaced);

/* The entry's connection is now seen from `observed`. Returns whether that is news. */
bool directory_move(struct directory *directory, struct directory_entry *entry,
                    const struct address *observed);

/* Removes the entry that this connection registered; nothing if another has replaced it. Its route
 * id waits for it a while (nms/route_ids.h). */
void directory_remove(struct directory *directory, const char *fqdn, const struct control *control,
                      uint64_t now);

#endif

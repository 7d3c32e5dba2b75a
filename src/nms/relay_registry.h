/* The TRSs that are here now. Each stands and falls with the connection over which it registered.
 */
#ifndef CYPHONIC_NMS_RELAY_REGISTRY_H
#define CYPHONIC_NMS_RELAY_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cyphonic.pb-c.h"
#include "pki/identity.h"

struct control;

enum {
  RELAYS_MAX = 64,         /* registered; one more is refused */
  RELAY_ADDRESSES_MAX = 8, /* of one TRS; those beyond it are ignored */
};

struct relay_address {
  char host[PKI_NAME_SIZE]; /* an IP address or a name */
  uint16_t port;
};

/* Fields are read by anyone; the functions below write them. */
struct relay {
  char name[PKI_NAME_SIZE]; /* in its certificate */
  size_t address_count;
  struct relay_address address[RELAY_ADDRESSES_MAX];
  uint32_t pairs;          /* bound there, as it said last */
  struct control *control; /* its connection */
  struct relay *prev, *next;
};

struct relay_registry;

/* NULL without memory. */
struct relay_registry *relay_registry_new(void);
void relay_registry_free(struct relay_registry *registry);

/* The first of them, the rest by `next`, least loaded first; NULL: none. */
const struct relay *relay_registry_first(const struct relay_registry *registry);
size_t relay_registry_count(const struct relay_registry *registry);

/* The TRS called `name` registers over `control`, or tells what changed. Writes to `*replaced` the
 * connection that was registered for that name before, if another. ERROR_INVALID: no address, or
 * one that cannot be; ERROR_LIMIT, ERROR_NO_MEMORY. A registration that fails leaves what was. */
int relay_registry_put(struct relay_registry *registry, const char *name, struct control *control,
                       const Cyphonic__RelayRegistrationRequest *message, struct control **replaced,
                       struct error *error) MUST_CHECK;

/* Removes what this connection registered; nothing if another has replaced it. */
void relay_registry_remove(struct relay_registry *registry, const struct control *control);

#endif

#include "nms/relay_registry.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct relay_registry {
  struct relay *relays; /* utlist head, sorted by load */
  size_t count;
};

struct relay_registry *relay_registry_new(void) {
  return calloc(1, sizeof(struct relay_registry));
}

void relay_registry_free(struct relay_registry *registry) {
  if (registry == NULL) {
    return;
  }
  struct relay *relay, *next;
  DL_FOREACH_SAFE(registry->relays, relay, next) {
    DL_DELETE(registry->relays, relay);
    free(relay);
  }
  free(registry);
}

const struct relay *relay_registry_first(const struct relay_registry *registry) {
  return registry->relays;
}

size_t relay_registry_count(const struct relay_registry *registry) {
  return registry->count;
}

/* A name or an IP address: what else there is in a host would only puzzle the nodes' resolvers. */
static bool is_host(const char *host) {
  size_t size = strlen(host);
  if (size == 0 || size >= PKI_NAME_SIZE) {
    return false;
  }
  return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == size;
}

static int read_addresses(const Cyphonic__RelayRegistrationRequest *message, struct relay *relay,
                          struct error *error) {
  if (message->n_addresses == 0) {
    return error_set(error, ERROR_INVALID,
                     "a TRS registers with at least one address that nodes reach it at");
  }
  for (size_t i = 0; i < message->n_addresses && i < RELAY_ADDRESSES_MAX; i++) {
    const Cyphonic__ServiceAddress *address = message->addresses[i];
    if (!is_host(address->host) || address->port == 0 || address->port > UINT16_MAX) {
      return error_set(error, ERROR_INVALID,
                       "address %zu of the TRS is none: a host and a port from 1 to 65535 are "
                       "needed, the port is %u",
                       i + 1, address->port);
    }
    struct relay_address *to = &relay->address[relay->address_count++];
    memcpy(to->host, address->host, strlen(address->host) + 1);
    to->port = (uint16_t)address->port;
  }
  return 0;
}

static struct relay *find(const struct relay_registry *registry, const char *name) {
  struct relay *relay;
  DL_FOREACH(registry->relays, relay) {
    if (strcmp(relay->name, name) == 0) {
      return relay;
    }
  }
  return NULL;
}

/* By name where the load is the same, so that the order does not hang on who came first. */
static int by_load(const struct relay *a, const struct relay *b) {
  if (a->pairs != b->pairs) {
    return a->pairs < b->pairs ? -1 : 1;
  }
  return strcmp(a->name, b->name);
}

int relay_registry_put(struct relay_registry *registry, const char *name, struct control *control,
                       const Cyphonic__RelayRegistrationRequest *message, struct control **replaced,
                       struct error *error) {
  *replaced = NULL;
  struct relay *former = find(registry, name);
  if (former == NULL && registry->count >= RELAYS_MAX) {
    return error_set(error, ERROR_LIMIT, "%d TRSs are registered, which is as many as can be",
                     RELAYS_MAX);
  }
  struct relay *relay = calloc(1, sizeof(*relay));
  if (relay == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a TRS");
  }
  int code = read_addresses(message, relay, error);
  if (code != 0) {
    free(relay);
    return code;
  }
  strncpy(relay->name, name, sizeof(relay->name) - 1);
  relay->pairs = message->pairs;
  relay->control = control;
  if (former != NULL) {
    if (former->control != control) {
      *replaced = former->control;
    }
    DL_DELETE(registry->relays, former);
    free(former);
    registry->count--;
  }
  DL_INSERT_INORDER(registry->relays, relay, by_load);
  registry->count++;
  return 0;
}

void relay_registry_remove(struct relay_registry *registry, const struct control *control) {
  struct relay *relay, *next;
  DL_FOREACH_SAFE(registry->relays, relay, next) {
    if (relay->control == control) {
      DL_DELETE(registry->relays, relay);
      free(relay);
      registry->count--;
    }
  }
}

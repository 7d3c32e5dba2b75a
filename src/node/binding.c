#include "node/binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/peer.h"

struct failed_relay {
  char name[FQDN_SIZE];
  uint64_t since; /* nanoseconds; 0: empty */
};

static void remember_former(struct binding *binding) {
  struct address address = relay_use_address(binding->current);
  if (!ip_address_is_set(&address.ip))
    return;
  binding->former = address;
  snprintf(binding->former_name, sizeof binding->former_name, "%s",
           relay_use_name(binding->current));
}

static void drop_current(struct binding *binding) {
  if (!binding->current)
    return;
  remember_former(binding);
  relay_use_release(binding->current);
  binding->current = NULL;
}

/* --- what comes of a request --- */

static void ready(struct relay_use *use, void *context) {
  struct binding *binding = context;
  if (use != binding->next)
    return;
  drop_current(binding);
  binding->current = use;
  binding->next = NULL;
  peer_relay_ready(binding->owner);
}

static void failed(struct relay_use *use, const struct error *error, void *context) {
  struct binding *binding = context;
  struct peer *peer = binding->owner;
  bool absent = relay_use_peer_absent(use);
  if (!absent)
    binding_note_failed(binding, relay_use_name(use), peer_now(peer));
  binding->next = NULL;
  binding->asked = false;
  relay_use_release(use);
  peer_relay_failed(peer, absent, error);
}

static void lost(UNUSED struct relay_use *use, const struct error *error, void *context) {
  struct binding *binding = context;
  peer_relay_lost(binding->owner, error);
}

static const struct relay_handler handler = {.ready = ready, .failed = failed, .lost = lost};

/* --- the peer's side --- */

void binding_init(struct binding *binding, struct relays *relays, void *owner) {
  *binding = (struct binding){.relays = relays, .owner = owner};
}

void binding_clear(struct binding *binding) {
  binding_release(binding);
  free(binding->failed);
  binding->failed = NULL;
  free(binding->offer);
  binding->offer = NULL;
}

void binding_offer(struct binding *binding, struct relay_offer *offer, uint64_t now) {
  /* Where NMS knows of no other, the one that we have is better than none. */
  if (offer || now - binding->offered > BINDING_RENEW_AFTER) {
    free(binding->offer);
    binding->offer = offer;
    binding->offered = now;
  }
  binding->asked = false;
  relay_use_release(binding->next);
  binding->next = NULL;
}

int binding_ask(struct binding *binding, uint64_t now, struct error *error) {
  if (binding->asked)
    return 0;
  if (!binding->offer)
    return error_set(error, ERROR_RELAY, "NMS offers no relay");
  int code = relays_ask(binding->relays, binding->offer, &handler, binding, &binding->next, error);
  if (code) {
    binding->next = NULL;
    binding_note_failed(binding, binding->offer->name, now);
  } else {
    binding->asked = true;
  }
  return code;
}

int binding_ask_again(struct binding *binding, uint64_t now, struct error *error) {
  binding->asked = binding->next != NULL;
  return binding_ask(binding, now, error);
}

void binding_release(struct binding *binding) {
  relay_use_release(binding->next);
  binding->next = NULL;
  binding->asked = false;
  drop_current(binding);
}

bool binding_is_asking(const struct binding *binding) {
  return binding->next;
}

bool binding_is_ready(const struct binding *binding, struct address *address) {
  if (!binding->current || !relay_use_is_ready(binding->current))
    return false;
  *address = relay_use_address(binding->current);
  return true;
}

void binding_check(struct binding *binding) {
  if (binding->current)
    relay_use_check(binding->current);
}

bool binding_wants_renewal(const struct binding *binding, uint64_t now) {
  return binding->current && now - binding->offered > BINDING_RENEW_AFTER;
}

const char *binding_name_at(const struct binding *binding, const struct address *remote) {
  if (binding->current) {
    struct address address = relay_use_address(binding->current);
    if (address_equal(&address, remote))
      return relay_use_name(binding->current);
  }
  return ip_address_is_set(&binding->former.ip) && address_equal(&binding->former, remote)
             ? binding->former_name
             : NULL;
}

/* --- relays that do not work --- */

void binding_note_failed(struct binding *binding, const char *name, uint64_t now) {
  size_t oldest = 0;
  if (!binding->failed)
    binding->failed = calloc(BINDING_FAILED_MAX, sizeof *binding->failed);
  if (!binding->failed)
    return; /* it is tried once more than it need be */
  for (size_t i = 0; i < BINDING_FAILED_MAX; i++) {
    if (binding->failed[i].since != 0 && strcmp(binding->failed[i].name, name) == 0) {
      binding->failed[i].since = now;
      return;
    }
    if (binding->failed[i].since < binding->failed[oldest].since)
      oldest = i;
  }
  snprintf(binding->failed[oldest].name, sizeof binding->failed[oldest].name, "%s", name);
  binding->failed[oldest].since = now;
}

void binding_forgive(struct binding *binding) {
  free(binding->failed);
  binding->failed = NULL;
}

size_t binding_failed(const struct binding *binding, uint64_t now,
                      const char *names[BINDING_FAILED_MAX]) {
  size_t count = 0;
  for (size_t i = 0; binding->failed && i < BINDING_FAILED_MAX; i++)
    if (binding->failed[i].since != 0 && now - binding->failed[i].since <= BINDING_FAILED_LIFETIME)
      names[count++] = binding->failed[i].name;
  return count;
}

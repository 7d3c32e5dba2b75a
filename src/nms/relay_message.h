/* A TRS as it stands in messages to nodes. */
#ifndef CYPHONIC_NMS_RELAY_MESSAGE_H
#define CYPHONIC_NMS_RELAY_MESSAGE_H

#include <stddef.h>

#include "cyphonic.pb-c.h"
#include "nms/relay_registry.h"

/* TRSs named in a RegistrationResponse, the least loaded ones: as many as fit a message with the
 * longest names there can be. */
enum { RELAYS_LISTED_MAX = 12 };

/* Refers to the relay and to itself: neither may move while it is in use. */
struct relay_message {
  char *name;
  size_t address_count;
  Cyphonic__ServiceAddress *addresses[RELAY_ADDRESSES_MAX];
  Cyphonic__ServiceAddress address[RELAY_ADDRESSES_MAX];
};

void relay_message_init(struct relay_message *message, const struct relay *relay);

#endif

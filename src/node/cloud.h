/* A standing control connection to a service of the cloud: made, kept alive, and made again with
 * jittered back-off when it ends, for as long as it is started. */
#ifndef CYPHONIC_NODE_CLOUD_H
#define CYPHONIC_NODE_CLOUD_H

#include "control/control.h"
#include "node/dial.h"

struct cloud;

struct cloud_handler {
  /* It stands; use cloud_control. Call cloud_settled when the service has proved useful. */
  void (*connected)(struct cloud *cloud, void *context);
  /* It stood and ended; the next attempt follows by itself. */
  void (*lost)(struct cloud *cloud, const struct error *error, void *context);
  /* A move (quic_connection_migrate, quic_connection_readdress) is over: it goes on by another
   * path, on which the service has answered, or not. */
  void (*moved)(struct cloud *cloud, void *context);
  /* No address answered; the next attempt follows by itself. */
  void (*failed)(struct cloud *cloud, const struct error *error, void *context);
  /* As control_handler. */
  void (*request)(struct cloud *cloud, struct control_exchange *exchange,
                  const control_message *message, void *context);
};

/* `target` is copied, with its pointers borrowed until the endpoint is closed. */
int cloud_new(const struct dial_target *target, const struct cloud_handler *handler, void *context,
              struct cloud **cloud, struct error *error) MUST_CHECK;
/* Requests under way end with ERROR_CLOSED now; no callback of the handler comes any more; frees
 * from the loop. */
void cloud_close(struct cloud *cloud);

/* Begins, or goes on at other addresses from the next attempt. */
void cloud_start(struct cloud *cloud, const struct service_addresses *addresses);
/* The network changed: what is under way is dropped and begun anew at once. */
void cloud_restart(struct cloud *cloud);
/* The network may have come back: a wait is cut short; nothing else changes. */
void cloud_hurry(struct cloud *cloud);
/* The connection stands but is of no use (the service refused): try again after the back-off. */
void cloud_retry(struct cloud *cloud, const char *reason);
/* Ends the back-off's growth. */
void cloud_settled(struct cloud *cloud);

/* NULL while there is no connection. */
struct control *cloud_control(const struct cloud *cloud);
struct quic_connection *cloud_connection(const struct cloud *cloud);

#endif

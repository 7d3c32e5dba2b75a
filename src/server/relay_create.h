/* Makes what a further TRS of the network needs, in one folder to be carried to its host: its
 * certificate and key, the root's certificate, a secret and a configuration. All or nothing. */
#ifndef CYPHONIC_SERVER_RELAY_CREATE_H
#define CYPHONIC_SERVER_RELAY_CREATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pki/identity.h"
#include "server/server_paths.h"

/* Borrowed. */
struct relay_plan {
  const struct server_paths
      *network;                    /* of the network's server: its root is needed, with the key */
  const char *folder;              /* to make; absolute */
  const char *state;               /* where the folder will stand on the relay's host; absolute */
  char name[PKI_NAME_SIZE];        /* full */
  const char *const *public_hosts; /* as given: "host" or "host:port" */
  size_t public_count;
  const char *const *nms;
  size_t nms_count;
  uint16_t port;
  int64_t now; /* seconds since 1970 */
};

#define RELAY_CONFIG_NAME "server.conf"

/* ERROR_EXISTS names the file in the way; nothing has been made then. */
int relay_create(const struct relay_plan *plan, struct error *error) MUST_CHECK;

#endif

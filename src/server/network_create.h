/* Makes a new network: certificate authorities, service certificates, secret, database and
 * configuration. All or nothing: what exists is never touched, and what a failed creation made is
 * removed again. */
#ifndef CYPHONIC_SERVER_NETWORK_CREATE_H
#define CYPHONIC_SERVER_NETWORK_CREATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

/* Borrowed. */
struct network_plan {
  const char *state;  /* folder */
  const char *config; /* file */
  struct store_network network;
  const char *const *public_hosts; /* as given: "host" or "host:port" */
  size_t public_count;
  uint16_t port;
  int64_t now; /* seconds since 1970 */
};

/* ERROR_EXISTS names the file in the way; nothing has been made then. */
int network_create(const struct network_plan *plan, struct error *error) MUST_CHECK;

#endif

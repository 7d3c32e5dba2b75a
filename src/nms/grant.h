/* Relay grants (design 5): NMS's word to a TRS that it may relay between two nodes. */
#ifndef CYPHONIC_NMS_GRANT_H
#define CYPHONIC_NMS_GRANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pki/credentials.h"

/* For how long a grant holds. */
enum { GRANT_SECONDS = 3600 };

struct grant_node {
  const char *fqdn;
  uint32_t route_id;
};

/* Borrows its strings. */
struct grant {
  const char *relay; /* name of the TRS */
  struct grant_node first, second;
  int64_t expires; /* seconds since 1970 */
};

/* An encoded RelayGrant, signed with the credentials' key, in a new buffer that the caller frees
 * with free(). */
int grant_build(const struct grant *grant, const struct pki_credentials *credentials,
                uint8_t **data, size_t *size, struct error *error) MUST_CHECK;

#endif

/* Relay grants as a TRS reads them (design 5): NMS's word that it may relay between two nodes.
 * Pure. */
#ifndef CYPHONIC_TRS_GRANT_H
#define CYPHONIC_TRS_GRANT_H

#include <stdint.h>

#include "base/error.h"
#include "base/span.h"
#include "pki/identity.h"
#include "pki/trust.h"

struct trs_grant_node {
  char fqdn[PKI_NAME_SIZE];
  uint32_t route_id; /* not 0, and not the other's */
};

/* Plain data. The names differ. */
struct trs_grant {
  struct trs_grant_node node[2];
  int64_t expires; /* seconds since 1970 */
};

/* Reads an encoded RelayGrant that the node `asker` shows to the TRS `relay`, and verifies it.
 * `now` is wall time in seconds. ERROR_EXPIRED: it was good until it ran out; ERROR_INVALID: it is
 * malformed, of another TRS, or for nodes none of which is the asker; ERROR_CERTIFICATE: no NMS
 * that `trust` leads to signed it; ERROR_NO_MEMORY. `grant` is written on success alone. */
int trs_grant_read(struct span data, const struct pki_trust *trust, const char *relay,
                   const char *asker, int64_t now, struct trs_grant *grant,
                   struct error *error) MUST_CHECK;

#endif

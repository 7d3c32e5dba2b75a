/* What ca.c and issue.c share. */
#ifndef CYPHONIC_PKI_CA_INTERNAL_H
#define CYPHONIC_PKI_CA_INTERNAL_H

#include "pki/ca.h"
#include "pki/chain.h"

struct pki_ca {
  struct pki_key *key;
  /* The authority's own first, the root last. At most PKI_CHAIN_MAX, so that with a leaf and
   * without the root it fits a struct pki_chain. */
  struct pki_certificates certificates;
};

enum { PKI_DAY_SECONDS = 86400 };

/* The earlier of `not_after` and the end of the authority itself, since nothing outlives its
 * issuer. */
int pki_ca_limit_time(const struct pki_ca *ca, int64_t *not_after, struct error *error) MUST_CHECK;

#endif

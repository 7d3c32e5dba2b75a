/* Whom to believe: the network's root, and the rules a chain must keep (design 2). */
#ifndef CYPHONIC_PKI_TRUST_H
#define CYPHONIC_PKI_TRUST_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"
#include "pki/identity.h"

struct pki_trust;

/* The root of a PEM file (the last certificate in it, which must be self-signed). */
int pki_trust_load(const char *root_path, struct pki_trust **trust, struct error *error) MUST_CHECK;
/* For first contact: trusts the self-signed certificate that ends a presented chain if its SHA-256
 * is the invitation's. */
int pki_trust_pin(const uint8_t fingerprint[static PKI_HASH_SIZE], struct pki_trust **trust,
                  struct error *error) MUST_CHECK;
void pki_trust_free(struct pki_trust *trust);

/* Verifies a chain (DER, leaf first; with or without the root at its end): signatures, validity at
 * `now`, CA constraints, key type, that leaf and every issuer that restricts it bear `purpose`, and
 * that the SAN has one DNS name and, for a node, one IPv4 and one IPv6 address. Messages say which
 * certificate and why; for validity they give both times and suggest to check the clock.
 * ERROR_EXPIRED for validity (past or future), ERROR_CERTIFICATE otherwise. */
int pki_trust_verify(const struct pki_trust *trust, const struct span *chain, size_t count,
                     enum pki_purpose purpose, int64_t now, struct pki_identity *identity,
                     struct error *error) MUST_CHECK;

#endif

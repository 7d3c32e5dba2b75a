/* Signatures by a certificate's key over bytes of ours: how NMS grants a relay to a pair (design
 * 5). */
#ifndef CYPHONIC_PKI_SIGNATURE_H
#define CYPHONIC_PKI_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"
#include "pki/credentials.h"
#include "pki/trust.h"

/* ECDSA with SHA-256 by the credentials' key, in a new buffer that the caller frees with free(). */
int pki_sign(const struct pki_credentials *credentials, struct span data, uint8_t **signature,
             size_t *size, struct error *error) MUST_CHECK;

/* Our own chain, without the root, as a peer needs it to verify: borrowed from `credentials`.
 * *count is at most `max`. */
int pki_credentials_chain(const struct pki_credentials *credentials, struct span *chain, size_t max,
                          size_t *count, struct error *error) MUST_CHECK;

/* Verifies the chain as pki_trust_verify does, and that its leaf's key signed `data`. */
int pki_signature_verify(const struct pki_trust *trust, const struct span *chain, size_t count,
                         enum pki_purpose purpose, int64_t now, struct span data,
                         struct span signature, struct pki_identity *identity,
                         struct error *error) MUST_CHECK;

#endif

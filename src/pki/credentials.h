/* What we present ourselves: a certificate chain with its private key. */
#ifndef CYPHONIC_PKI_CREDENTIALS_H
#define CYPHONIC_PKI_CREDENTIALS_H

#include "base/error.h"
#include "pki/identity.h"
#include "pki/trust.h"

struct pki_credentials;

/* PEM files. A key that is not the certificate's, or that others may read, is an error. */
int pki_credentials_load(const char *chain_path, const char *key_path,
                         struct pki_credentials **credentials, struct error *error) MUST_CHECK;
void pki_credentials_free(struct pki_credentials *credentials);

/* Verifies our own chain as a peer would, so that a daemon fails at start with a clear message
 * and not in each handshake. */
int pki_credentials_verify(const struct pki_credentials *credentials, const struct pki_trust *trust,
                           enum pki_purpose purpose, int64_t now, struct pki_identity *identity,
                           struct error *error) MUST_CHECK;

#endif

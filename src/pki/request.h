/* Certificate signing requests as they come from strangers. For pki/ alone. */
#ifndef CYPHONIC_PKI_REQUEST_H
#define CYPHONIC_PKI_REQUEST_H

#include <gnutls/abstract.h>

#include "base/error.h"
#include "base/span.h"

/* The public key of a DER request, after a check of its kind and of the request's signature by it.
 * The caller frees it with gnutls_pubkey_deinit. */
int pki_request_public_key(struct span request, gnutls_pubkey_t *public_key,
                           struct error *error) MUST_CHECK;

#endif

/* SHA-256. For pki/ alone. */
#ifndef CYPHONIC_PKI_DIGEST_H
#define CYPHONIC_PKI_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "pki/identity.h"

/* Ends the process if GnuTLS cannot hash: SHA-256 is always there unless the library's own
 * self-tests failed, and then no certificate or invitation of ours can be judged safely. */
void pki_digest(const void *data, size_t size, uint8_t hash[static PKI_HASH_SIZE]);

#endif

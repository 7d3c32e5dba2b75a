#include "pki/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

void pki_digest(const void *data, size_t size, uint8_t hash[static PKI_HASH_SIZE]) {
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, size, hash) != 0) {
    abort();
  }
}

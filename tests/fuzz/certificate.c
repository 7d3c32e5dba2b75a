/* What a stranger can put in front of the X.509 code: a chain of certificates, or a request.
 * Input: one byte (the purpose asked for, 0 to 3; or 4: a request), then certificates as a 16-bit
 * length and DER, the last with whatever is left. The last certificate's own fingerprint is pinned,
 * so that a chain made up from end to end is not turned away at its root. */
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "pki/ca.h"
#include "pki/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHAIN_MAX = 8, NOW = 1772366400, REQUEST = 4 };

static void verify(struct reader *reader, enum pki_purpose purpose) {
  struct span chain[CHAIN_MAX] = {0};
  size_t count = 0;
  while (count < CHAIN_MAX && reader->rest.size > 2) {
    size_t length = reader_u16(reader);
    chain[count++] = reader_bytes(reader, length < reader->rest.size ? length : reader->rest.size);
  }
  uint8_t fingerprint[PKI_HASH_SIZE] = {0};
  if (count > 0) {
    gnutls_hash_fast(GNUTLS_DIG_SHA256, chain[count - 1].data, chain[count - 1].size, fingerprint);
  }
  struct pki_trust *trust;
  struct pki_identity identity;
  struct error error = {0};
  if (pki_trust_pin(fingerprint, &trust, &error) != 0) {
    return;
  }
  int code = pki_trust_verify(trust, chain, count, purpose, NOW, &identity, &error);
  bool addresses = ip_address_is_set(&identity.ipv4) || ip_address_is_set(&identity.ipv6);
  if (code == 0 ? strlen(identity.name) == 0 || addresses != (purpose == PKI_NODE)
                : error.message[0] == '\0' || identity.name[0] != '\0') {
    abort();
  }
  pki_trust_free(trust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct reader reader = reader_init(data, size);
  uint8_t kind = reader_u8(&reader) % (REQUEST + 1);
  if (kind == REQUEST) {
    uint8_t hash[PKI_HASH_SIZE];
    struct error error = {0};
    if (pki_request_key_hash(reader.rest, hash, &error) != 0 && error.message[0] == '\0') {
      abort();
    }
  } else {
    verify(&reader, (enum pki_purpose)kind);
  }
  return 0;
}

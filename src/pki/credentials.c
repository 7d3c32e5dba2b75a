#include "pki/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/gnutls_handle.h"
#include "pki/key.h"
#include "pki/key_handle.h"
#include "pki/library_error.h"
#include "pki/signature.h"

struct pki_credentials {
  gnutls_certificate_credentials_t handle;
  size_t count;
  struct {
    uint8_t *data;
    size_t size;
  } der[PKI_CHAIN_WITH_ROOT_MAX]; /* as peers will see them, for our own verification */
};

static int check_pair(const struct pki_certificates *chain, const struct pki_key *key,
                      const char *chain_path, const char *key_path, struct error *error) {
  uint8_t certified[PKI_HASH_SIZE], own[PKI_HASH_SIZE];
  int code = pki_certificate_key_hash(chain->handle[0], chain_path, certified, error);
  if (code == 0) {
    code = pki_key_hash(key, own, error);
  }
  if (code == 0 && memcmp(certified, own, sizeof(own)) != 0) {
    code = error_set(error, ERROR_CERTIFICATE, "%s is not the key of the certificate in %s",
                     key_path, chain_path);
  }
  return code;
}

static int fill(struct pki_credentials *credentials, struct pki_certificates *chain,
                const struct pki_key *key, const char *chain_path, struct error *error) {
  for (size_t i = 0; i < chain->count; i++) {
    int code = pki_certificate_export(chain->handle[i], &credentials->der[i].data,
                                      &credentials->der[i].size, error);
    if (code != 0) {
      return code;
    }
    credentials->count++;
  }
  int status = gnutls_certificate_allocate_credentials(&credentials->handle);
  if (status == 0) {
    status = gnutls_certificate_set_x509_key(credentials->handle, chain->handle, (int)chain->count,
                                             pki_key_handle(key));
  }
  return status >= 0
             ? 0
             : pki_library_error(error, ERROR_CERTIFICATE, status,
                                 "the TLS library refuses the certificate in %s", chain_path);
}

int pki_credentials_load(const char *chain_path, const char *key_path,
                         struct pki_credentials **credentials, struct error *error) {
  *credentials = NULL;
  struct pki_certificates chain = {0};
  struct pki_key *key = NULL;
  struct pki_credentials *loaded = calloc(1, sizeof(*loaded));
  if (loaded == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for credentials");
  }
  int code;
  (void)((code = pki_certificates_load(chain_path, &chain, error)) ||
         (code = pki_key_load(key_path, &key, error)) ||
         (code = check_pair(&chain, key, chain_path, key_path, error)) ||
         (code = fill(loaded, &chain, key, chain_path, error)));
  pki_key_free(key);
  pki_certificates_clear(&chain);
  if (code != 0) {
    pki_credentials_free(loaded);
    return code;
  }
  *credentials = loaded;
  return 0;
}

void pki_credentials_free(struct pki_credentials *credentials) {
  if (credentials == NULL) {
    return;
  }
  if (credentials->handle != NULL) {
    gnutls_certificate_free_credentials(credentials->handle);
  }
  for (size_t i = 0; i < credentials->count; i++) {
    free(credentials->der[i].data);
  }
  free(credentials);
}

int pki_credentials_verify(const struct pki_credentials *credentials, const struct pki_trust *trust,
                           enum pki_purpose purpose, int64_t now, struct pki_identity *identity,
                           struct error *error) {
  struct span chain[PKI_CHAIN_WITH_ROOT_MAX];
  for (size_t i = 0; i < credentials->count; i++) {
    chain[i] = (struct span){credentials->der[i].data, credentials->der[i].size};
  }
  return pki_trust_verify(trust, chain, credentials->count, purpose, now, identity, error);
}

gnutls_certificate_credentials_t pki_credentials_handle(const struct pki_credentials *credentials) {
  return credentials->handle;
}

int pki_credentials_chain(const struct pki_credentials *credentials, struct span *chain, size_t max,
                          size_t *count, struct error *error) {
  *count = 0;
  for (size_t i = 0; i < credentials->count; i++) {
    struct span der = {credentials->der[i].data, credentials->der[i].size};
    gnutls_x509_crt_t certificate;
    int code = pki_certificate_parse(der, "our own certificate", &certificate, error);
    if (code != 0) {
      return code;
    }
    /* A certificate that is its own issuer is the root, which the peer has. */
    bool is_root = gnutls_x509_crt_check_issuer(certificate, certificate) != 0;
    gnutls_x509_crt_deinit(certificate);
    if (is_root) {
      break;
    }
    if (*count == max) {
      return error_set(error, ERROR_LIMIT, "our own certificate chain has more than %zu", max);
    }
    chain[(*count)++] = der;
  }
  return 0;
}

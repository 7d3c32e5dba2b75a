#include "pki/signature.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "pki/gnutls_handle.h"
#include "pki/library_error.h"

/* Certificates and keys of a set of credentials are copies that the caller frees. */
static int credentials_key(const struct pki_credentials *credentials, gnutls_privkey_t *out,
                           struct error *error) {
  gnutls_x509_privkey_t key;
  gnutls_privkey_t abstract;
  int status = gnutls_certificate_get_x509_key(pki_credentials_handle(credentials), 0, &key);
  if (status != 0) {
    return pki_library_error(error, ERROR_TLS, status, "cannot read our own private key");
  }
  status = gnutls_privkey_init(&abstract);
  if (status == 0) {
    status = gnutls_privkey_import_x509(abstract, key, GNUTLS_PRIVKEY_IMPORT_COPY);
    if (status != 0) {
      gnutls_privkey_deinit(abstract);
    }
  }
  gnutls_x509_privkey_deinit(key);
  if (status != 0) {
    return pki_library_error(error, ERROR_TLS, status, "cannot use our own private key");
  }
  *out = abstract;
  return 0;
}

int pki_sign(const struct pki_credentials *credentials, struct span data, uint8_t **signature,
             size_t *size, struct error *error) {
  gnutls_privkey_t key = NULL;
  int code = credentials_key(credentials, &key, error);
  if (code != 0) {
    return code;
  }
  const gnutls_datum_t bytes = {.data = (unsigned char *)(uintptr_t)data.data,
                                .size = (unsigned)data.size};
  gnutls_datum_t made = {0};
  int status = gnutls_privkey_sign_data(key, GNUTLS_DIG_SHA256, 0, &bytes, &made);
  gnutls_privkey_deinit(key);
  if (status != 0) {
    return pki_library_error(error, ERROR_TLS, status, "cannot sign");
  }
  uint8_t *copy = malloc(made.size);
  if (copy == NULL) {
    gnutls_free(made.data);
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a signature");
  }
  memcpy(copy, made.data, made.size);
  *signature = copy;
  *size = made.size;
  gnutls_free(made.data);
  return 0;
}

int pki_signature_verify(const struct pki_trust *trust, const struct span *chain, size_t count,
                         enum pki_purpose purpose, int64_t now, struct span data,
                         struct span signature, struct pki_identity *identity,
                         struct error *error) {
  int code = pki_trust_verify(trust, chain, count, purpose, now, identity, error);
  if (code != 0) {
    return code;
  }
  gnutls_x509_crt_t leaf;
  gnutls_pubkey_t key = NULL;
  int status = gnutls_x509_crt_init(&leaf);
  if (status != 0) {
    return pki_library_error(error, ERROR_NO_MEMORY, status, "cannot verify a signature");
  }
  const gnutls_datum_t der = {.data = (unsigned char *)(uintptr_t)chain[0].data,
                              .size = (unsigned)chain[0].size};
  const gnutls_datum_t bytes = {.data = (unsigned char *)(uintptr_t)data.data,
                                .size = (unsigned)data.size};
  const gnutls_datum_t claim = {.data = (unsigned char *)(uintptr_t)signature.data,
                                .size = (unsigned)signature.size};
  status = gnutls_x509_crt_import(leaf, &der, GNUTLS_X509_FMT_DER);
  if (status == 0) {
    status = gnutls_pubkey_init(&key);
  }
  if (status == 0) {
    status = gnutls_pubkey_import_x509(key, leaf, 0);
  }
  if (status == 0) {
    status = gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, &bytes, &claim);
  }
  if (key != NULL) {
    gnutls_pubkey_deinit(key);
  }
  gnutls_x509_crt_deinit(leaf);
  return status < 0 ? pki_library_error(error, ERROR_CERTIFICATE, status,
                                        "the signature is not by %s", identity->name)
                    : 0;
}

/* Certificate signing requests (PKCS #10, RFC 2986). */
#include "pki/request.h"

#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/certificate.h"
#include "pki/key_handle.h"
#include "pki/library_error.h"

int pki_request_new(const struct pki_key *key, const char *name, uint8_t **der, size_t *size,
                    struct error *error) {
  *der = NULL;
  *size = 0;
  gnutls_x509_crq_t request = NULL;
  gnutls_datum_t out = {0};
  gnutls_x509_privkey_t handle = pki_key_handle(key);
  int status;
  (void)((status = gnutls_x509_crq_init(&request)) ||
         (status = gnutls_x509_crq_set_version(request, 1)) ||
         (status = gnutls_x509_crq_set_dn_by_oid(request, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                                 (unsigned)strlen(name))) ||
         (status = gnutls_x509_crq_set_key(request, handle)) ||
         (status = gnutls_x509_crq_sign2(request, handle, GNUTLS_DIG_SHA256, 0)) ||
         (status = gnutls_x509_crq_export2(request, GNUTLS_X509_FMT_DER, &out)));
  int code = 0;
  if (status != 0) {
    code = pki_library_error(error, ERROR_TLS, status,
                             "cannot make a certificate request for \"%s\"", name);
  } else if ((*der = malloc(out.size)) == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "no memory for a certificate request");
  } else {
    memcpy(*der, out.data, out.size);
    *size = out.size;
  }
  gnutls_free(out.data);
  gnutls_x509_crq_deinit(request);
  return code;
}

int pki_request_public_key(struct span request, gnutls_pubkey_t *public_key, struct error *error) {
  *public_key = NULL;
  if (request.size == 0 || request.size > PKI_CERTIFICATE_MAX) {
    return error_set(error, ERROR_CERTIFICATE,
                     "a certificate request of %zu bytes is refused: 1 to %d are accepted",
                     request.size, PKI_CERTIFICATE_MAX);
  }
  gnutls_x509_crq_t parsed = NULL;
  gnutls_pubkey_t key = NULL;
  gnutls_datum_t der = pki_datum(request);
  int code = 0, status;
  (void)((status = gnutls_x509_crq_init(&parsed)) || (status = gnutls_pubkey_init(&key)) ||
         (status = gnutls_x509_crq_import(parsed, &der, GNUTLS_X509_FMT_DER)) ||
         (status = gnutls_pubkey_import_x509_crq(key, parsed, 0)));
  if (status != 0) {
    code = pki_library_error(error, ERROR_CERTIFICATE, status,
                             "the certificate request is not valid PKCS #10 in DER");
    goto out;
  }
  /* Before the signature, so that a stranger can't make us verify with a huge RSA key. */
  if (!pki_public_key_is_ours(key)) {
    code = error_set(error, ERROR_CERTIFICATE,
                     "the key in the certificate request is not ECDSA on P-256, which is the only "
                     "kind this network accepts");
    goto out;
  }
  status = gnutls_x509_crq_verify(parsed, 0);
  if (status < 0) {
    code = pki_library_error(error, ERROR_CERTIFICATE, status,
                             "the certificate request is not signed by the key it asks for");
    goto out;
  }
  *public_key = key;
  key = NULL;
out:
  gnutls_pubkey_deinit(key);
  gnutls_x509_crq_deinit(parsed);
  return code;
}

int pki_request_key_hash(struct span request, uint8_t hash[static PKI_HASH_SIZE],
                         struct error *error) {
  gnutls_pubkey_t public_key;
  int code = pki_request_public_key(request, &public_key, error);
  if (code == 0) {
    code = pki_public_key_hash(public_key, hash, error);
    gnutls_pubkey_deinit(public_key);
  }
  return code;
}

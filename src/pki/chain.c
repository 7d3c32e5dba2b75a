#include "pki/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "pki/certificate.h"
#include "pki/library_error.h"

/* PEM takes 4/3 of DER and a line break in 64 bytes. */
enum { CHAIN_FILE_MAX = PKI_CHAIN_WITH_ROOT_MAX * PKI_CERTIFICATE_MAX * 3 / 2 };

void pki_certificates_clear(struct pki_certificates *certificates) {
  for (size_t i = 0; i < certificates->count; i++) {
    gnutls_x509_crt_deinit(certificates->handle[i]);
  }
  memset(certificates, 0, sizeof(*certificates));
}

int pki_certificates_load(const char *path, struct pki_certificates *certificates,
                          struct error *error) {
  memset(certificates, 0, sizeof(*certificates));
  uint8_t *data;
  size_t size;
  int code = file_read(path, CHAIN_FILE_MAX, &data, &size, error);
  if (code != 0) {
    return code;
  }
  gnutls_datum_t pem = {.data = data, .size = (unsigned)size};
  gnutls_x509_crt_t *list = NULL;
  unsigned count = 0;
  int status = gnutls_x509_crt_list_import2(&list, &count, &pem, GNUTLS_X509_FMT_PEM,
                                            GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
  free(data);
  if (status < 0) {
    return pki_library_error(error, ERROR_CERTIFICATE, status,
                             "%s does not hold certificates in PEM, each issued by the next", path);
  }
  for (unsigned i = 0; i < count; i++) {
    if (i < PKI_CHAIN_WITH_ROOT_MAX) {
      certificates->handle[certificates->count++] = list[i];
    } else {
      gnutls_x509_crt_deinit(list[i]);
    }
  }
  gnutls_free(list);
  if (count == 0 || count > PKI_CHAIN_WITH_ROOT_MAX) {
    pki_certificates_clear(certificates);
    return error_set(error, ERROR_CERTIFICATE, "%s holds %u certificates, and 1 to %d are accepted",
                     path, count, PKI_CHAIN_WITH_ROOT_MAX);
  }
  return 0;
}

int pki_certificates_save(const struct pki_certificates *certificates, const char *path,
                          struct error *error) {
  gnutls_datum_t pem[PKI_CHAIN_WITH_ROOT_MAX] = {0};
  char *text = NULL;
  size_t size = 0;
  int code = 0;
  for (size_t i = 0; i < certificates->count; i++) {
    int status = gnutls_x509_crt_export2(certificates->handle[i], GNUTLS_X509_FMT_PEM, &pem[i]);
    if (status != 0) {
      code = pki_library_error(error, ERROR_TLS, status, "cannot write a certificate to %s", path);
      goto out;
    }
    size += pem[i].size;
  }
  text = malloc(size);
  if (text == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "no memory to write %s", path);
    goto out;
  }
  size_t used = 0;
  for (size_t i = 0; i < certificates->count; i++) {
    memcpy(text + used, pem[i].data, pem[i].size);
    used += pem[i].size;
  }
  code = file_create(path, text, size, 0644, error);
out:
  free(text);
  for (size_t i = 0; i < certificates->count; i++) {
    gnutls_free(pem[i].data);
  }
  return code;
}

int pki_certificate_export(gnutls_x509_crt_t certificate, uint8_t **der, size_t *size,
                           struct error *error) {
  *der = NULL;
  *size = 0;
  gnutls_datum_t out = {0};
  int status = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &out);
  if (status != 0) {
    return pki_library_error(error, ERROR_TLS, status, "cannot encode a certificate");
  }
  /* A copy, since GnuTLS may have an allocator of its own and our callers use free(). */
  uint8_t *copy = malloc(out.size);
  if (copy != NULL) {
    memcpy(copy, out.data, out.size);
    *der = copy;
    *size = out.size;
  }
  gnutls_free(out.data);
  return copy == NULL ? error_set(error, ERROR_NO_MEMORY, "no memory for a certificate") : 0;
}

enum {
  /* Time is the caller's business: it passes its own clock. */
  VERIFY_FLAGS = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS |
                 GNUTLS_VERIFY_DISABLE_CRL_CHECKS | GNUTLS_VERIFY_DO_NOT_ALLOW_X509_V1_CA_CRT |
                 GNUTLS_VERIFY_DO_NOT_ALLOW_UNSORTED_CHAIN,
};

bool pki_certificate_is_self_signed(gnutls_x509_crt_t certificate) {
  unsigned result = 0;
  /* DO_NOT_ALLOW_SAME makes GnuTLS look at the signature instead of recognising the certificate in
   * the list of those trusted. */
  return gnutls_x509_crt_check_issuer(certificate, certificate) != 0 &&
         gnutls_x509_crt_verify(certificate, &certificate, 1,
                                VERIFY_FLAGS | GNUTLS_VERIFY_DO_NOT_ALLOW_SAME, &result) == 0 &&
         result == 0;
}

static int refused(unsigned result, struct error *error) {
  gnutls_datum_t text = {0};
  if ((result & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) {
    return error_set(error, ERROR_CERTIFICATE,
                     "the certificate was not issued under this network's root certificate: it "
                     "belongs to another network");
  }
  if (gnutls_certificate_verification_status_print(result, GNUTLS_CRT_X509, &text, 0) != 0) {
    return error_set(error, ERROR_CERTIFICATE, "the certificate chain does not hold");
  }
  int code =
      error_set(error, ERROR_CERTIFICATE, "the certificate chain does not hold: %s", text.data);
  gnutls_free(text.data);
  return code;
}

int pki_certificates_check_signatures(const struct pki_certificates *certificates,
                                      struct error *error) {
  size_t last = certificates->count - 1;
  for (size_t i = 0; i < last; i++) {
    /* A straight line only: GnuTLS would also search. */
    if (gnutls_x509_crt_check_issuer(certificates->handle[i], certificates->handle[i + 1]) == 0) {
      return i + 1 == last
                 ? refused(GNUTLS_CERT_SIGNER_NOT_FOUND, error)
                 : error_set(error, ERROR_CERTIFICATE,
                             "certificate %zu of the chain was not issued by the one after it",
                             i + 1);
    }
  }
  struct pki_certificates list = *certificates;
  gnutls_x509_trust_list_t trusted = NULL;
  int status = gnutls_x509_trust_list_init(&trusted, 1);
  if (status == 0) {
    status = gnutls_x509_trust_list_add_cas(trusted, &list.handle[last], 1, 0) == 1
                 ? 0
                 : GNUTLS_E_CERTIFICATE_ERROR;
  }
  unsigned result = GNUTLS_CERT_INVALID;
  if (status == 0) {
    status = gnutls_x509_trust_list_verify_crt2(trusted, list.handle, (unsigned)last, NULL, 0,
                                                VERIFY_FLAGS, &result, NULL);
  }
  if (trusted != NULL) {
    gnutls_x509_trust_list_deinit(trusted, 0);
  }
  if (status != 0) {
    return pki_library_error(error, ERROR_CERTIFICATE, status,
                             "the certificate chain can't be verified");
  }
  return result == 0 ? 0 : refused(result, error);
}

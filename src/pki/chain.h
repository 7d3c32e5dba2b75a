/* Certificates one issued by the next: in files, and checked. Leaf (or the lowest authority) first.
 * For pki/ alone. */
#ifndef CYPHONIC_PKI_CHAIN_H
#define CYPHONIC_PKI_CHAIN_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pki/ca.h"

enum { PKI_CHAIN_WITH_ROOT_MAX = PKI_CHAIN_MAX + 1 };

struct pki_certificates {
  size_t count;
  gnutls_x509_crt_t handle[PKI_CHAIN_WITH_ROOT_MAX];
};

void pki_certificates_clear(struct pki_certificates *certificates);

/* Reads a PEM file of 1 to PKI_CHAIN_WITH_ROOT_MAX certificates, each issued by the next. */
int pki_certificates_load(const char *path, struct pki_certificates *certificates,
                          struct error *error) MUST_CHECK;

/* Writes them as PEM, mode 0644, never over a file that exists. */
int pki_certificates_save(const struct pki_certificates *certificates, const char *path,
                          struct error *error) MUST_CHECK;

/* DER in a new buffer that the caller frees with free(). */
int pki_certificate_export(gnutls_x509_crt_t certificate, uint8_t **der, size_t *size,
                           struct error *error) MUST_CHECK;

/* True if the certificate names itself as issuer and its own key signed it. */
bool pki_certificate_is_self_signed(gnutls_x509_crt_t certificate);

/* That each certificate is signed by the next, the last of which is trusted, and everything else
 * GnuTLS knows to check about a path (name constraints, unknown critical extensions), time
 * excepted. */
int pki_certificates_check_signatures(const struct pki_certificates *certificates,
                                      struct error *error) MUST_CHECK;

#endif

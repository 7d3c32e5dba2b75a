/* Makes certificates of all kinds from one description. For pki/ alone. */
#ifndef CYPHONIC_PKI_MAKER_H
#define CYPHONIC_PKI_MAKER_H

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "pki/key.h"

struct pki_certificate_terms {
  const char *common_name;  /* for people; identity is in the names below */
  const char *organisation; /* NULL: none */
  gnutls_pubkey_t public_key;
  const char *purpose_oid; /* NULL: not restricted */
  bool authority;
  int path_length;                    /* of an authority; negative: no limit */
  const char *permitted_domain;       /* NULL: any */
  const char *dns_name;               /* NULL: none */
  const struct ip_address *addresses; /* in the SAN */
  size_t address_count;
  int64_t not_before, not_after;
};

/* `issuer` is NULL for a certificate that signs itself with `issuer_key`. The serial number is
 * random. The caller frees with gnutls_x509_crt_deinit. */
int pki_certificate_make(const struct pki_certificate_terms *terms, gnutls_x509_crt_t issuer,
                         const struct pki_key *issuer_key, gnutls_x509_crt_t *certificate,
                         struct error *error) MUST_CHECK;

#endif

/* One certificate: how it is read, and the rules it must keep by itself (design 2). Everything here
 * takes hostile input. `what` names the certificate in messages ("the root certificate"). For pki/
 * alone. */
#ifndef CYPHONIC_PKI_CERTIFICATE_H
#define CYPHONIC_PKI_CERTIFICATE_H

#include <gnutls/x509.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"
#include "pki/identity.h"

enum {
  PKI_CERTIFICATE_MAX = 16384, /* bytes of DER; ours have about 500 */
  PKI_PURPOSES_MAX = 16,       /* extended key usages looked at in one certificate */
};

/* The object identifier of our extended key usage for `purpose`. */
const char *pki_purpose_oid(enum pki_purpose purpose);

/* GnuTLS's view of bytes that it only reads. */
gnutls_datum_t pki_datum(struct span bytes);

/* The caller frees with gnutls_x509_crt_deinit. */
int pki_certificate_parse(struct span der, const char *what, gnutls_x509_crt_t *certificate,
                          struct error *error) MUST_CHECK;

/* SHA-256 of a certificate's SubjectPublicKeyInfo; ERROR_CERTIFICATE for another key than ours. */
int pki_certificate_key_hash(gnutls_x509_crt_t certificate, const char *what,
                             uint8_t hash[static PKI_HASH_SIZE], struct error *error) MUST_CHECK;

/* That it is X.509 version 3, may sign certificates, has our kinds of key and signature, allows
 * `below` authorities between itself and a leaf, and bears `purpose` if it restricts purposes. */
int pki_certificate_check_authority(gnutls_x509_crt_t certificate, const char *what, size_t below,
                                    enum pki_purpose purpose, struct error *error) MUST_CHECK;

/* That it is X.509 version 3, may not sign certificates but handshakes, has our kinds of key and
 * signature, and bears `purpose` and no other. */
int pki_certificate_check_leaf(gnutls_x509_crt_t certificate, const char *what,
                               enum pki_purpose purpose, struct error *error) MUST_CHECK;

/* That an authority's name constraints permit `name`. */
int pki_certificate_check_name(gnutls_x509_crt_t authority, const char *what, const char *name,
                               struct error *error) MUST_CHECK;

/* ERROR_EXPIRED unless `now` lies within the certificate's time. */
int pki_certificate_check_time(gnutls_x509_crt_t certificate, const char *what, int64_t now,
                               struct error *error) MUST_CHECK;

/* Begin and end in seconds since 1970. */
int pki_certificate_times(gnutls_x509_crt_t certificate, const char *what, int64_t *not_before,
                          int64_t *not_after, struct error *error) MUST_CHECK;

/* What a leaf says, with the rules for its names and addresses; `der` is its own encoding. */
int pki_certificate_identity(gnutls_x509_crt_t certificate, struct span der, const char *what,
                             enum pki_purpose purpose, struct pki_identity *identity,
                             struct error *error) MUST_CHECK;

enum { PKI_TIME_TEXT_SIZE = 48 };
/* "2026-03-01 12:00:00 UTC"; writes to and returns `text`. */
const char *pki_time_text(int64_t seconds, char text[static PKI_TIME_TEXT_SIZE]);

#endif

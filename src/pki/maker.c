#include "pki/maker.h"

#include <string.h>

#include "base/random.h"
#include "pki/key_handle.h"
#include "pki/library_error.h"

enum { KEY_ID_SIZE = 20 };

static int set_serial(gnutls_x509_crt_t certificate) {
  uint8_t serial[PKI_SERIAL_SIZE];
  random_bytes(serial, sizeof(serial));
  /* Positive, and never with a leading zero byte, which would not be DER. */
  serial[0] = (serial[0] & 0x7f) | 0x40;
  return gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
}

static int set_subject(gnutls_x509_crt_t certificate, const struct pki_certificate_terms *terms) {
  int status = 0;
  if (terms->organisation != NULL) {
    status =
        gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
                                      terms->organisation, (unsigned)strlen(terms->organisation));
  }
  return status != 0 ? status
                     : gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0,
                                                     terms->common_name,
                                                     (unsigned)strlen(terms->common_name));
}

static int set_names(gnutls_x509_crt_t certificate, const struct pki_certificate_terms *terms) {
  int status = 0;
  if (terms->dns_name != NULL) {
    status =
        gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, terms->dns_name,
                                             (unsigned)strlen(terms->dns_name), GNUTLS_FSAN_SET);
  }
  for (size_t i = 0; status == 0 && i < terms->address_count; i++) {
    const struct ip_address *ip = &terms->addresses[i];
    status =
        gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, ip->bytes,
                                             (unsigned)ip_address_size(ip), GNUTLS_FSAN_APPEND);
  }
  return status;
}

static int set_permitted_domain(gnutls_x509_crt_t certificate, const char *domain) {
  gnutls_x509_name_constraints_t constraints;
  int status = gnutls_x509_name_constraints_init(&constraints);
  if (status != 0) {
    return status;
  }
  gnutls_datum_t name = {.data = (unsigned char *)domain, .size = (unsigned)strlen(domain)};
  status = gnutls_x509_name_constraints_add_permitted(constraints, GNUTLS_SAN_DNSNAME, &name);
  if (status == 0) {
    status = gnutls_x509_crt_set_name_constraints(certificate, constraints, 1);
  }
  gnutls_x509_name_constraints_deinit(constraints);
  return status;
}

static int set_rights(gnutls_x509_crt_t certificate, const struct pki_certificate_terms *terms) {
  unsigned usage = terms->authority ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
                                    : GNUTLS_KEY_DIGITAL_SIGNATURE;
  int status =
      gnutls_x509_crt_set_basic_constraints(certificate, terms->authority, terms->path_length);
  if (status == 0) {
    status = gnutls_x509_crt_set_key_usage(certificate, usage);
  }
  if (status == 0 && terms->purpose_oid != NULL) {
    /* Critical, so that software that knows nothing of our purposes does not take it for its own.
     */
    status = gnutls_x509_crt_set_key_purpose_oid(certificate, terms->purpose_oid, 1);
  }
  if (status == 0 && terms->permitted_domain != NULL) {
    status = set_permitted_domain(certificate, terms->permitted_domain);
  }
  return status;
}

static int set_key(gnutls_x509_crt_t certificate, gnutls_pubkey_t public_key) {
  uint8_t id[PKI_HASH_SIZE];
  size_t size = sizeof(id);
  int status = gnutls_x509_crt_set_pubkey(certificate, public_key);
  if (status == 0) {
    status = gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, id, &size);
  }
  /* The first 160 bits (RFC 7093 section 2). */
  return status != 0 ? status : gnutls_x509_crt_set_subject_key_id(certificate, id, KEY_ID_SIZE);
}

static int set_issuer(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer) {
  uint8_t id[PKI_HASH_SIZE];
  size_t size = sizeof(id);
  int status = gnutls_x509_crt_get_subject_key_id(issuer, id, &size, NULL);
  return status != 0 ? status : gnutls_x509_crt_set_authority_key_id(certificate, id, size);
}

int pki_certificate_make(const struct pki_certificate_terms *terms, gnutls_x509_crt_t issuer,
                         const struct pki_key *issuer_key, gnutls_x509_crt_t *certificate,
                         struct error *error) {
  *certificate = NULL;
  gnutls_x509_crt_t made = NULL;
  int status;
  (void)((status = gnutls_x509_crt_init(&made)) ||
         (status = gnutls_x509_crt_set_version(made, 3)) || (status = set_serial(made)) ||
         (status = set_subject(made, terms)) || (status = set_key(made, terms->public_key)) ||
         (status = set_rights(made, terms)) || (status = set_names(made, terms)) ||
         (status = gnutls_x509_crt_set_activation_time(made, (time_t)terms->not_before)) ||
         (status = gnutls_x509_crt_set_expiration_time(made, (time_t)terms->not_after)) ||
         (status = set_issuer(made, issuer == NULL ? made : issuer)) ||
         (status = gnutls_x509_crt_sign2(made, issuer == NULL ? made : issuer,
                                         pki_key_handle(issuer_key), GNUTLS_DIG_SHA256, 0)));
  if (status != 0) {
    gnutls_x509_crt_deinit(made);
    return pki_library_error(error, ERROR_TLS, status, "cannot make the certificate of %s",
                             terms->dns_name != NULL ? terms->dns_name : terms->common_name);
  }
  *certificate = made;
  return 0;
}

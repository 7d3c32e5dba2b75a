#include "pki/certificate.h"

#include <gnutls/x509-ext.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pki/digest.h"
#include "pki/key_handle.h"
#include "pki/library_error.h"
#include "pki/name.h"

enum { OID_TEXT_SIZE = 128 };

static const char subject_alt_name_oid[] = "2.5.29.17";

gnutls_datum_t pki_datum(struct span bytes) {
  return (gnutls_datum_t){.data = (unsigned char *)bytes.data, .size = (unsigned)bytes.size};
}

int pki_certificate_parse(struct span der, const char *what, gnutls_x509_crt_t *certificate,
                          struct error *error) {
  *certificate = NULL;
  if (der.size == 0 || der.size > PKI_CERTIFICATE_MAX) {
    return error_set(error, ERROR_CERTIFICATE, "%s has %zu bytes, and 1 to %d are accepted", what,
                     der.size, PKI_CERTIFICATE_MAX);
  }
  gnutls_x509_crt_t parsed;
  if (gnutls_x509_crt_init(&parsed) != 0) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a certificate");
  }
  gnutls_datum_t datum = pki_datum(der);
  int status = gnutls_x509_crt_import(parsed, &datum, GNUTLS_X509_FMT_DER);
  if (status != 0) {
    gnutls_x509_crt_deinit(parsed);
    return pki_library_error(error, ERROR_CERTIFICATE, status, "%s is not valid X.509 in DER",
                             what);
  }
  *certificate = parsed;
  return 0;
}

int pki_certificate_key_hash(gnutls_x509_crt_t certificate, const char *what,
                             uint8_t hash[static PKI_HASH_SIZE], struct error *error) {
  gnutls_pubkey_t public_key = NULL;
  if (gnutls_pubkey_init(&public_key) != 0) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a public key");
  }
  int code;
  if (gnutls_pubkey_import_x509(public_key, certificate, 0) != 0 ||
      !pki_public_key_is_ours(public_key)) {
    code = error_set(error, ERROR_CERTIFICATE,
                     "the key in %s is not ECDSA on P-256, which is the only kind accepted", what);
  } else {
    code = pki_public_key_hash(public_key, hash, error);
  }
  gnutls_pubkey_deinit(public_key);
  return code;
}

static int check_common(gnutls_x509_crt_t certificate, const char *what, struct error *error) {
  if (gnutls_x509_crt_get_version(certificate) != 3) {
    return error_set(error, ERROR_CERTIFICATE, "%s is not X.509 version 3", what);
  }
  if (gnutls_x509_crt_get_signature_algorithm(certificate) != GNUTLS_SIGN_ECDSA_SHA256) {
    return error_set(error, ERROR_CERTIFICATE,
                     "the signature of %s is not ECDSA with SHA-256, which is the only kind "
                     "accepted",
                     what);
  }
  uint8_t hash[PKI_HASH_SIZE];
  return pki_certificate_key_hash(certificate, what, hash, error);
}

/* Exact object identifiers only: anyExtendedKeyUsage is just another purpose that is not ours. */
static int count_purposes(gnutls_x509_crt_t certificate, const char *what, const char *oid,
                          unsigned *total, bool *bears, struct error *error) {
  *bears = false;
  for (*total = 0; *total <= PKI_PURPOSES_MAX; ++*total) {
    char text[OID_TEXT_SIZE];
    size_t size = sizeof(text);
    int status = gnutls_x509_crt_get_key_purpose_oid(certificate, *total, text, &size, NULL);
    if (status == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
      return 0;
    }
    if (status != 0 && status != GNUTLS_E_SHORT_MEMORY_BUFFER) {
      return pki_library_error(error, ERROR_CERTIFICATE, status,
                               "the extended key usage of %s can't be read", what);
    }
    *bears = *bears || (status == 0 && strcmp(text, oid) == 0);
  }
  return error_set(error, ERROR_CERTIFICATE, "%s has more than %d extended key usages", what,
                   PKI_PURPOSES_MAX);
}

int pki_certificate_check_authority(gnutls_x509_crt_t certificate, const char *what, size_t below,
                                    enum pki_purpose purpose, struct error *error) {
  int code = check_common(certificate, what, error);
  if (code != 0) {
    return code;
  }
  unsigned authority = 0, usage = 0;
  int path_length = -1;
  if (gnutls_x509_crt_get_basic_constraints(certificate, NULL, &authority, &path_length) < 0 ||
      authority == 0 || gnutls_x509_crt_get_key_usage(certificate, &usage, NULL) != 0 ||
      (usage & GNUTLS_KEY_KEY_CERT_SIGN) == 0) {
    return error_set(error, ERROR_CERTIFICATE,
                     "%s is not that of a certificate authority, and yet another was issued by it",
                     what);
  }
  if (path_length >= 0 && (size_t)path_length < below) {
    return error_set(error, ERROR_CERTIFICATE,
                     "%s allows %d authorities below itself, and the chain has %zu", what,
                     path_length, below);
  }
  unsigned total;
  bool bears;
  code = count_purposes(certificate, what, pki_purpose_oid(purpose), &total, &bears, error);
  if (code == 0 && total > 0 && !bears) {
    code = error_set(error, ERROR_CERTIFICATE, "%s may not issue certificates for purpose %s", what,
                     pki_purpose_name(purpose));
  }
  return code;
}

int pki_certificate_check_leaf(gnutls_x509_crt_t certificate, const char *what,
                               enum pki_purpose purpose, struct error *error) {
  int code = check_common(certificate, what, error);
  if (code != 0) {
    return code;
  }
  unsigned authority = 0, usage = 0;
  int status = gnutls_x509_crt_get_basic_constraints(certificate, NULL, &authority, NULL);
  if ((status < 0 && status != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) ||
      (status >= 0 && authority != 0)) {
    return error_set(error, ERROR_CERTIFICATE,
                     "%s is that of a certificate authority, which can be neither node nor service",
                     what);
  }
  if (gnutls_x509_crt_get_key_usage(certificate, &usage, NULL) != 0 ||
      usage != GNUTLS_KEY_DIGITAL_SIGNATURE) {
    return error_set(error, ERROR_CERTIFICATE,
                     "the key usage of %s is not digitalSignature and nothing else", what);
  }
  unsigned total;
  bool bears;
  code = count_purposes(certificate, what, pki_purpose_oid(purpose), &total, &bears, error);
  if (code == 0 && (total != 1 || !bears)) {
    code = error_set(error, ERROR_CERTIFICATE,
                     "%s does not bear the purpose %s and no other: it was made for something else",
                     what, pki_purpose_name(purpose));
  }
  return code;
}

int pki_certificate_check_name(gnutls_x509_crt_t authority, const char *what, const char *name,
                               struct error *error) {
  gnutls_x509_name_constraints_t constraints;
  if (gnutls_x509_name_constraints_init(&constraints) != 0) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for name constraints");
  }
  int code = 0;
  int status = gnutls_x509_crt_get_name_constraints(authority, constraints, 0, NULL);
  gnutls_datum_t datum = pki_datum((struct span){(const uint8_t *)name, strlen(name)});
  if (status < 0 && status != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
    code = pki_library_error(error, ERROR_CERTIFICATE, status,
                             "the name constraints of %s can't be read", what);
  } else if (status >= 0 &&
             gnutls_x509_name_constraints_check(constraints, GNUTLS_SAN_DNSNAME, &datum) == 0) {
    code = error_set(error, ERROR_CERTIFICATE,
                     "%s may issue for names of its own domain only, and %s is none", what, name);
  }
  gnutls_x509_name_constraints_deinit(constraints);
  return code;
}

const char *pki_time_text(int64_t seconds, char text[static PKI_TIME_TEXT_SIZE]) {
  time_t value = (time_t)seconds;
  struct tm parts;
  if (gmtime_r(&value, &parts) == NULL ||
      strftime(text, PKI_TIME_TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
    snprintf(text, PKI_TIME_TEXT_SIZE, "%lld seconds after 1970", (long long)seconds);
  }
  return text;
}

int pki_certificate_times(gnutls_x509_crt_t certificate, const char *what, int64_t *not_before,
                          int64_t *not_after, struct error *error) {
  *not_before = gnutls_x509_crt_get_activation_time(certificate);
  *not_after = gnutls_x509_crt_get_expiration_time(certificate);
  if (*not_before == -1 || *not_after == -1) {
    return error_set(error, ERROR_CERTIFICATE, "the validity of %s can't be read", what);
  }
  return 0;
}

int pki_certificate_check_time(gnutls_x509_crt_t certificate, const char *what, int64_t now,
                               struct error *error) {
  int64_t not_before, not_after;
  int code = pki_certificate_times(certificate, what, &not_before, &not_after, error);
  if (code != 0) {
    return code;
  }
  char limit[PKI_TIME_TEXT_SIZE], present[PKI_TIME_TEXT_SIZE];
  if (now < not_before) {
    return error_set(
        error, ERROR_EXPIRED,
        "%s is not valid before %s, and this computer's clock says %s: check the clock", what,
        pki_time_text(not_before, limit), pki_time_text(now, present));
  }
  if (now > not_after) {
    return error_set(error, ERROR_EXPIRED,
                     "%s was valid until %s, and this computer's clock says %s: check the clock, "
                     "and if it is right, renew the certificate",
                     what, pki_time_text(not_after, limit), pki_time_text(now, present));
  }
  return 0;
}

static int take_name(struct span name, const char *what, struct pki_identity *identity,
                     struct error *error) {
  if (identity->name[0] != '\0') {
    return error_set(error, ERROR_CERTIFICATE, "%s has more than one DNS name", what);
  }
  if (!pki_name_normalise(name, identity->name)) {
    return error_set(error, ERROR_CERTIFICATE,
                     "the DNS name in %s is no plain host name (letters, digits, hyphens and dots; "
                     "no wildcard)",
                     what);
  }
  return 0;
}

static int take_address(struct span bytes, const char *what, struct pki_identity *identity,
                        struct error *error) {
  struct ip_address ip;
  if (ip_address_from_bytes(&ip, bytes.data, bytes.size) != 0) {
    return error_set(error, ERROR_CERTIFICATE, "an IP address in %s has %zu bytes", what,
                     bytes.size);
  }
  struct ip_address *place = ip.family == 4 ? &identity->ipv4 : &identity->ipv6;
  if (ip_address_is_set(place)) {
    return error_set(error, ERROR_CERTIFICATE, "%s has more than one IPv%u address", what,
                     ip.family);
  }
  *place = ip;
  return 0;
}

static int read_subject_alt_names(gnutls_subject_alt_names_t names, const char *what,
                                  struct pki_identity *identity, struct error *error) {
  for (unsigned i = 0;; i++) {
    unsigned type = 0;
    gnutls_datum_t value = {0};
    int status = gnutls_subject_alt_names_get(names, i, &type, &value, NULL);
    if (status == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
      return 0;
    }
    struct span bytes = {value.data, value.size};
    int code;
    if (status < 0 || (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_IPADDRESS)) {
      code = error_set(error, ERROR_CERTIFICATE,
                       "%s has a subject alternative name that is neither DNS name nor IP address",
                       what);
    } else if (type == GNUTLS_SAN_DNSNAME) {
      code = take_name(bytes, what, identity, error);
    } else {
      code = take_address(bytes, what, identity, error);
    }
    /* The second of a kind is refused, so a long list ends here. */
    if (code != 0) {
      return code;
    }
  }
}

static int read_names(gnutls_x509_crt_t certificate, const char *what,
                      struct pki_identity *identity, struct error *error) {
  gnutls_subject_alt_names_t names = NULL;
  gnutls_datum_t extension = {0};
  int status = gnutls_subject_alt_names_init(&names);
  if (status == 0) {
    status = gnutls_x509_crt_get_extension_by_oid2(certificate, subject_alt_name_oid, 0, &extension,
                                                   NULL);
  }
  if (status == 0) {
    status = gnutls_x509_ext_import_subject_alt_names(&extension, names, 0);
  }
  int code = status < 0
                 ? pki_library_error(error, ERROR_CERTIFICATE, status,
                                     "%s has no subject alternative names that can be read", what)
                 : read_subject_alt_names(names, what, identity, error);
  gnutls_free(extension.data);
  if (names != NULL) {
    gnutls_subject_alt_names_deinit(names);
  }
  return code;
}

static int check_names(const struct pki_identity *identity, const char *what, struct error *error) {
  bool ipv4 = ip_address_is_set(&identity->ipv4), ipv6 = ip_address_is_set(&identity->ipv6);
  if (identity->name[0] == '\0') {
    return error_set(error, ERROR_CERTIFICATE, "%s has no DNS name", what);
  }
  if (identity->purpose == PKI_NODE && !(ipv4 && ipv6)) {
    return error_set(error, ERROR_CERTIFICATE,
                     "%s is a node's and has not both an IPv4 and an IPv6 address", what);
  }
  if (identity->purpose != PKI_NODE && (ipv4 || ipv6)) {
    return error_set(error, ERROR_CERTIFICATE, "%s is a service's and bears a node's address",
                     what);
  }
  return 0;
}

static int read_serial(gnutls_x509_crt_t certificate, const char *what,
                       uint8_t serial[static PKI_SERIAL_SIZE], struct error *error) {
  uint8_t bytes[PKI_SERIAL_SIZE];
  size_t size = sizeof(bytes);
  if (gnutls_x509_crt_get_serial(certificate, bytes, &size) != 0 || size == 0 ||
      (bytes[0] & 0x80) != 0) {
    return error_set(error, ERROR_CERTIFICATE,
                     "the serial number of %s is not a positive number of at most %d bytes", what,
                     PKI_SERIAL_SIZE);
  }
  memset(serial, 0, PKI_SERIAL_SIZE - size);
  memcpy(serial + PKI_SERIAL_SIZE - size, bytes, size);
  return 0;
}

int pki_certificate_identity(gnutls_x509_crt_t certificate, struct span der, const char *what,
                             enum pki_purpose purpose, struct pki_identity *identity,
                             struct error *error) {
  memset(identity, 0, sizeof(*identity));
  identity->purpose = purpose;
  pki_digest(der.data, der.size, identity->fingerprint);
  int code;
  (void)((code = read_names(certificate, what, identity, error)) ||
         (code = check_names(identity, what, error)) ||
         (code = read_serial(certificate, what, identity->serial, error)) ||
         (code = pki_certificate_key_hash(certificate, what, identity->public_key, error)) ||
         (code = pki_certificate_times(certificate, what, &identity->not_before,
                                       &identity->not_after, error)));
  return code;
}

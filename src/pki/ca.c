#include "pki/ca.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pki/ca_internal.h"
#include "pki/certificate.h"
#include "pki/digest.h"
#include "pki/key_handle.h"
#include "pki/maker.h"
#include "pki/name.h"

enum { ORGANISATION_MAX = 64 }; /* RFC 5280's ub-organization-name */

static int ca_allocate(struct pki_ca **ca, struct error *error) {
  *ca = calloc(1, sizeof(**ca));
  return *ca == NULL ? error_set(error, ERROR_NO_MEMORY, "no memory for a certificate authority")
                     : 0;
}

/* `issuer` is NULL for a root. Only what differs between the two is in `terms`. */
static int ca_make(struct pki_certificate_terms *terms, const char *domain,
                   const struct pki_ca *issuer, struct pki_ca **ca, struct error *error) {
  struct pki_ca *made = NULL;
  int code = ca_allocate(&made, error);
  if (code != 0) {
    return code;
  }
  terms->organisation = strlen(domain) <= ORGANISATION_MAX ? domain : NULL;
  terms->authority = true;
  gnutls_x509_crt_t certificate = NULL;
  (void)((code = pki_key_new(&made->key, error)) ||
         (code = pki_key_public(made->key, &terms->public_key, error)) ||
         (code =
              pki_certificate_make(terms, issuer == NULL ? NULL : issuer->certificates.handle[0],
                                   issuer == NULL ? made->key : issuer->key, &certificate, error)));
  gnutls_pubkey_deinit(terms->public_key);
  if (code != 0) {
    pki_ca_free(made);
    return code;
  }
  made->certificates.handle[made->certificates.count++] = certificate;
  *ca = made;
  return 0;
}

static int domain_check(const char *domain, char name[static PKI_NAME_SIZE], struct error *error) {
  if (!pki_name_normalise_text(domain, name)) {
    return error_set(error, ERROR_INVALID,
                     "\"%s\" can't be a network's domain: use letters, digits and inner hyphens "
                     "between dots, for example cyphonic.internal",
                     domain);
  }
  return 0;
}

int pki_root_new(const char *domain, int64_t now, struct pki_ca **root, struct error *error) {
  *root = NULL;
  char name[PKI_NAME_SIZE];
  int code = domain_check(domain, name, error);
  if (code != 0) {
    return code;
  }
  struct pki_certificate_terms terms = {
      .common_name = "CYPHONIC root CA",
      .path_length = -1,
      .not_before = now - PKI_BACKDATE_SECONDS,
      .not_after = now + (int64_t)PKI_ROOT_DAYS * PKI_DAY_SECONDS,
  };
  return ca_make(&terms, name, NULL, root, error);
}

int pki_ca_limit_time(const struct pki_ca *ca, int64_t *not_after, struct error *error) {
  for (size_t i = 0; i < ca->certificates.count; i++) {
    int64_t begin, end;
    int code = pki_certificate_times(ca->certificates.handle[i], "the authority's certificate",
                                     &begin, &end, error);
    if (code != 0) {
      return code;
    }
    *not_after = end < *not_after ? end : *not_after;
  }
  return 0;
}

static int add_issuers(struct pki_ca *ca, const struct pki_ca *issuer, struct error *error) {
  for (size_t i = 0; i < issuer->certificates.count; i++) {
    uint8_t *der;
    size_t size;
    int code = pki_certificate_export(issuer->certificates.handle[i], &der, &size, error);
    if (code != 0) {
      return code;
    }
    gnutls_x509_crt_t copy;
    code =
        pki_certificate_parse((struct span){der, size}, "the issuer's certificate", &copy, error);
    free(der);
    if (code != 0) {
      return code;
    }
    ca->certificates.handle[ca->certificates.count++] = copy;
  }
  return 0;
}

int pki_intermediate_new(const struct pki_ca *root, const char *domain, int64_t now,
                         struct pki_ca **intermediate, struct error *error) {
  *intermediate = NULL;
  char name[PKI_NAME_SIZE];
  struct pki_certificate_terms terms = {
      .common_name = "CYPHONIC node CA",
      .purpose_oid = pki_purpose_oid(PKI_NODE),
      .path_length = 0,
      .permitted_domain = name,
      .not_before = now - PKI_BACKDATE_SECONDS,
      .not_after = now + (int64_t)PKI_INTERMEDIATE_DAYS * PKI_DAY_SECONDS,
  };
  int code = domain_check(domain, name, error);
  if (code != 0) {
    return code;
  }
  if (root->certificates.count != 1) {
    return error_set(
        error, ERROR_INVALID,
        "an intermediate authority is issued by the root, not by another intermediate");
  }
  struct pki_ca *made = NULL;
  (void)((code = pki_certificate_check_time(root->certificates.handle[0], "the root certificate",
                                            now, error)) ||
         (code = pki_ca_limit_time(root, &terms.not_after, error)) ||
         (code = ca_make(&terms, name, root, &made, error)) ||
         (code = add_issuers(made, root, error)));
  if (code != 0) {
    pki_ca_free(made);
    return code;
  }
  *intermediate = made;
  return 0;
}

int pki_ca_save(const struct pki_ca *ca, const char *certificate_path, const char *key_path,
                struct error *error) {
  int code = pki_key_save(ca->key, key_path, error);
  if (code != 0) {
    return code;
  }
  code = pki_certificates_save(&ca->certificates, certificate_path, error);
  if (code != 0) {
    (void)unlink(key_path); /* ours, made a moment ago; a key without its certificate is a trap */
  }
  return code;
}

static int ca_check(const struct pki_ca *ca, const char *certificate_path, const char *key_path,
                    struct error *error) {
  const struct pki_certificates *certificates = &ca->certificates;
  gnutls_x509_crt_t root = certificates->handle[certificates->count - 1];
  uint8_t certified[PKI_HASH_SIZE], own[PKI_HASH_SIZE];
  if (certificates->count > PKI_CHAIN_MAX) {
    return error_set(error, ERROR_CERTIFICATE,
                     "%s holds %zu certificates, and an authority has "
                     "at most %d",
                     certificate_path, certificates->count, PKI_CHAIN_MAX);
  }
  if (!pki_certificate_is_self_signed(root)) {
    return error_set(error, ERROR_CERTIFICATE,
                     "%s does not end with the root certificate (its last one is not self-signed)",
                     certificate_path);
  }
  int code = 0;
  for (size_t i = 0; code == 0 && i < certificates->count; i++) {
    code = pki_certificate_check_authority(certificates->handle[i], certificate_path, i, PKI_NODE,
                                           error);
  }
  if (code == 0 && certificates->count > 1) {
    code = pki_certificates_check_signatures(certificates, error);
  }
  (void)(code != 0 ||
         (code = pki_certificate_key_hash(certificates->handle[0], certificate_path, certified,
                                          error)) ||
         (code = pki_key_hash(ca->key, own, error)));
  if (code == 0 && memcmp(certified, own, sizeof(own)) != 0) {
    code = error_set(error, ERROR_CERTIFICATE, "%s is not the key of the certificate in %s",
                     key_path, certificate_path);
  }
  return code;
}

int pki_ca_load(const char *certificate_path, const char *key_path, struct pki_ca **ca,
                struct error *error) {
  *ca = NULL;
  struct pki_ca *loaded = NULL;
  int code;
  (void)((code = ca_allocate(&loaded, error)) ||
         (code = pki_certificates_load(certificate_path, &loaded->certificates, error)) ||
         (code = pki_key_load(key_path, &loaded->key, error)) ||
         (code = ca_check(loaded, certificate_path, key_path, error)));
  if (code != 0) {
    pki_ca_free(loaded);
    return code;
  }
  *ca = loaded;
  return 0;
}

void pki_ca_free(struct pki_ca *ca) {
  if (ca != NULL) {
    pki_certificates_clear(&ca->certificates);
    pki_key_free(ca->key);
    free(ca);
  }
}

int pki_ca_root(const struct pki_ca *ca, uint8_t **der, size_t *size, struct error *error) {
  return pki_certificate_export(ca->certificates.handle[ca->certificates.count - 1], der, size,
                                error);
}

int pki_ca_root_fingerprint(const struct pki_ca *ca, uint8_t hash[static PKI_HASH_SIZE],
                            struct error *error) {
  uint8_t *der;
  size_t size;
  int code = pki_ca_root(ca, &der, &size, error);
  if (code == 0) {
    pki_digest(der, size, hash);
    free(der);
  }
  return code;
}

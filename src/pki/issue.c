#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "pki/ca_internal.h"
#include "pki/certificate.h"
#include "pki/key_handle.h"
#include "pki/maker.h"
#include "pki/name.h"
#include "pki/request.h"

enum { LABEL_SIZE = 64 };

/* The first label: the whole name may exceed what a common name holds (64 characters). */
static const char *common_name(const char *name, char label[static LABEL_SIZE]) {
  snprintf(label, LABEL_SIZE, "%.*s", (int)strcspn(name, "."), name);
  return label;
}

static int subject_name(const char *text, char name[static PKI_NAME_SIZE], struct error *error) {
  if (!pki_name_normalise_text(text, name)) {
    return error_set(error, ERROR_INVALID,
                     "\"%s\" can't be the name in a certificate: use letters, digits and inner "
                     "hyphens between dots",
                     text);
  }
  return 0;
}

/* <folder>/<purpose in lower case><suffix> */
static char *service_path(const char *folder, enum pki_purpose purpose, const char *suffix) {
  char name[16];
  snprintf(name, sizeof(name), "%s%s", pki_purpose_name(purpose), suffix);
  for (char *c = name; *c != '\0'; c++) {
    *c = (char)tolower((unsigned char)*c);
  }
  return file_path(folder, name);
}

static int service_save(const struct pki_key *key, const struct pki_certificates *chain,
                        enum pki_purpose purpose, const char *folder, struct error *error) {
  char *key_path = service_path(folder, purpose, ".key");
  char *chain_path = service_path(folder, purpose, ".crt");
  int code = 0;
  if (key_path == NULL || chain_path == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "no memory for a path in %s", folder);
    goto out;
  }
  code = pki_key_save(key, key_path, error);
  if (code != 0) {
    goto out;
  }
  code = pki_certificates_save(chain, chain_path, error);
  if (code != 0) {
    (void)unlink(key_path); /* ours, made a moment ago; a key without its certificate is a trap */
  }
out:
  free(chain_path);
  free(key_path);
  return code;
}

int pki_issue_service(const struct pki_ca *root, enum pki_purpose purpose, const char *name,
                      int64_t now, const char *folder, struct error *error) {
  if (purpose == PKI_NODE || root->certificates.count != 1) {
    return error_set(error, ERROR_INVALID,
                     "a service's certificate is for AS, NMS or TRS and is issued by the root");
  }
  gnutls_x509_crt_t issuer = root->certificates.handle[0];
  char dns_name[PKI_NAME_SIZE], label[LABEL_SIZE];
  struct pki_certificate_terms terms = {
      .purpose_oid = pki_purpose_oid(purpose),
      .path_length = -1,
      .dns_name = dns_name,
      .not_before = now - PKI_BACKDATE_SECONDS,
      .not_after = now + (int64_t)PKI_SERVICE_DAYS * PKI_DAY_SECONDS,
  };
  struct pki_key *key = NULL;
  struct pki_certificates chain = {0};
  int code;
  (void)((code = subject_name(name, dns_name, error)) ||
         (code = pki_certificate_check_time(issuer, "the root certificate", now, error)) ||
         (code = pki_ca_limit_time(root, &terms.not_after, error)) ||
         (code = pki_key_new(&key, error)) ||
         (code = pki_key_public(key, &terms.public_key, error)));
  if (code == 0) {
    terms.common_name = common_name(dns_name, label);
    code = pki_certificate_make(&terms, issuer, root->key, &chain.handle[0], error);
  }
  if (code == 0) {
    chain.handle[1] = issuer;
    chain.count = 2;
    code = service_save(key, &chain, purpose, folder, error);
  }
  gnutls_x509_crt_deinit(chain.handle[0]);
  gnutls_pubkey_deinit(terms.public_key);
  pki_key_free(key);
  return code;
}

void pki_chain_clear(struct pki_chain *chain) {
  for (size_t i = 0; i < chain->count; i++) {
    free(chain->certificate[i].data);
  }
  memset(chain, 0, sizeof(*chain));
}

static int chain_add(struct pki_chain *chain, gnutls_x509_crt_t certificate, struct error *error) {
  size_t i = chain->count;
  int code = pki_certificate_export(certificate, &chain->certificate[i].data,
                                    &chain->certificate[i].size, error);
  if (code == 0) {
    chain->count++;
  }
  return code;
}

/* The leaf and its issuers without the root, and the leaf read back as a peer will read it. */
static int chain_finish(const struct pki_ca *ca, gnutls_x509_crt_t leaf, struct pki_chain *chain,
                        struct pki_identity *identity, struct error *error) {
  int code = chain_add(chain, leaf, error);
  for (size_t i = 0; code == 0 && i + 1 < ca->certificates.count; i++) {
    code = chain_add(chain, ca->certificates.handle[i], error);
  }
  if (code != 0) {
    return code;
  }
  struct span der = {chain->certificate[0].data, chain->certificate[0].size};
  gnutls_x509_crt_t issued;
  code = pki_certificate_parse(der, "the issued certificate", &issued, error);
  if (code == 0) {
    (void)((code = pki_certificate_check_leaf(issued, "the issued certificate", PKI_NODE, error)) ||
           (code = pki_certificate_identity(issued, der, "the issued certificate", PKI_NODE,
                                            identity, error)));
    gnutls_x509_crt_deinit(issued);
  }
  return code;
}

static int check_addresses(const struct pki_node_subject *subject, struct error *error) {
  if (subject->ipv4.family != 4 || subject->ipv6.family != 6) {
    return error_set(error, ERROR_INVALID,
                     "the certificate of node %s needs an IPv4 and an IPv6 address", subject->fqdn);
  }
  return 0;
}

/* An authority must not sign what each peer would refuse. */
static int check_permitted(const struct pki_ca *ca, const char *name, struct error *error) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < ca->certificates.count; i++) {
    code = pki_certificate_check_name(ca->certificates.handle[i], "the certificate authority", name,
                                      error);
  }
  return code;
}

static int limit_time(const struct pki_ca *ca, const char *name,
                      struct pki_certificate_terms *terms, struct error *error) {
  int code = pki_ca_limit_time(ca, &terms->not_after, error);
  if (code == 0 && terms->not_after <= terms->not_before) {
    char begin[PKI_TIME_TEXT_SIZE], end[PKI_TIME_TEXT_SIZE];
    code = error_set(error, ERROR_EXPIRED,
                     "a certificate for %s from %s until %s is impossible: check the clock, and "
                     "whether the authority's own certificate has expired",
                     name, pki_time_text(terms->not_before, begin),
                     pki_time_text(terms->not_after, end));
  }
  return code;
}

int pki_issue_node(const struct pki_ca *intermediate, struct span request,
                   const struct pki_node_subject *subject, struct pki_chain *chain,
                   struct pki_identity *identity, struct error *error) {
  memset(chain, 0, sizeof(*chain));
  memset(identity, 0, sizeof(*identity));
  char name[PKI_NAME_SIZE], label[LABEL_SIZE];
  const struct ip_address addresses[] = {subject->ipv4, subject->ipv6};
  struct pki_certificate_terms terms = {
      .purpose_oid = pki_purpose_oid(PKI_NODE),
      .path_length = -1,
      .dns_name = name,
      .addresses = addresses,
      .address_count = 2,
      .not_before = subject->not_before,
      .not_after = subject->not_after,
  };
  gnutls_x509_crt_t leaf = NULL;
  int code;
  (void)((code = subject_name(subject->fqdn, name, error)) ||
         (code = check_addresses(subject, error)) ||
         (code = check_permitted(intermediate, name, error)) ||
         (code = limit_time(intermediate, name, &terms, error)) ||
         (code = pki_request_public_key(request, &terms.public_key, error)));
  if (code == 0) {
    terms.common_name = common_name(name, label);
    code = pki_certificate_make(&terms, intermediate->certificates.handle[0], intermediate->key,
                                &leaf, error);
  }
  if (code == 0) {
    code = chain_finish(intermediate, leaf, chain, identity, error);
  }
  gnutls_x509_crt_deinit(leaf);
  gnutls_pubkey_deinit(terms.public_key);
  if (code != 0) {
    pki_chain_clear(chain);
    memset(identity, 0, sizeof(*identity));
  }
  return code;
}

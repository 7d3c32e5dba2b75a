#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/key_handle.h"

static const struct ip_address node_addresses[] = {
    {.family = 4, .bytes = {10, 77, 0, 5}},
    {.family = 6, .bytes = {0xfd, 0x12, [15] = 5}},
};

void expect_code(int code, int expected, const struct error *error) {
  if (code != expected) {
    fail_msg("got %s (%s), expected %s", error_name(code), error->message, error_name(expected));
  }
  if (code != 0) {
    assert_int_equal(error->code, code);
    assert_true(strlen(error->message) > 10);
  }
}

const char *network_path(const struct network *network, const char *name,
                         char path[static PATH_SIZE]) {
  assert_true(snprintf(path, PATH_SIZE, "%s/%s", network->folder, name) < PATH_SIZE);
  return path;
}

void network_init(struct network *network) {
  memset(network, 0, sizeof(*network));
  strcpy(network->folder, "/tmp/cyphonic-pki-XXXXXX");
  assert_non_null(mkdtemp(network->folder));
  struct error error = {0};
  char certificate[PATH_SIZE], key[PATH_SIZE];
  expect_code(pki_root_new(DOMAIN, NOW, &network->root, &error), 0, &error);
  expect_code(pki_intermediate_new(network->root, DOMAIN, NOW, &network->intermediate, &error), 0,
              &error);
  expect_code(pki_ca_save(network->root, network_path(network, "root.crt", certificate),
                          network_path(network, "root.key", key), &error),
              0, &error);
  expect_code(pki_trust_load(certificate, &network->trust, &error), 0, &error);
}

void network_clear(struct network *network) {
  pki_trust_free(network->trust);
  pki_ca_free(network->intermediate);
  pki_ca_free(network->root);
  DIR *folder = opendir(network->folder);
  assert_non_null(folder);
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] != '.') {
      assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
    }
  }
  closedir(folder);
  assert_int_equal(rmdir(network->folder), 0);
}

void presented_add(struct presented *chain, gnutls_x509_crt_t certificate) {
  uint8_t *der;
  size_t size;
  struct error error = {0};
  expect_code(pki_certificate_export(certificate, &der, &size, &error), 0, &error);
  assert_true(chain->count < 8);
  chain->der[chain->count++] = (struct span){der, size};
}

void presented_add_authority(struct presented *chain, const struct pki_ca *ca, int with_root) {
  for (size_t i = 0; i + (with_root ? 0 : 1) < ca->certificates.count; i++) {
    presented_add(chain, ca->certificates.handle[i]);
  }
}

void presented_clear(struct presented *chain) {
  for (size_t i = 0; i < chain->count; i++) {
    free((void *)chain->der[i].data);
  }
  memset(chain, 0, sizeof(*chain));
}

struct pki_node_subject node_subject(const char *fqdn) {
  return (struct pki_node_subject){
      .fqdn = fqdn,
      .ipv4 = node_addresses[0],
      .ipv6 = node_addresses[1],
      .not_before = NOW - PKI_BACKDATE_SECONDS,
      .not_after = NOW + (int64_t)PKI_NODE_DAYS * 86400,
  };
}

void request_new(uint8_t **der, size_t *size) {
  struct error error = {0};
  struct pki_key *key;
  expect_code(pki_key_new(&key, &error), 0, &error);
  expect_code(pki_request_new(key, "whatever", der, size, &error), 0, &error);
  pki_key_free(key);
}

void node_issue(const struct network *network, const struct pki_node_subject *subject,
                struct presented *chain) {
  struct error error = {0};
  uint8_t *request;
  size_t size;
  request_new(&request, &size);
  struct pki_chain issued;
  struct pki_identity identity;
  expect_code(pki_issue_node(network->intermediate, (struct span){request, size}, subject, &issued,
                             &identity, &error),
              0, &error);
  free(request);
  for (size_t i = 0; i < issued.count; i++) {
    chain->der[chain->count++] =
        (struct span){issued.certificate[i].data, issued.certificate[i].size};
  }
}

void service_issue(const struct network *network, enum pki_purpose purpose,
                   struct presented *chain) {
  static const char *const files[] = {
      [PKI_AS] = "as.crt", [PKI_NMS] = "nms.crt", [PKI_TRS] = "trs.crt"};
  struct error error = {0};
  char name[64], path[PATH_SIZE];
  snprintf(name, sizeof(name), "service%d." DOMAIN, (int)purpose);
  expect_code(pki_issue_service(network->root, purpose, name, NOW, network->folder, &error), 0,
              &error);
  struct pki_certificates certificates;
  expect_code(
      pki_certificates_load(network_path(network, files[purpose], path), &certificates, &error), 0,
      &error);
  for (size_t i = 0; i < certificates.count; i++) {
    presented_add(chain, certificates.handle[i]);
  }
  pki_certificates_clear(&certificates);
}

static void new_public_key(struct pki_key **key, gnutls_pubkey_t *public_key) {
  struct error error = {0};
  expect_code(pki_key_new(key, &error), 0, &error);
  expect_code(pki_key_public(*key, public_key, &error), 0, &error);
}

struct pki_certificate_terms leaf_terms(enum pki_purpose purpose) {
  struct pki_key *key;
  struct pki_certificate_terms terms = {
      .common_name = "forged",
      .purpose_oid = pki_purpose_oid(purpose),
      .path_length = -1,
      .dns_name = "forged." DOMAIN,
      .addresses = node_addresses,
      .address_count = purpose == PKI_NODE ? 2 : 0,
      .not_before = NOW - PKI_BACKDATE_SECONDS,
      .not_after = NOW + 86400,
  };
  new_public_key(&key, &terms.public_key);
  pki_key_free(key);
  return terms;
}

void forge(struct pki_certificate_terms *terms, const struct pki_ca *ca, struct presented *chain) {
  struct error error = {0};
  gnutls_x509_crt_t certificate;
  expect_code(
      pki_certificate_make(terms, ca->certificates.handle[0], ca->key, &certificate, &error), 0,
      &error);
  presented_add(chain, certificate);
  gnutls_x509_crt_deinit(certificate);
  presented_add_authority(chain, ca, 0);
  gnutls_pubkey_deinit(terms->public_key);
  terms->public_key = NULL;
}

struct pki_ca *forge_authority(struct pki_certificate_terms *terms, const struct pki_ca *issuer) {
  struct error error = {0};
  struct pki_ca *ca = calloc(1, sizeof(*ca));
  assert_non_null(ca);
  new_public_key(&ca->key, &terms->public_key);
  expect_code(pki_certificate_make(terms, issuer ? issuer->certificates.handle[0] : NULL,
                                   issuer ? issuer->key : ca->key, &ca->certificates.handle[0],
                                   &error),
              0, &error);
  gnutls_pubkey_deinit(terms->public_key);
  terms->public_key = NULL;
  ca->certificates.count = 1;
  for (size_t i = 0; issuer != NULL && i < issuer->certificates.count; i++) {
    uint8_t *der;
    size_t size;
    expect_code(pki_certificate_export(issuer->certificates.handle[i], &der, &size, &error), 0,
                &error);
    expect_code(pki_certificate_parse((struct span){der, size}, "an issuer",
                                      &ca->certificates.handle[ca->certificates.count++], &error),
                0, &error);
    free(der);
  }
  return ca;
}

void expect_verdict(const struct pki_trust *trust, const struct presented *chain,
                    enum pki_purpose purpose, int64_t now, int code) {
  struct error error = {0};
  struct pki_identity identity;
  expect_code(pki_trust_verify(trust, chain->der, chain->count, purpose, now, &identity, &error),
              code, &error);
}

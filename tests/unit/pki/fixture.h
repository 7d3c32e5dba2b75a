/* A small network's certificates in a temporary folder, for the tests of pki/. */
#ifndef CYPHONIC_TEST_PKI_FIXTURE_H
#define CYPHONIC_TEST_PKI_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "pki/ca.h"
#include "pki/ca_internal.h"
#include "pki/credentials.h"
#include "pki/maker.h"
#include "pki/trust.h"

#define DOMAIN "cyphonic.internal"

enum { PATH_SIZE = 256, NOW = 1772366400 }; /* 2026-03-01 12:00:00 UTC */

struct network {
  char folder[PATH_SIZE];
  struct pki_ca *root, *intermediate;
  struct pki_trust *trust;
};

/* Each fails the test where anything goes wrong. */
void network_init(struct network *network);
void network_clear(struct network *network);
const char *network_path(const struct network *network, const char *name,
                         char path[static PATH_SIZE]);

/* A chain as a peer presents it; at most 8 certificates, owned. */
struct presented {
  size_t count;
  struct span der[8];
};
void presented_add(struct presented *chain, gnutls_x509_crt_t certificate);
/* All of an authority's certificates, the root with them or not. */
void presented_add_authority(struct presented *chain, const struct pki_ca *ca, int with_root);
void presented_clear(struct presented *chain);

/* What a node's certificate says, valid from NOW for 90 days. */
struct pki_node_subject node_subject(const char *fqdn);
/* A request by a new key. */
void request_new(uint8_t **der, size_t *size);
void node_issue(const struct network *network, const struct pki_node_subject *subject,
                struct presented *chain);
/* The certificate (with the root) of a service, as its file has it. */
void service_issue(const struct network *network, enum pki_purpose purpose,
                   struct presented *chain);

/* Terms of a leaf that is right in everything, for tests that then spoil one; public_key is a new
 * one that forge frees. */
struct pki_certificate_terms leaf_terms(enum pki_purpose purpose);
/* Issues by `terms` under an authority, rules or no rules, and presents it with all issuers. */
void forge(struct pki_certificate_terms *terms, const struct pki_ca *ca, struct presented *chain);
/* An authority made by `terms`, under `issuer` (NULL: itself). */
struct pki_ca *forge_authority(struct pki_certificate_terms *terms, const struct pki_ca *issuer);

/* Verifies and expects `code`, printing the message where it is another. */
void expect_verdict(const struct pki_trust *trust, const struct presented *chain,
                    enum pki_purpose purpose, int64_t now, int code);

/* Fails with the message unless `code` is `expected`; a failure must have a message. */
void expect_code(int code, int expected, const struct error *error);

#endif

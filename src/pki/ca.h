/* The network's certificate authorities (paper 2.1): a root, whose key may go offline after init,
 * and AS's intermediate, which can issue certificates of nodes and of nothing else: its own
 * extended key usage is the node's alone, its path length 0, its name constraint the domain. */
#ifndef CYPHONIC_PKI_CA_H
#define CYPHONIC_PKI_CA_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"
#include "pki/identity.h"
#include "pki/key.h"

struct pki_ca; /* a CA certificate, its issuers, and its private key */

enum {
  PKI_ROOT_DAYS = 7300,
  PKI_INTERMEDIATE_DAYS = 3650,
  PKI_SERVICE_DAYS = 825,
  PKI_NODE_DAYS = 90,
  /* Certificates begin this long before they are issued, so that a clock somewhat wrong is no
   * obstacle to a first contact. */
  PKI_BACKDATE_SECONDS = 7200,
};

/* `now` is wall time in seconds, here and below. */
int pki_root_new(const char *domain, int64_t now, struct pki_ca **root,
                 struct error *error) MUST_CHECK;
int pki_intermediate_new(const struct pki_ca *root, const char *domain, int64_t now,
                         struct pki_ca **intermediate, struct error *error) MUST_CHECK;

/* Writes certificate (PEM, 0644; with its issuers, the root last) and key (PEM, 0600); neither over
 * a file that exists. */
int pki_ca_save(const struct pki_ca *ca, const char *certificate_path, const char *key_path,
                struct error *error) MUST_CHECK;
int pki_ca_load(const char *certificate_path, const char *key_path, struct pki_ca **ca,
                struct error *error) MUST_CHECK;
void pki_ca_free(struct pki_ca *ca);

/* SHA-256 of the root's DER: what an invitation carries. */
int pki_ca_root_fingerprint(const struct pki_ca *ca, uint8_t hash[static PKI_HASH_SIZE],
                            struct error *error) MUST_CHECK;

/* Issues a service certificate with a new key, written as <folder>/<purpose in lower case>.crt
 * (chain with the root last, PEM, 0644) and .key (PEM, 0600); never over files that exist.
 * `name` goes into the SAN, for example "nms.cyphonic.internal". */
int pki_issue_service(const struct pki_ca *root, enum pki_purpose purpose, const char *name,
                      int64_t now, const char *folder, struct error *error) MUST_CHECK;

/* What to put in a node's certificate. */
struct pki_node_subject {
  const char *fqdn;
  struct ip_address ipv4, ipv6;
  int64_t not_before, not_after;
};

/* DER certificates, leaf first, without the root; the caller frees with pki_chain_clear. */
enum { PKI_CHAIN_MAX = 4 };
struct pki_chain {
  size_t count;
  struct {
    uint8_t *data;
    size_t size;
  } certificate[PKI_CHAIN_MAX];
};
void pki_chain_clear(struct pki_chain *chain);

/* Checks the request's signature and key (ECDSA P-256) and issues a certificate under a random
 * serial; names in the request are ignored, the subject's hold. `identity` tells what was issued.
 */
int pki_issue_node(const struct pki_ca *intermediate, struct span request,
                   const struct pki_node_subject *subject, struct pki_chain *chain,
                   struct pki_identity *identity, struct error *error) MUST_CHECK;

/* Hash of the public key in a DER request (its signature checked): tells who asks before anything
 * is issued. */
int pki_request_key_hash(struct span request, uint8_t hash[static PKI_HASH_SIZE],
                         struct error *error) MUST_CHECK;

/* DER of the root certificate, in a new buffer the caller frees with free(). */
int pki_ca_root(const struct pki_ca *ca, uint8_t **der, size_t *size,
                struct error *error) MUST_CHECK;

#endif

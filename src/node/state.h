/* What a node keeps on disk, in one folder that only its user may read:
 *
 *   node.json    name, domain, virtual addresses, where AS and NMS are, whether it is to be up
 *   node.key     private key (PEM, 0600); never leaves the host
 *   node.crt     certificate with its issuers (PEM)
 *   root.crt     the network's root (PEM)
 *   quic.secret  32 bytes (0600): stateless resets stay valid over restarts
 *   join-*.key   the key of a join under way, named after its invitation
 *
 * node.json comes last in a join and so says that it is complete. Until then the join's key is
 * kept, and the same invitation takes the same key again: AS answers the same secret and key with
 * the same certificate, so a join that broke off anywhere is repeated without harm. */
#ifndef CYPHONIC_NODE_STATE_H
#define CYPHONIC_NODE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"
#include "node/fqdn.h"
#include "node/service_address.h"
#include "pki/credentials.h"
#include "pki/key.h"
#include "pki/trust.h"

/* Plain data: node.json. */
struct node_state {
  char fqdn[FQDN_SIZE], domain[FQDN_SIZE];
  struct ip_address ipv4, ipv6;
  struct ip_prefix ipv4_prefix, ipv6_prefix; /* length 0: NMS has not told yet */
  struct service_addresses as, nms;
  bool wanted_up;
};

enum { STATE_SECRET_SIZE = 32 };

/* ERROR_NOT_FOUND: this node has not joined. A file that cannot be: ERROR_CONFIG, with what to do.
 */
int state_load(const char *folder, struct node_state *state, struct error *error) MUST_CHECK;
int state_save(const char *folder, const struct node_state *state, struct error *error) MUST_CHECK;

/* What a node is by its files, checked against each other and node.json. */
struct node_identity {
  struct pki_credentials *credentials;
  struct pki_trust *trust;
  struct pki_identity certificate; /* zero if `expired` */
  bool expired; /* outside its time by this host's clock: the clock may be wrong, so it is loaded */
  struct error expiry; /* says so for people */
};
int state_identity_load(const char *folder, const struct node_state *state, int64_t now,
                        struct node_identity *identity, struct error *error) MUST_CHECK;
void state_identity_clear(struct node_identity *identity);

/* Made when missing or of the wrong size, since nothing is lost with it. */
int state_secret(const char *folder, uint8_t secret[static STATE_SECRET_SIZE],
                 struct error *error) MUST_CHECK;

/* The key for a join with the invitation of that hash: the one of an earlier attempt, or a new one,
 * on disk before this returns. Makes the folder. */
int state_join_key(const char *folder, const uint8_t invitation_hash[static PKI_HASH_SIZE],
                   struct pki_key **key, struct error *error) MUST_CHECK;
/* Keeps what AS answered; `chain` and `root` are DER. */
int state_join_commit(const char *folder, const uint8_t invitation_hash[static PKI_HASH_SIZE],
                      const struct node_state *state, const struct span *chain, size_t chain_count,
                      struct span root, struct error *error) MUST_CHECK;

#endif

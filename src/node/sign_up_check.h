/* What AS answers to a sign-up, checked as a whole. Pure but for the certificates' cryptography. */
#ifndef CYPHONIC_NODE_SIGN_UP_CHECK_H
#define CYPHONIC_NODE_SIGN_UP_CHECK_H

#include "cyphonic.pb-c.h"
#include "node/state.h"
#include "pki/ca.h"

/* The parts of a believed answer; the spans borrow from the message. */
struct sign_up_answer {
  struct node_state state; /* without service addresses, not wanted up */
  struct span chain[PKI_CHAIN_MAX];
  size_t chain_count;
  struct span root;
};

/* `pin` trusts the invitation's fingerprint alone; `key_hash` is our key's. */
int sign_up_check(const Cyphonic__SignUpResponse *response, const struct pki_trust *pin,
                  const uint8_t key_hash[static PKI_HASH_SIZE], int64_t now,
                  struct sign_up_answer *answer, struct error *error) MUST_CHECK;

#endif

#include "node/sign_up_check.h"

#include <stdio.h>
#include <string.h>

#include "node/message.h"

static int state_check(const Cyphonic__SignUpResponse *response, struct node_state *state,
                       struct error *error) {
  if (strlen(response->domain) >= FQDN_SIZE || response->domain[0] == '\0' ||
      !fqdn_is_valid(response->fqdn, response->domain))
    return error_set(error, ERROR_PROTOCOL,
                     "AS answered with the name '%.100s', which is none of the domain '%.100s'",
                     response->fqdn, response->domain);
  if (message_ip(&response->ipv4, 4, &state->ipv4) || message_ip(&response->ipv6, 6, &state->ipv6))
    return error_set(error, ERROR_PROTOCOL, "AS answered without virtual addresses");
  snprintf(state->fqdn, sizeof state->fqdn, "%s", response->fqdn);
  snprintf(state->domain, sizeof state->domain, "%s", response->domain);
  return 0;
}

int sign_up_check(const Cyphonic__SignUpResponse *response, const struct pki_trust *pin,
                  const uint8_t key_hash[static PKI_HASH_SIZE], int64_t now,
                  struct sign_up_answer *answer, struct error *error) {
  *answer = (struct sign_up_answer){0};
  int code = state_check(response, &answer->state, error);
  if (code)
    return code;
  if (response->n_chain == 0 || response->n_chain > PKI_CHAIN_MAX || response->root.len == 0)
    return error_set(error, ERROR_PROTOCOL,
                     "AS answered with %zu certificates and a root of %zu bytes: expected 1 to %d "
                     "and a root",
                     response->n_chain, response->root.len, PKI_CHAIN_MAX);
  /* With the root at its end the chain is whole, and the pin is held against that root. */
  struct span whole[PKI_CHAIN_MAX + 1];
  for (size_t i = 0; i < response->n_chain; i++)
    whole[i] = answer->chain[i] = message_span(&response->chain[i]);
  answer->chain_count = response->n_chain;
  whole[response->n_chain] = answer->root = message_span(&response->root);
  struct pki_identity identity;
  code = pki_trust_verify(pin, whole, response->n_chain + 1, PKI_NODE, now, &identity, error);
  if (code)
    return error_prefix(error, "the certificate that AS issued does not hold: ");
  if (memcmp(identity.public_key, key_hash, PKI_HASH_SIZE) != 0)
    return error_set(error, ERROR_CERTIFICATE, "AS issued a certificate for another key than ours");
  const struct node_state *state = &answer->state;
  if (strcmp(identity.name, state->fqdn) != 0 || !ip_address_equal(&identity.ipv4, &state->ipv4) ||
      !ip_address_equal(&identity.ipv6, &state->ipv6))
    return error_set(error, ERROR_CERTIFICATE,
                     "AS issued a certificate for %s, but announced %s, or other addresses",
                     identity.name, state->fqdn);
  return 0;
}

/* Sign-up (paper 4.3) without its connection: an invitation and a certificate request in, a device
 * with its certificate out, in one transaction. */
#ifndef CYPHONIC_AS_SIGN_UP_H
#define CYPHONIC_AS_SIGN_UP_H

#include "as/refusal.h"
#include "pki/ca.h"
#include "store/store.h"

/* As in struct as_config, which explains them. */
struct as_sign_up_context {
  struct store *store;
  const struct pki_ca *intermediate;
  uint64_t certificate_seconds;
  int (*allocate)(struct store *store, int64_t device_id, int64_t now, struct ip_address *ipv4,
                  struct ip_address *ipv6, struct error *error);
};

struct as_sign_up_result {
  char domain[PKI_NAME_SIZE];
  struct store_device device;
  struct pki_chain chain; /* leaf first, without the root */
  uint8_t *root;          /* DER */
  size_t root_size;
  bool again; /* the answer to a request that was answered before */
};
void as_sign_up_result_clear(struct as_sign_up_result *result);

/* `now` is wall time. True with `result` filled (as_sign_up_result_clear at the end), or false with
 * `refusal`, and then nothing has changed. The same secret with the same key gives the same
 * certificate again, whatever has become of the invitation, so that a lost response costs nothing.
 */
bool as_sign_up(const struct as_sign_up_context *context, const Cyphonic__SignUpRequest *request,
                int64_t now, struct as_sign_up_result *result, struct as_refusal *refusal);

#endif

/* Sign-up (paper 4.3): a key made here, a certificate from AS, both kept. The server is believed by
 * the fingerprint in the invitation before it hears the secret, and what it answers is believed
 * only if it holds together: root, chain, key, name and addresses. */
#ifndef CYPHONIC_NODE_SIGN_UP_H
#define CYPHONIC_NODE_SIGN_UP_H

#include "node/state.h"
#include "pki/invitation.h"
#include "quic/quic.h"

#define SIGN_UP_ALPN "cyphonic-signup/1"

struct sign_up;

struct sign_up_config {
  uv_loop_t *loop;
  const struct log *log;
  struct quic_endpoint *endpoint;
  const char *state_folder;            /* borrowed */
  const struct invitation *invitation; /* copied */
  const char *name;                    /* wished label, copied */
};

/* Once, from the loop; with code 0 the state folder holds a node that has joined. */
typedef void (*sign_up_callback)(int code, const struct error *error, void *context);

int sign_up_start(const struct sign_up_config *config, sign_up_callback callback, void *context,
                  struct sign_up **sign_up, struct error *error) MUST_CHECK;
/* The callback does not come. The key stays, for another attempt. */
void sign_up_cancel(struct sign_up *sign_up);

#endif

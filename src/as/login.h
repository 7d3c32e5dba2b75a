/* Login (paper 3.3.1) without its connection: the certificate's data against the database. */
#ifndef CYPHONIC_AS_LOGIN_H
#define CYPHONIC_AS_LOGIN_H

#include "as/refusal.h"
#include "pki/identity.h"
#include "store/store.h"

/* True if a verified certificate is of a device of this network: known by name, with the same key
 * and virtual addresses, the certificate one that AS issued to it, and neither revoked. Then the
 * login is recorded and `device` filled. Else `refusal` says why. `now` is wall time. */
bool as_login(struct store *store, const struct pki_identity *identity,
              const Cyphonic__LoginRequest *request, int64_t now, struct store_device *device,
              struct as_refusal *refusal);

#endif

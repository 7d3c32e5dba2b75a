/* The GnuTLS object inside a key. For pki/ alone. */
#ifndef CYPHONIC_PKI_KEY_HANDLE_H
#define CYPHONIC_PKI_KEY_HANDLE_H

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdbool.h>

#include "pki/key.h"

/* Owned by `key`. */
gnutls_x509_privkey_t pki_key_handle(const struct pki_key *key);

/* A new public key that the caller frees with gnutls_pubkey_deinit. */
int pki_key_public(const struct pki_key *key, gnutls_pubkey_t *public_key,
                   struct error *error) MUST_CHECK;

/* True for ECDSA on P-256, the one kind of key this network knows. */
bool pki_public_key_is_ours(gnutls_pubkey_t public_key);

/* SHA-256 of its SubjectPublicKeyInfo. */
int pki_public_key_hash(gnutls_pubkey_t public_key, uint8_t hash[static PKI_HASH_SIZE],
                        struct error *error) MUST_CHECK;

#endif

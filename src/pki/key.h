/* ECDSA P-256 private keys: made, kept in files of mode 0600, used to sign. */
#ifndef CYPHONIC_PKI_KEY_H
#define CYPHONIC_PKI_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pki/identity.h"

struct pki_key;

int pki_key_new(struct pki_key **key, struct error *error) MUST_CHECK;
/* PEM; a file that others may read is ERROR_PERMISSION. */
int pki_key_load(const char *path, struct pki_key **key, struct error *error) MUST_CHECK;
/* PEM, mode 0600 from the first byte; never over a file that exists. */
int pki_key_save(const struct pki_key *key, const char *path, struct error *error) MUST_CHECK;
/* SHA-256 of the SubjectPublicKeyInfo. */
int pki_key_hash(const struct pki_key *key, uint8_t hash[static PKI_HASH_SIZE],
                 struct error *error) MUST_CHECK;
void pki_key_free(struct pki_key *key);

/* A certificate signing request (PKCS #10) for `name` (its common name), as DER in a new buffer
 * that the caller frees with free(). */
int pki_request_new(const struct pki_key *key, const char *name, uint8_t **der, size_t *size,
                    struct error *error) MUST_CHECK;

#endif

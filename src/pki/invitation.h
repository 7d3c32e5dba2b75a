/* Invitations: one line that lets a device in (design 1). It carries the server's addresses, the
 * fingerprint of the root CA, by which the node checks the server before it says anything secret,
 * and a secret for the server.
 *
 * Text form: "cyphonic:" + base64url (no padding) of: version (1 byte, 1), fingerprint (32), secret
 * (16), number of addresses (1 byte, 1..8), each as length (1 byte) + "host:port" text, and the
 * first 4 bytes of the SHA-256 of all that, so that a slip of the hand is told from a wrong
 * invitation. */
#ifndef CYPHONIC_PKI_INVITATION_H
#define CYPHONIC_PKI_INVITATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pki/identity.h"

enum {
  INVITATION_SECRET_SIZE = 16,
  INVITATION_ADDRESSES_MAX = 8,
  INVITATION_HOST_SIZE = 254,
  INVITATION_TEXT_SIZE = 4096,
};

/* Plain data. */
struct invitation {
  uint8_t fingerprint[PKI_HASH_SIZE];
  uint8_t secret[INVITATION_SECRET_SIZE];
  size_t address_count;
  struct {
    char host[INVITATION_HOST_SIZE]; /* IPv6 addresses without brackets */
    uint16_t port;
  } address[INVITATION_ADDRESSES_MAX];
};

/* ERROR_LIMIT if it does not fit `text`. */
int invitation_format(const struct invitation *invitation, char text[static INVITATION_TEXT_SIZE],
                      struct error *error) MUST_CHECK;
/* Surrounding white space passes; anything else wrong is ERROR_INVALID with what to do. */
int invitation_parse(const char *text, struct invitation *invitation,
                     struct error *error) MUST_CHECK;
/* SHA-256 of the secret: what the database keeps. */
void invitation_secret_hash(const uint8_t secret[static INVITATION_SECRET_SIZE],
                            uint8_t hash[static PKI_HASH_SIZE]);

#endif

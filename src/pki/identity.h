/* What a certificate of this network says about its bearer (design 2). */
#ifndef CYPHONIC_PKI_IDENTITY_H
#define CYPHONIC_PKI_IDENTITY_H

#include <stdint.h>

#include "base/address.h"

/* What a certificate may be used for: exactly one of these, as an extended key usage of ours. */
enum pki_purpose { PKI_NODE, PKI_AS, PKI_NMS, PKI_TRS };

enum { PKI_NAME_SIZE = 254, PKI_HASH_SIZE = 32, PKI_SERIAL_SIZE = 20 };

/* Plain data, filled by a successful verification. */
struct pki_identity {
  enum pki_purpose purpose;
  char name[PKI_NAME_SIZE];           /* the SAN's dNSName, lower case: a node's FQDN */
  struct ip_address ipv4, ipv6;       /* the SAN's iPAddresses: a node's virtual addresses */
  uint8_t public_key[PKI_HASH_SIZE];  /* SHA-256 of the SubjectPublicKeyInfo */
  uint8_t fingerprint[PKI_HASH_SIZE]; /* SHA-256 of the certificate's DER */
  uint8_t serial[PKI_SERIAL_SIZE];    /* big-endian, zero-padded on the left */
  int64_t not_before, not_after;      /* seconds since 1970 */
};

/* "node", "AS", "NMS", "TRS". */
const char *pki_purpose_name(enum pki_purpose purpose);

#endif

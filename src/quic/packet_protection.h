/* Packet protection (RFC 9001 section 5) of 1-RTT packets that carry datagrams: with AES-128-GCM
 * by Intel's multi-buffer library, where the build has it and the processor the instructions, at
 * well under half of GnuTLS's time a packet. All other packets and ciphers are GnuTLS's.
 *
 * ngtcp2 calls the functions at the end for each key and packet and hands them nothing but the
 * context of the key: one of ours is told from one of GnuTLS's by its lowest bit, which no address
 * of an object has. */
#ifndef CYPHONIC_QUIC_PACKET_PROTECTION_H
#define CYPHONIC_QUIC_PACKET_PROTECTION_H

#include <ngtcp2/ngtcp2_crypto.h>
#include <stdbool.h>

#include "base/error.h"

/* Of an endpoint; its keys must be gone before it. */
struct packet_protection;

/* NULL: this build or this processor cannot, or there is no memory; GnuTLS does it all then. */
struct packet_protection *packet_protection_new(void);
void packet_protection_free(struct packet_protection *protection);

/* Derives the 1-RTT keys of `conn`, whose cipher is AES-128-GCM, and installs them; a secret may be
 * NULL if it is not known yet. ERROR_TLS, also without memory. */
int packet_protection_install(struct packet_protection *protection, ngtcp2_conn *conn,
                              const uint8_t *rx_secret, const uint8_t *tx_secret,
                              size_t secret_size) MUST_CHECK;

/* One key, AES-128, of either direction; false without memory. */
bool packet_protection_key(struct packet_protection *protection, const uint8_t key[static 16],
                           ngtcp2_crypto_aead_ctx *out) MUST_CHECK;
bool packet_protection_header_key(struct packet_protection *protection,
                                  const uint8_t key[static 16],
                                  ngtcp2_crypto_cipher_ctx *out) MUST_CHECK;

/* The keys after these (RFC 9001 section 6), as ngtcp2's update_key wants them. */
int packet_protection_update(struct packet_protection *protection, ngtcp2_conn *conn,
                             uint8_t *rx_secret, uint8_t *tx_secret,
                             ngtcp2_crypto_aead_ctx *rx_aead_ctx, uint8_t *rx_iv,
                             ngtcp2_crypto_aead_ctx *tx_aead_ctx, uint8_t *tx_iv,
                             const uint8_t *current_rx_secret, const uint8_t *current_tx_secret,
                             size_t secret_size) MUST_CHECK;

/* Callbacks of ngtcp2. */
int packet_protection_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                              const ngtcp2_crypto_aead_ctx *aead_ctx, const uint8_t *plaintext,
                              size_t plaintextlen, const uint8_t *nonce, size_t noncelen,
                              const uint8_t *aad, size_t aadlen);
int packet_protection_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                              const ngtcp2_crypto_aead_ctx *aead_ctx, const uint8_t *ciphertext,
                              size_t ciphertextlen, const uint8_t *nonce, size_t noncelen,
                              const uint8_t *aad, size_t aadlen);
int packet_protection_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                           const ngtcp2_crypto_cipher_ctx *hp_ctx, const uint8_t *sample);
void packet_protection_delete_key(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *aead_ctx,
                                  void *user_data);
void packet_protection_delete_header_key(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *cipher_ctx,
                                         void *user_data);

#endif

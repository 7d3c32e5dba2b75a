/* For builds without Intel's multi-buffer library: there are no keys but GnuTLS's. */
#include "quic/packet_protection.h"

struct packet_protection *packet_protection_new(void) {
  return NULL;
}

void packet_protection_free(struct packet_protection *protection UNUSED) {
}

int packet_protection_install(struct packet_protection *protection UNUSED, ngtcp2_conn *conn UNUSED,
                              const uint8_t *rx_secret UNUSED, const uint8_t *tx_secret UNUSED,
                              size_t secret_size UNUSED) {
  return ERROR_TLS;
}

bool packet_protection_key(struct packet_protection *protection UNUSED,
                           const uint8_t key[static 16] UNUSED,
                           ngtcp2_crypto_aead_ctx *out UNUSED) {
  return false;
}

bool packet_protection_header_key(struct packet_protection *protection UNUSED,
                                  const uint8_t key[static 16] UNUSED,
                                  ngtcp2_crypto_cipher_ctx *out UNUSED) {
  return false;
}

int packet_protection_update(struct packet_protection *protection UNUSED, ngtcp2_conn *conn UNUSED,
                             uint8_t *rx_secret UNUSED, uint8_t *tx_secret UNUSED,
                             ngtcp2_crypto_aead_ctx *rx_aead_ctx UNUSED, uint8_t *rx_iv UNUSED,
                             ngtcp2_crypto_aead_ctx *tx_aead_ctx UNUSED, uint8_t *tx_iv UNUSED,
                             const uint8_t *current_rx_secret UNUSED,
                             const uint8_t *current_tx_secret UNUSED, size_t secret_size UNUSED) {
  return ERROR_TLS;
}

int packet_protection_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                              const ngtcp2_crypto_aead_ctx *aead_ctx, const uint8_t *plaintext,
                              size_t plaintextlen, const uint8_t *nonce, size_t noncelen,
                              const uint8_t *aad, size_t aadlen) {
  return ngtcp2_crypto_encrypt_cb(dest, aead, aead_ctx, plaintext, plaintextlen, nonce, noncelen,
                                  aad, aadlen);
}

int packet_protection_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                              const ngtcp2_crypto_aead_ctx *aead_ctx, const uint8_t *ciphertext,
                              size_t ciphertextlen, const uint8_t *nonce, size_t noncelen,
                              const uint8_t *aad, size_t aadlen) {
  return ngtcp2_crypto_decrypt_cb(dest, aead, aead_ctx, ciphertext, ciphertextlen, nonce, noncelen,
                                  aad, aadlen);
}

int packet_protection_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                           const ngtcp2_crypto_cipher_ctx *hp_ctx, const uint8_t *sample) {
  return ngtcp2_crypto_hp_mask_cb(dest, hp, hp_ctx, sample);
}

void packet_protection_delete_key(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *aead_ctx,
                                  void *user_data) {
  ngtcp2_crypto_delete_crypto_aead_ctx_cb(conn, aead_ctx, user_data);
}

void packet_protection_delete_header_key(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *cipher_ctx,
                                         void *user_data) {
  ngtcp2_crypto_delete_crypto_cipher_ctx_cb(conn, cipher_ctx, user_data);
}

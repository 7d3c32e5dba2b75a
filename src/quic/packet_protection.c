#include "quic/packet_protection.h"

#include <gnutls/gnutls.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"

enum {
  KEY_SIZE = 16,
  IV_SIZE = 12,
  TAG_SIZE = 16,
  BLOCK_SIZE = 16,
  MASK_SIZE = 5,
  LABEL_MAX = 32,
  ALIGNMENT = 64
};

struct packet_protection {
  IMB_MGR *manager;
};

/* Both begin with the manager: the callbacks get nothing else. */
struct packet_key {
  IMB_MGR *manager;
  /* 1 KiB, made when it is used first: the keys after these are known long before they are needed,
   * and mostly never needed. Aligned, which the library only hopes for. */
  struct gcm_key_data *schedule;
  uint8_t key[KEY_SIZE];
};

struct header_key {
  IMB_MGR *manager;
  _Alignas(BLOCK_SIZE) uint8_t schedule[11 * BLOCK_SIZE];
};

struct packet_protection *packet_protection_new(void) {
  struct packet_protection *protection = calloc(1, sizeof(*protection));
  if (protection == NULL) {
    return NULL;
  }
  protection->manager = alloc_mb_mgr(0);
  if (protection->manager != NULL) {
    init_mb_mgr_auto(protection->manager, NULL);
  }
  if (protection->manager == NULL || imb_get_errno(protection->manager) != 0 ||
      (protection->manager->features & IMB_FEATURE_AESNI) == 0) {
    packet_protection_free(protection);
    return NULL;
  }
  return protection;
}

void packet_protection_free(struct packet_protection *protection) {
  if (protection != NULL) {
    if (protection->manager != NULL) {
      free_mb_mgr(protection->manager);
    }
    free(protection);
  }
}

/* --- keys --- */

static void *tagged(void *object) {
  return (void *)((uintptr_t)object | 1);
}

/* NULL: it is GnuTLS's. */
static void *untagged(void *handle) {
  return ((uintptr_t)handle & 1) == 0 ? NULL : (void *)((uintptr_t)handle - 1);
}

static void *aligned_new(size_t size) {
  return aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

bool packet_protection_key(struct packet_protection *protection, const uint8_t key[static 16],
                           ngtcp2_crypto_aead_ctx *out) {
  struct packet_key *made = malloc(sizeof(*made));
  if (made == NULL) {
    return false;
  }
  *made = (struct packet_key){.manager = protection->manager};
  memcpy(made->key, key, sizeof(made->key));
  out->native_handle = tagged(made);
  return true;
}

/* NULL without memory. */
static const struct gcm_key_data *schedule_of(struct packet_key *key) {
  if (key->schedule == NULL) {
    key->schedule = aligned_new(sizeof(*key->schedule));
    if (key->schedule != NULL) {
      IMB_AES128_GCM_PRE(key->manager, key->key, key->schedule);
      explicit_bzero(key->key, sizeof(key->key));
    }
  }
  return key->schedule;
}

bool packet_protection_header_key(struct packet_protection *protection,
                                  const uint8_t key[static 16], ngtcp2_crypto_cipher_ctx *out) {
  struct header_key *made = aligned_new(sizeof(*made));
  if (made == NULL) {
    return false;
  }
  _Alignas(BLOCK_SIZE) uint8_t for_decryption[sizeof(made->schedule)];
  made->manager = protection->manager;
  IMB_AES_KEYEXP_128(made->manager, key, made->schedule, for_decryption);
  explicit_bzero(for_decryption, sizeof(for_decryption));
  out->native_handle = tagged(made);
  return true;
}

void packet_protection_delete_key(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *aead_ctx,
                                  void *user_data) {
  struct packet_key *key = untagged(aead_ctx->native_handle);
  if (key == NULL) {
    ngtcp2_crypto_delete_crypto_aead_ctx_cb(conn, aead_ctx, user_data);
    return;
  }
  if (key->schedule != NULL) {
    explicit_bzero(key->schedule, sizeof(*key->schedule));
    free(key->schedule);
  }
  explicit_bzero(key, sizeof(*key));
  free(key);
}

void packet_protection_delete_header_key(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *cipher_ctx,
                                         void *user_data) {
  struct header_key *key = untagged(cipher_ctx->native_handle);
  if (key == NULL) {
    ngtcp2_crypto_delete_crypto_cipher_ctx_cb(conn, cipher_ctx, user_data);
    return;
  }
  explicit_bzero(key, sizeof(*key));
  free(key);
}

/* HKDF-Expand-Label (RFC 8446 section 7.1) without a context. */
static bool expand(uint8_t *out, size_t size, const ngtcp2_crypto_md *hash, const uint8_t *secret,
                   size_t secret_size, const char *label) {
  static const char prefix[] = "tls13 ";
  uint8_t information[LABEL_MAX];
  struct writer writer = writer_init(information, sizeof(information));
  writer_u16(&writer, (uint16_t)size);
  writer_u8(&writer, (uint8_t)(strlen(prefix) + strlen(label)));
  writer_bytes(&writer, prefix, strlen(prefix));
  writer_bytes(&writer, label, strlen(label));
  writer_u8(&writer, 0);
  return !writer.failed &&
         ngtcp2_crypto_hkdf_expand(out, size, hash, secret, secret_size, information,
                                   strlen(prefix) + strlen(label) + 4) == 0;
}

static bool derive(struct packet_protection *protection, const ngtcp2_crypto_md *hash,
                   const uint8_t *secret, size_t secret_size, ngtcp2_crypto_aead_ctx *out,
                   uint8_t iv[static IV_SIZE]) {
  uint8_t key[KEY_SIZE];
  bool ok = expand(key, sizeof(key), hash, secret, secret_size, "quic key") &&
            expand(iv, IV_SIZE, hash, secret, secret_size, "quic iv") &&
            packet_protection_key(protection, key, out);
  explicit_bzero(key, sizeof(key));
  return ok;
}

static bool derive_header(struct packet_protection *protection, const ngtcp2_crypto_md *hash,
                          const uint8_t *secret, size_t secret_size,
                          ngtcp2_crypto_cipher_ctx *out) {
  uint8_t key[KEY_SIZE];
  bool ok = expand(key, sizeof(key), hash, secret, secret_size, "quic hp") &&
            packet_protection_header_key(protection, key, out);
  explicit_bzero(key, sizeof(key));
  return ok;
}

typedef int (*key_installer)(ngtcp2_conn *conn, const uint8_t *secret, size_t secretlen,
                             const ngtcp2_crypto_aead_ctx *aead_ctx, const uint8_t *iv,
                             size_t ivlen, const ngtcp2_crypto_cipher_ctx *hp_ctx);

static int install(struct packet_protection *protection, ngtcp2_conn *conn, key_installer put,
                   const uint8_t *secret, size_t secret_size) {
  const ngtcp2_crypto_md *hash = &ngtcp2_conn_get_crypto_ctx(conn)->md;
  ngtcp2_crypto_aead_ctx key = {0};
  ngtcp2_crypto_cipher_ctx header = {0};
  uint8_t iv[IV_SIZE];
  if (derive(protection, hash, secret, secret_size, &key, iv) &&
      derive_header(protection, hash, secret, secret_size, &header) &&
      put(conn, secret, secret_size, &key, iv, sizeof(iv), &header) == 0) {
    return 0;
  }
  if (key.native_handle != NULL) {
    packet_protection_delete_key(conn, &key, NULL);
  }
  if (header.native_handle != NULL) {
    packet_protection_delete_header_key(conn, &header, NULL);
  }
  return ERROR_TLS;
}

int packet_protection_install(struct packet_protection *protection, ngtcp2_conn *conn,
                              const uint8_t *rx_secret, const uint8_t *tx_secret,
                              size_t secret_size) {
  int code = 0;
  if (rx_secret != NULL) {
    code = install(protection, conn, ngtcp2_conn_install_rx_key, rx_secret, secret_size);
  }
  if (code == 0 && tx_secret != NULL) {
    code = install(protection, conn, ngtcp2_conn_install_tx_key, tx_secret, secret_size);
  }
  return code;
}

int packet_protection_update(struct packet_protection *protection, ngtcp2_conn *conn,
                             uint8_t *rx_secret, uint8_t *tx_secret,
                             ngtcp2_crypto_aead_ctx *rx_aead_ctx, uint8_t *rx_iv,
                             ngtcp2_crypto_aead_ctx *tx_aead_ctx, uint8_t *tx_iv,
                             const uint8_t *current_rx_secret, const uint8_t *current_tx_secret,
                             size_t secret_size) {
  const ngtcp2_crypto_md *hash = &ngtcp2_conn_get_crypto_ctx(conn)->md;
  rx_aead_ctx->native_handle = NULL;
  if (!expand(rx_secret, secret_size, hash, current_rx_secret, secret_size, "quic ku") ||
      !expand(tx_secret, secret_size, hash, current_tx_secret, secret_size, "quic ku") ||
      !derive(protection, hash, rx_secret, secret_size, rx_aead_ctx, rx_iv)) {
    return ERROR_TLS;
  }
  if (!derive(protection, hash, tx_secret, secret_size, tx_aead_ctx, tx_iv)) {
    packet_protection_delete_key(conn, rx_aead_ctx, NULL);
    return ERROR_TLS;
  }
  return 0;
}

/* --- packets --- */

int packet_protection_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                              const ngtcp2_crypto_aead_ctx *aead_ctx, const uint8_t *plaintext,
                              size_t plaintextlen, const uint8_t *nonce, size_t noncelen,
                              const uint8_t *aad, size_t aadlen) {
  struct packet_key *key = untagged(aead_ctx->native_handle);
  if (key == NULL) {
    return ngtcp2_crypto_encrypt_cb(dest, aead, aead_ctx, plaintext, plaintextlen, nonce, noncelen,
                                    aad, aadlen);
  }
  const struct gcm_key_data *schedule = schedule_of(key);
  if (schedule == NULL) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  struct gcm_context_data context;
  IMB_AES128_GCM_ENC(key->manager, schedule, &context, dest, plaintext, plaintextlen, nonce, aad,
                     aadlen, dest + plaintextlen, TAG_SIZE);
  return 0;
}

int packet_protection_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                              const ngtcp2_crypto_aead_ctx *aead_ctx, const uint8_t *ciphertext,
                              size_t ciphertextlen, const uint8_t *nonce, size_t noncelen,
                              const uint8_t *aad, size_t aadlen) {
  struct packet_key *key = untagged(aead_ctx->native_handle);
  if (key == NULL) {
    return ngtcp2_crypto_decrypt_cb(dest, aead, aead_ctx, ciphertext, ciphertextlen, nonce,
                                    noncelen, aad, aadlen);
  }
  if (ciphertextlen < TAG_SIZE) {
    return NGTCP2_ERR_DECRYPT;
  }
  const struct gcm_key_data *schedule = schedule_of(key);
  if (schedule == NULL) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  struct gcm_context_data context;
  uint8_t tag[TAG_SIZE];
  size_t size = ciphertextlen - TAG_SIZE;
  IMB_AES128_GCM_DEC(key->manager, schedule, &context, dest, ciphertext, size, nonce, aad, aadlen,
                     tag, TAG_SIZE);
  return gnutls_memcmp(tag, ciphertext + size, TAG_SIZE) == 0 ? 0 : NGTCP2_ERR_DECRYPT;
}

int packet_protection_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                           const ngtcp2_crypto_cipher_ctx *hp_ctx, const uint8_t *sample) {
  const struct header_key *key = untagged(hp_ctx->native_handle);
  if (key == NULL) {
    return ngtcp2_crypto_hp_mask_cb(dest, hp, hp_ctx, sample);
  }
  /* One block of CFB over zeroes is the block cipher of its initialisation vector. */
  static const uint8_t zeroes[BLOCK_SIZE];
  uint8_t block[BLOCK_SIZE];
  IMB_AES128_CFB_ONE(key->manager, block, zeroes, sample, key->schedule, BLOCK_SIZE);
  memcpy(dest, block, MASK_SIZE);
  return 0;
}

/* What the faster library does is bit for bit what GnuTLS does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gnutls/crypto.h>

#include "base/clock.h"
#include "base/random.h"
#include "pair.h"
#include "quic/connection_internal.h"

enum { KEY_SIZE = 16, IV_SIZE = 12, TAG_SIZE = 16, SAMPLE_SIZE = 16, MASK_SIZE = 5, MOST = 1500 };

static const ngtcp2_crypto_aead aes_gcm = {.native_handle = (void *)GNUTLS_CIPHER_AES_128_GCM,
                                           .max_overhead = TAG_SIZE};

struct keys {
  struct packet_protection *protection;
  ngtcp2_crypto_aead_ctx ours, gnutls_seals, gnutls_opens;
  ngtcp2_crypto_cipher_ctx our_header;
  uint8_t header_key[KEY_SIZE];
};

static void keys_open(struct keys *keys) {
  uint8_t key[KEY_SIZE];
  random_bytes(key, sizeof(key));
  *keys = (struct keys){.protection = packet_protection_new()};
  random_bytes(keys->header_key, sizeof(keys->header_key));
  if (keys->protection == NULL) {
    skip(); /* this build or this processor has nothing but GnuTLS */
  }
  assert_true(packet_protection_key(keys->protection, key, &keys->ours));
  assert_true(packet_protection_header_key(keys->protection, keys->header_key, &keys->our_header));
  assert_int_equal(ngtcp2_crypto_aead_ctx_encrypt_init(&keys->gnutls_seals, &aes_gcm, key, IV_SIZE),
                   0);
  assert_int_equal(ngtcp2_crypto_aead_ctx_decrypt_init(&keys->gnutls_opens, &aes_gcm, key, IV_SIZE),
                   0);
}

static void keys_close(struct keys *keys) {
  packet_protection_delete_key(NULL, &keys->ours, NULL);
  packet_protection_delete_key(NULL, &keys->gnutls_seals, NULL);
  packet_protection_delete_key(NULL, &keys->gnutls_opens, NULL);
  packet_protection_delete_header_key(NULL, &keys->our_header, NULL);
  packet_protection_free(keys->protection);
}

struct packet {
  size_t size, header_size;
  uint8_t plain[MOST], header[MOST], nonce[IV_SIZE];
};

static void packet_make(struct packet *packet, size_t size) {
  packet->size = size;
  packet->header_size = size % 64;
  random_bytes(packet->plain, sizeof(packet->plain));
  random_bytes(packet->header, sizeof(packet->header));
  random_bytes(packet->nonce, sizeof(packet->nonce));
}

static void seal(const ngtcp2_crypto_aead_ctx *key, const struct packet *packet, uint8_t *out) {
  assert_int_equal(packet_protection_encrypt(out, &aes_gcm, key, packet->plain, packet->size,
                                             packet->nonce, IV_SIZE, packet->header,
                                             packet->header_size),
                   0);
}

static int open_sealed(const ngtcp2_crypto_aead_ctx *key, const struct packet *packet,
                       const uint8_t *sealed, uint8_t *out) {
  return packet_protection_decrypt(out, &aes_gcm, key, sealed, packet->size + TAG_SIZE,
                                   packet->nonce, IV_SIZE, packet->header, packet->header_size);
}

static void packets_of_all_sizes_are_the_same_as_gnutls_makes(void **state UNUSED) {
  struct keys keys;
  keys_open(&keys);
  static struct packet packet;
  static uint8_t ours[MOST + TAG_SIZE], theirs[MOST + TAG_SIZE], opened[MOST];
  for (size_t size = 1; size <= MOST; size++) {
    packet_make(&packet, size);
    seal(&keys.ours, &packet, ours);
    seal(&keys.gnutls_seals, &packet, theirs);
    assert_memory_equal(ours, theirs, size + TAG_SIZE);
    assert_int_equal(open_sealed(&keys.ours, &packet, theirs, opened), 0);
    assert_memory_equal(opened, packet.plain, size);
    assert_int_equal(open_sealed(&keys.gnutls_opens, &packet, ours, opened), 0);
    /* As ngtcp2 has it: the payload is sealed where it lies. */
    memcpy(ours, packet.plain, size);
    assert_int_equal(packet_protection_encrypt(ours, &aes_gcm, &keys.ours, ours, size, packet.nonce,
                                               IV_SIZE, packet.header, packet.header_size),
                     0);
    assert_memory_equal(ours, theirs, size + TAG_SIZE);
  }
  keys_close(&keys);
}

static void what_was_changed_is_refused(void **state UNUSED) {
  struct keys keys;
  keys_open(&keys);
  static struct packet packet;
  uint8_t sealed[200 + TAG_SIZE], opened[200];
  packet_make(&packet, 200);
  seal(&keys.ours, &packet, sealed);
  for (size_t at = 0; at < sizeof(sealed); at++) {
    sealed[at] ^= 1;
    assert_int_equal(open_sealed(&keys.ours, &packet, sealed, opened), NGTCP2_ERR_DECRYPT);
    sealed[at] ^= 1;
  }
  packet.header[0] ^= 1;
  assert_int_equal(open_sealed(&keys.ours, &packet, sealed, opened), NGTCP2_ERR_DECRYPT);
  packet.header[0] ^= 1;
  assert_int_equal(open_sealed(&keys.ours, &packet, sealed, opened), 0);
  assert_int_equal(packet_protection_decrypt(opened, &aes_gcm, &keys.ours, sealed, TAG_SIZE - 1,
                                             packet.nonce, IV_SIZE, packet.header, 0),
                   NGTCP2_ERR_DECRYPT);
  keys_close(&keys);
}

/* The first block of CBC from zeroes is the cipher itself. */
static void encrypt_block(const uint8_t *key, const uint8_t *block, uint8_t *out) {
  static uint8_t zeroes[SAMPLE_SIZE];
  const gnutls_datum_t key_datum = {(unsigned char *)(uintptr_t)key, KEY_SIZE};
  const gnutls_datum_t vector = {zeroes, sizeof(zeroes)};
  gnutls_cipher_hd_t cipher;
  assert_int_equal(gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_CBC, &key_datum, &vector), 0);
  assert_int_equal(gnutls_cipher_encrypt2(cipher, block, SAMPLE_SIZE, out, SAMPLE_SIZE), 0);
  gnutls_cipher_deinit(cipher);
}

static void header_masks_are_the_same_as_gnutls_makes(void **state UNUSED) {
  struct keys keys;
  keys_open(&keys);
  for (int i = 0; i < 1000; i++) {
    uint8_t sample[SAMPLE_SIZE], ours[MASK_SIZE], block[SAMPLE_SIZE];
    random_bytes(sample, sizeof(sample));
    assert_int_equal(packet_protection_mask(ours, NULL, &keys.our_header, sample), 0);
    encrypt_block(keys.header_key, sample, block);
    assert_memory_equal(ours, block, MASK_SIZE);
  }
  keys_close(&keys);
}

/* --- in a connection --- */

static const struct span nothing = {NULL, 0}, greeting = {(const uint8_t *)"Echo", 4};

/* Each goes at once: no key makes a connection wait. */
static void greet(struct pair *pair) {
  pair->client.datagrams = pair->server.datagrams = 0;
  assert_int_equal(quic_connection_send_datagram(pair->client.connection, nothing, greeting), 0);
  world_run_until(&world, server_got_datagram, pair);
  assert_int_equal(quic_connection_send_datagram(pair->server.connection, nothing, greeting), 0);
  world_run_until(&world, client_got_datagram, pair);
}

static bool keys_can_be_updated(void *context) {
  struct quic_connection *connection = ((struct pair *)context)->client.connection;
  return ngtcp2_conn_initiate_key_update(connection->conn, clock_now()) == 0;
}

/* Whatever the two sides use, they understand each other. */
static void talk_and_update_keys(bool client_has_it) {
  struct pair pair;
  pair_open(&pair);
  struct quic_target target = tunnel_target(&pair.client, server_port(&pair));
  target.parameters.keep_alive = SECOND / 20; /* turns the loop while an update must wait */
  connect_to(pair.client_endpoint, &target, &pair.client);
  if (!client_has_it) {
    pair.client.connection->tls.protection = NULL;
  }
  world_run_until(&world, both_established, &pair);
  for (int i = 0; i < 3; i++) {
    greet(&pair);
    world_run_until(&world, keys_can_be_updated, &pair);
    greet(&pair);
  }
  assert_false(pair.client.closed);
  assert_false(pair.server.closed);
  pair_close(&pair);
}

static void keys_are_updated_by_either_library(void **state UNUSED) {
  talk_and_update_keys(true);
  talk_and_update_keys(false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packets_of_all_sizes_are_the_same_as_gnutls_makes),
      cmocka_unit_test(what_was_changed_is_refused),
      cmocka_unit_test(header_masks_are_the_same_as_gnutls_makes),
      cmocka_unit_test(keys_are_updated_by_either_library),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

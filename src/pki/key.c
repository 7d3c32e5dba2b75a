#include "pki/key.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "pki/digest.h"
#include "pki/key_handle.h"
#include "pki/library_error.h"

/* A P-256 key takes about 250 bytes of PEM; the rest is room for comments. */
enum { KEY_FILE_MAX = 16384 };

struct pki_key {
  gnutls_x509_privkey_t handle;
};

gnutls_x509_privkey_t pki_key_handle(const struct pki_key *key) {
  return key->handle;
}

int pki_public_key_hash(gnutls_pubkey_t key, uint8_t hash[static PKI_HASH_SIZE],
                        struct error *error) {
  gnutls_datum_t der;
  int status = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der);
  if (status != 0) {
    return pki_library_error(error, ERROR_CERTIFICATE, status, "cannot read a public key");
  }
  pki_digest(der.data, der.size, hash);
  gnutls_free(der.data);
  return 0;
}

bool pki_public_key_is_ours(gnutls_pubkey_t key) {
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  return gnutls_pubkey_get_pk_algorithm(key, NULL) == GNUTLS_PK_ECDSA &&
         gnutls_pubkey_export_ecc_raw(key, &curve, NULL, NULL) == 0 &&
         curve == GNUTLS_ECC_CURVE_SECP256R1;
}

static int pki_key_alloc(struct pki_key **out, struct error *error) {
  struct pki_key *key = calloc(1, sizeof(*key));
  if (key == NULL || gnutls_x509_privkey_init(&key->handle) != 0) {
    free(key);
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a private key");
  }
  *out = key;
  return 0;
}

int pki_key_new(struct pki_key **out, struct error *error) {
  *out = NULL;
  struct pki_key *key = NULL;
  int code = pki_key_alloc(&key, error);
  if (code != 0) {
    return code;
  }
  int status = gnutls_x509_privkey_generate(key->handle, GNUTLS_PK_ECDSA,
                                            GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  if (status != 0) {
    pki_key_free(key);
    return pki_library_error(error, ERROR_TLS, status, "cannot make a private key");
  }
  *out = key;
  return 0;
}

static int key_check_kind(const struct pki_key *key, const char *path, struct error *error) {
  gnutls_pubkey_t public_key;
  int code = pki_key_public(key, &public_key, error);
  if (code != 0) {
    return error_prefix(error, "%s: ", path);
  }
  if (!pki_public_key_is_ours(public_key)) {
    code = error_set(error, ERROR_CERTIFICATE,
                     "%s: the key is not ECDSA on P-256, which is the only kind used here", path);
  }
  gnutls_pubkey_deinit(public_key);
  return code;
}

int pki_key_load(const char *path, struct pki_key **out, struct error *error) {
  *out = NULL;
  uint8_t *data;
  size_t size;
  int code = file_read_secret(path, KEY_FILE_MAX, &data, &size, error);
  if (code != 0) {
    return code;
  }
  struct pki_key *key = NULL;
  code = pki_key_alloc(&key, error);
  if (code == 0) {
    gnutls_datum_t pem = {.data = data, .size = (unsigned)size};
    int status = gnutls_x509_privkey_import2(key->handle, &pem, GNUTLS_X509_FMT_PEM, NULL,
                                             GNUTLS_PKCS_PLAIN);
    code = status == 0
               ? key_check_kind(key, path, error)
               : pki_library_error(error, ERROR_CERTIFICATE, status,
                                   "%s is not a private key in PEM without a password", path);
  }
  explicit_bzero(data, size);
  free(data);
  if (code != 0) {
    pki_key_free(key);
    return code;
  }
  *out = key;
  return 0;
}

int pki_key_save(const struct pki_key *key, const char *path, struct error *error) {
  gnutls_datum_t pem;
  int status = gnutls_x509_privkey_export2(key->handle, GNUTLS_X509_FMT_PEM, &pem);
  if (status != 0) {
    return pki_library_error(error, ERROR_TLS, status, "cannot write a private key");
  }
  int code = file_create(path, pem.data, pem.size, 0600, error);
  explicit_bzero(pem.data, pem.size);
  gnutls_free(pem.data);
  return code;
}

int pki_key_public(const struct pki_key *key, gnutls_pubkey_t *out, struct error *error) {
  *out = NULL; /* so that a caller's clean-up may free it whatever happened */
  gnutls_privkey_t abstract;
  gnutls_pubkey_t public_key;
  if (gnutls_privkey_init(&abstract) != 0) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a key");
  }
  if (gnutls_pubkey_init(&public_key) != 0) {
    gnutls_privkey_deinit(abstract);
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a key");
  }
  int status = gnutls_privkey_import_x509(abstract, key->handle, 0);
  if (status == 0) {
    status = gnutls_pubkey_import_privkey(public_key, abstract, 0, 0);
  }
  gnutls_privkey_deinit(abstract);
  if (status != 0) {
    gnutls_pubkey_deinit(public_key);
    return pki_library_error(error, ERROR_TLS, status, "cannot read a public key");
  }
  *out = public_key;
  return 0;
}

int pki_key_hash(const struct pki_key *key, uint8_t hash[static PKI_HASH_SIZE],
                 struct error *error) {
  gnutls_pubkey_t public_key;
  int code = pki_key_public(key, &public_key, error);
  if (code == 0) {
    code = pki_public_key_hash(public_key, hash, error);
    gnutls_pubkey_deinit(public_key);
  }
  return code;
}

void pki_key_free(struct pki_key *key) {
  if (key != NULL) {
    gnutls_x509_privkey_deinit(key->handle);
    free(key);
  }
}

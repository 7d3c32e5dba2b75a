#include "server/quic_secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/random.h"

enum { SECRET_MODE = 0600 };

int quic_secret_make(const char *path, struct made *made, struct error *error) {
  uint8_t secret[QUIC_SECRET_SIZE];
  random_bytes(secret, sizeof(secret));
  int code = made_file(made, path, error);
  if (code == ERROR_NONE) {
    code = file_create(path, secret, sizeof(secret), SECRET_MODE, error);
  }
  explicit_bzero(secret, sizeof(secret));
  return code;
}

int quic_secret_load(const char *path, uint8_t secret[static QUIC_SECRET_SIZE],
                     struct error *error) {
  uint8_t *data;
  size_t size;
  int code = file_read_secret(path, QUIC_SECRET_SIZE, &data, &size, error);
  if (code != ERROR_NONE) {
    return code;
  }
  if (size == QUIC_SECRET_SIZE) {
    memcpy(secret, data, QUIC_SECRET_SIZE);
  } else {
    code = error_set(error, ERROR_INVALID, "%s is damaged: it has %zu bytes, not %d", path, size,
                     QUIC_SECRET_SIZE);
  }
  explicit_bzero(data, size);
  free(data);
  return code;
}

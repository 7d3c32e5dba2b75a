#include "node/pem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----\n"
#define PEM_END   "-----END CERTIFICATE-----\n"

enum { LINE_BYTES = 48 /* 64 characters, as RFC 7468 section 2 has it */ };

static size_t base64_line(const uint8_t *data, size_t size, char *out) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t written = 0;
  for (size_t i = 0; i < size; i += 3) {
    size_t have = size - i < 3 ? size - i : 3;
    uint32_t group = (uint32_t)data[i] << 16;
    if (have > 1)
      group |= (uint32_t)data[i + 1] << 8;
    if (have > 2)
      group |= data[i + 2];
    out[written++] = alphabet[group >> 18];
    out[written++] = alphabet[group >> 12 & 63];
    out[written++] = have > 1 ? alphabet[group >> 6 & 63] : '=';
    out[written++] = have > 2 ? alphabet[group & 63] : '=';
  }
  out[written++] = '\n';
  return written;
}

int pem_from_certificates(const struct span *certificates, size_t count, char **text, size_t *size,
                          struct error *error) {
  size_t capacity = 1;
  for (size_t i = 0; i < count; i++)
    capacity += sizeof PEM_BEGIN + sizeof PEM_END + (certificates[i].size / 3 + 1) * 4 +
                certificates[i].size / LINE_BYTES + 1;
  char *out = malloc(capacity);
  if (!out)
    return error_set(error, ERROR_NO_MEMORY, "no memory to write %zu certificates", count);
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(out + at, PEM_BEGIN, sizeof PEM_BEGIN - 1);
    at += sizeof PEM_BEGIN - 1;
    const struct span *der = &certificates[i];
    for (size_t done = 0; done < der->size; done += LINE_BYTES) {
      size_t rest = der->size - done;
      at += base64_line(der->data + done, rest < LINE_BYTES ? rest : LINE_BYTES, out + at);
    }
    memcpy(out + at, PEM_END, sizeof PEM_END - 1);
    at += sizeof PEM_END - 1;
  }
  out[at] = '\0';
  *text = out;
  *size = at;
  return 0;
}

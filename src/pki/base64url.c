#include "pki/base64url.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_length(size_t size) {
  return size / 3 * 4 + (size % 3 == 0 ? 0 : size % 3 + 1);
}

void base64url_encode(const uint8_t *data, size_t size, char *text) {
  uint32_t bits = 0;
  unsigned held = 0;
  for (size_t i = 0; i < size; i++) {
    bits = bits << 8 | data[i];
    held += 8;
    while (held >= 6) {
      held -= 6;
      *text++ = digits[bits >> held & 63];
    }
  }
  if (held > 0) {
    *text++ = digits[bits << (6 - held) & 63];
  }
  *text = '\0';
}

static int digit_value(char c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(const char *text, size_t length, uint8_t *data, size_t *size) {
  *size = 0;
  if (length % 4 == 1) {
    return false;
  }
  uint32_t bits = 0;
  unsigned held = 0;
  size_t written = 0;
  for (size_t i = 0; i < length; i++) {
    int value = digit_value(text[i]);
    if (value < 0) {
      return false;
    }
    bits = bits << 6 | (uint32_t)value;
    held += 6;
    if (held >= 8) {
      held -= 8;
      data[written++] = (uint8_t)(bits >> held);
    }
  }
  if ((bits & ((1U << held) - 1)) != 0) {
    return false;
  }
  *size = written;
  return true;
}

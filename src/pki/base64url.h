/* Base64 with the URL alphabet and no padding (RFC 4648 section 5). Pure; for pki/ alone. */
#ifndef CYPHONIC_PKI_BASE64URL_H
#define CYPHONIC_PKI_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that `size` bytes take, without a terminating zero. */
size_t base64url_length(size_t size);

/* Writes base64url_length(size) characters and a zero. */
void base64url_encode(const uint8_t *data, size_t size, char *text);

/* Decodes exactly one way: another character, a length that cannot be, or bits set past the end
 * are refused, so that two texts never stand for the same bytes. `data` has room for
 * 3 * length / 4 bytes. */
bool base64url_decode(const char *text, size_t length, uint8_t *data, size_t *size);

#endif

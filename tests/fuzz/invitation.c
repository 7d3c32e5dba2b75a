/* An invitation as anybody may have typed it, and once more as the bytes inside one whose check sum
 * holds, which a fuzzer would never guess. What parses must print as it was. */
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "pki/base64url.h"
#include "pki/invitation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *trimmed(char *text) {
  static const char space[] = " \t\r\n\v\f";
  text += strspn(text, space);
  for (size_t length = strlen(text); length > 0 && strchr(space, text[length - 1]); length--) {
    text[length - 1] = '\0';
  }
  return text;
}

static void check(char *text) {
  struct invitation invitation;
  struct error error = {0};
  if (invitation_parse(text, &invitation, &error) == 0) {
    char printed[INVITATION_TEXT_SIZE];
    if (invitation_format(&invitation, printed, &error) != 0 ||
        strcmp(printed, trimmed(text)) != 0) {
      abort();
    }
  } else if (error.message[0] == '\0') {
    abort();
  }
}

static void check_as_typed(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  if (text != NULL) {
    memcpy(text, data, size);
    text[size] = '\0';
    check(text);
    free(text);
  }
}

static void check_as_content(const uint8_t *data, size_t size) {
  enum { CONTENT_MAX = 2400, SUM_SIZE = 4 };
  uint8_t bytes[CONTENT_MAX + SUM_SIZE], hash[PKI_HASH_SIZE];
  char text[INVITATION_TEXT_SIZE] = "cyphonic:";
  if (size <= CONTENT_MAX) {
    memcpy(bytes, data, size);
    gnutls_hash_fast(GNUTLS_DIG_SHA256, data, size, hash);
    memcpy(bytes + size, hash, SUM_SIZE);
    base64url_encode(bytes, size + SUM_SIZE, text + strlen(text));
    check(text);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  check_as_typed(data, size);
  check_as_content(data, size);
  return 0;
}

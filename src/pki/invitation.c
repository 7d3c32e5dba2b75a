#include "pki/invitation.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"
#include "pki/base64url.h"
#include "pki/digest.h"
#include "pki/name.h"

enum {
  VERSION = 1,
  CHECKSUM_SIZE = 4,
  ADDRESS_BYTES_MAX = 255, /* its length is one byte */
  HEAD_SIZE = 1 + PKI_HASH_SIZE + INVITATION_SECRET_SIZE + 1,
  BYTES_MAX = HEAD_SIZE + INVITATION_ADDRESSES_MAX * (1 + ADDRESS_BYTES_MAX) + CHECKSUM_SIZE,
};

static const char prefix[] = "cyphonic:";

/* One spelling for each host, so that what is parsed prints as it was. */
static bool host_is_sound(const char *host) {
  struct ip_address ip;
  char text[ADDRESS_TEXT_SIZE], name[PKI_NAME_SIZE];
  if (ip_address_parse(host, &ip) == 0) {
    return strcmp(ip_address_text(&ip, text), host) == 0;
  }
  return pki_name_normalise_text(host, name) && strcmp(name, host) == 0;
}

int invitation_format(const struct invitation *invitation, char text[static INVITATION_TEXT_SIZE],
                      struct error *error) {
  text[0] = '\0';
  if (invitation->address_count == 0 || invitation->address_count > INVITATION_ADDRESSES_MAX) {
    return error_set(error, ERROR_LIMIT, "an invitation holds 1 to %d server addresses, not %zu",
                     INVITATION_ADDRESSES_MAX, invitation->address_count);
  }
  uint8_t bytes[BYTES_MAX], hash[PKI_HASH_SIZE];
  struct writer writer = writer_init(bytes, sizeof(bytes));
  writer_u8(&writer, VERSION);
  writer_bytes(&writer, invitation->fingerprint, PKI_HASH_SIZE);
  writer_bytes(&writer, invitation->secret, INVITATION_SECRET_SIZE);
  writer_u8(&writer, (uint8_t)invitation->address_count);
  int code = 0;
  for (size_t i = 0; i < invitation->address_count; i++) {
    const char *host = invitation->address[i].host;
    uint16_t port = invitation->address[i].port;
    char address[INVITATION_HOST_SIZE + sizeof("[]:65535")];
    if (strnlen(host, INVITATION_HOST_SIZE) == INVITATION_HOST_SIZE || !host_is_sound(host) ||
        port == 0) {
      code = error_set(error, ERROR_INVALID,
                       "\"%.*s\" with port %u can't be a server's address in an invitation: give a "
                       "host name in lower case or an IP address, and a port above 0",
                       INVITATION_HOST_SIZE, host, port);
      goto out;
    }
    bool brackets = strchr(host, ':') != NULL;
    int length = snprintf(address, sizeof(address), brackets ? "[%s]:%u" : "%s:%u", host, port);
    if (length > ADDRESS_BYTES_MAX) {
      code = error_set(error, ERROR_LIMIT,
                       "the server's name %s with its port takes %d bytes, and an invitation has "
                       "room for %d: give the server a shorter name",
                       host, length, ADDRESS_BYTES_MAX);
      goto out;
    }
    writer_u8(&writer, (uint8_t)length);
    writer_bytes(&writer, address, (size_t)length);
  }
  pki_digest(bytes, writer.size, hash);
  writer_bytes(&writer, hash, CHECKSUM_SIZE);
  _Static_assert(sizeof(prefix) + (BYTES_MAX + 2) / 3 * 4 <= INVITATION_TEXT_SIZE,
                 "the longest invitation fits its text");
  memcpy(text, prefix, sizeof(prefix));
  base64url_encode(bytes, writer.size, text + strlen(prefix));
out:
  explicit_bzero(bytes, sizeof(bytes));
  return code;
}

static bool port_parse(const char *text, uint16_t *port) {
  unsigned value = 0;
  size_t length = strlen(text);
  if (length == 0 || length > 5 || text[0] == '0') {
    return false;
  }
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') {
      return false;
    }
    value = value * 10 + (unsigned)(text[i] - '0');
  }
  *port = (uint16_t)value;
  return value <= UINT16_MAX;
}

/* The address as format writes it, and in no other spelling. */
static bool address_read(struct reader *reader, char host[static INVITATION_HOST_SIZE],
                         uint16_t *port) {
  struct span bytes = reader_bytes(reader, reader_u8(reader));
  char address[ADDRESS_BYTES_MAX + 1];
  if (reader->failed || bytes.size == 0 || memchr(bytes.data, '\0', bytes.size) != NULL) {
    return false;
  }
  memcpy(address, bytes.data, bytes.size);
  address[bytes.size] = '\0';
  char *colon = strrchr(address, ':');
  if (colon == NULL || colon == address || !port_parse(colon + 1, port)) {
    return false;
  }
  *colon = '\0';
  char *start = address;
  size_t length = (size_t)(colon - address);
  bool brackets = start[0] == '[' && start[length - 1] == ']';
  if (brackets) {
    start[length - 1] = '\0';
    start++;
    length -= 2;
  }
  if (length >= INVITATION_HOST_SIZE || brackets != (strchr(start, ':') != NULL) ||
      !host_is_sound(start)) {
    return false;
  }
  memcpy(host, start, length + 1);
  return true;
}

static int content_parse(struct span bytes, struct invitation *invitation, struct error *error) {
  uint8_t hash[PKI_HASH_SIZE];
  if (bytes.size > 0 && bytes.data[0] != VERSION) {
    return error_set(error, ERROR_INVALID,
                     "the invitation is damaged or of version %u, and this program knows version "
                     "%d only: copy it again, whole, or update the program",
                     bytes.data[0], VERSION);
  }
  size_t covered = bytes.size < CHECKSUM_SIZE ? 0 : bytes.size - CHECKSUM_SIZE;
  pki_digest(bytes.data, covered, hash);
  if (bytes.size < HEAD_SIZE + CHECKSUM_SIZE ||
      memcmp(hash, bytes.data + covered, CHECKSUM_SIZE) != 0) {
    return error_set(error, ERROR_INVALID,
                     "the invitation is incomplete or mistyped (its check sum does not hold): copy "
                     "it again, whole and on one line");
  }
  struct reader reader = reader_init(bytes.data, covered);
  (void)reader_u8(&reader);
  memcpy(invitation->fingerprint, reader_bytes(&reader, PKI_HASH_SIZE).data, PKI_HASH_SIZE);
  memcpy(invitation->secret, reader_bytes(&reader, INVITATION_SECRET_SIZE).data,
         INVITATION_SECRET_SIZE);
  invitation->address_count = reader_u8(&reader);
  bool sound =
      invitation->address_count > 0 && invitation->address_count <= INVITATION_ADDRESSES_MAX;
  for (size_t i = 0; sound && i < invitation->address_count; i++) {
    sound = address_read(&reader, invitation->address[i].host, &invitation->address[i].port);
  }
  if (!sound || reader.failed || reader.rest.size != 0) {
    return error_set(error, ERROR_INVALID,
                     "the invitation's list of server addresses makes no sense: ask for a new one");
  }
  return 0;
}

int invitation_parse(const char *text, struct invitation *invitation, struct error *error) {
  static const char space[] = " \t\r\n\v\f";
  memset(invitation, 0, sizeof(*invitation));
  text += strspn(text, space);
  size_t length = strnlen(text, INVITATION_TEXT_SIZE);
  while (length > 0 && strchr(space, text[length - 1]) != NULL) {
    length--;
  }
  if (length < strlen(prefix) || strncmp(text, prefix, strlen(prefix)) != 0) {
    return error_set(error, ERROR_INVALID,
                     "this is no invitation: one is a single line that begins with \"%s\", as "
                     "\"cyphonic-server token create\" prints it",
                     prefix);
  }
  text += strlen(prefix);
  length -= strlen(prefix);
  if (length > base64url_length(BYTES_MAX)) {
    return error_set(error, ERROR_INVALID,
                     "the invitation is longer than any can be: copy that one line alone");
  }
  uint8_t bytes[(BYTES_MAX + 2) / 3 * 3];
  size_t size;
  int code;
  if (!base64url_decode(text, length, bytes, &size)) {
    code = error_set(error, ERROR_INVALID,
                     "the invitation is incomplete or mistyped (a character or its length can't "
                     "be): copy it again, whole and on one line");
  } else {
    code = content_parse((struct span){bytes, size}, invitation, error);
  }
  if (code != 0) {
    explicit_bzero(invitation, sizeof(*invitation));
  }
  explicit_bzero(bytes, sizeof(bytes));
  return code;
}

void invitation_secret_hash(const uint8_t secret[static INVITATION_SECRET_SIZE],
                            uint8_t hash[static PKI_HASH_SIZE]) {
  pki_digest(secret, INVITATION_SECRET_SIZE, hash);
}

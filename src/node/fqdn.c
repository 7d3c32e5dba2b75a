#include "node/fqdn.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Names travel as ASCII whatever the locale says, so the C library's ctype is no help. */
static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 1123 section 2.1. */
static bool labels_valid(const char *name) {
  size_t length = 0;
  for (const char *at = name;; at++) {
    if (*at == '.' || *at == '\0') {
      if (length == 0 || length >= LABEL_SIZE || at[-1] == '-')
        return false;
      if (*at == '\0')
        return true;
      length = 0;
    } else if (label_character(*at) || (*at == '-' && length > 0)) {
      length++;
    } else {
      return false;
    }
  }
}

bool fqdn_is_valid(const char *fqdn, const char *domain) {
  size_t length = strlen(fqdn), tail = strlen(domain);
  return length < FQDN_SIZE && length > tail + 1 && fqdn[length - tail - 1] == '.' &&
         strcmp(fqdn + length - tail, domain) == 0 && labels_valid(fqdn);
}

int fqdn_from_text(const char *text, const char *domain, char fqdn[static FQDN_SIZE],
                   struct error *error) {
  size_t length = strlen(text);
  if (length > 0 && text[length - 1] == '.')
    length--;
  if (length == 0 || length >= FQDN_SIZE)
    return error_set(error, ERROR_INVALID,
                     "'%.64s' is no name of a device: give a name such as 'laptop' or "
                     "'laptop.%s'",
                     text, domain);
  bool bare = true;
  for (size_t i = 0; i < length; i++) {
    fqdn[i] = lower(text[i]);
    if (fqdn[i] == '.')
      bare = false;
  }
  fqdn[length] = '\0';
  if (!labels_valid(fqdn))
    return error_set(error, ERROR_INVALID,
                     "'%.64s' is no name of a device: labels are letters, digits and inner hyphens",
                     text);
  if (bare) {
    int added = snprintf(fqdn + length, FQDN_SIZE - length, ".%s", domain);
    if (added < 0 || (size_t)added >= FQDN_SIZE - length)
      return error_set(error, ERROR_INVALID, "'%.64s' is too long a name in the domain %s", text,
                       domain);
  }
  if (!fqdn_is_valid(fqdn, domain))
    return error_set(error, ERROR_NOT_FOUND, "'%.64s' is not in this network's domain %s", text,
                     domain);
  return 0;
}

int fqdn_label(const char *text, char label[static LABEL_SIZE], struct error *error) {
  size_t length = strlen(text);
  for (size_t i = 0; i < length && i < LABEL_SIZE - 1; i++)
    label[i] = lower(text[i]);
  if (length < LABEL_SIZE)
    label[length] = '\0';
  if (length >= LABEL_SIZE || strchr(label, '.') || !labels_valid(label))
    return error_set(error, ERROR_INVALID,
                     "'%.64s' cannot be a device's name: 1 to %d letters, digits and inner hyphens "
                     "are asked for",
                     text, LABEL_SIZE - 1);
  return 0;
}

int fqdn_label_from_host(const char *host, char label[static LABEL_SIZE], struct error *error) {
  size_t size = 0;
  for (const char *at = host; *at != '\0' && *at != '.' && size < LABEL_SIZE - 1; at++) {
    char c = lower(*at);
    if (label_character(c))
      label[size++] = c;
    else if (size > 0)
      label[size++] = '-';
  }
  while (size > 0 && label[size - 1] == '-')
    size--;
  label[size] = '\0';
  if (size == 0)
    return error_set(error, ERROR_INVALID,
                     "this host's name '%.64s' makes no device name: give one with --name", host);
  return 0;
}

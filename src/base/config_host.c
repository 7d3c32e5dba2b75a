#include <stdlib.h>
#include <string.h>

#include "base/config.h"

/* RFC 1035 section 2.3.4, in text form. */
enum { HOST_NAME_MAX_LENGTH = 253, LABEL_MAX_LENGTH = 63 };

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

/* A host name: labels of letters, digits, '-' and '_'; a final dot is allowed. A last label of
 * digits alone would be taken for an IPv4 address by some resolvers (RFC 3696 section 2), and is a
 * mistyped one most of the time. */
static bool is_host_name(const char *host) {
  size_t length = strlen(host);
  if (length > 0 && host[length - 1] == '.') {
    length--;
  }
  if (length == 0 || length > HOST_NAME_MAX_LENGTH) {
    return false;
  }
  size_t label = 0;
  bool only_digits = true;
  for (size_t i = 0; i < length; i++) {
    if (host[i] == '.') {
      if (label == 0) {
        return false;
      }
      label = 0;
      only_digits = true;
    } else if (!is_name_character(host[i]) || ++label > LABEL_MAX_LENGTH) {
      return false;
    } else {
      only_digits = only_digits && is_digit(host[i]);
    }
  }
  return label > 0 && !only_digits;
}

static int port_parse(const char *text, uint16_t *port) {
  unsigned value = 0;
  for (const char *next = text; *next != '\0'; next++) {
    if (!is_digit(*next) || (value = 10 * value + (unsigned)(*next - '0')) > UINT16_MAX) {
      return ERROR_CONFIG;
    }
  }
  if (value == 0) {
    return ERROR_CONFIG;
  }
  *port = (uint16_t)value;
  return 0;
}

int config_host_parse(const char *text, uint16_t default_port, char **host, uint16_t *port,
                      struct error *error) {
  const char *start = text, *end = text + strlen(text), *port_text = NULL;
  bool brackets = text[0] == '[';
  if (brackets) {
    start = text + 1;
    end = strchr(text, ']');
    if (end == NULL) {
      return error_set(error, ERROR_CONFIG, "'%.200s' lacks the ']' after its IPv6 address", text);
    }
    if (end[1] != '\0' && end[1] != ':') {
      return error_set(error, ERROR_CONFIG,
                       "'%.200s' has more after the ']' than a port: write [ADDRESS]:PORT", text);
    }
    port_text = end[1] == ':' ? end + 2 : NULL;
  } else {
    const char *colon = strchr(text, ':');
    /* Two colons without brackets: a bare IPv6 address, which leaves no way to tell a port. */
    if (colon != NULL && strchr(colon + 1, ':') == NULL) {
      end = colon;
      port_text = colon + 1;
    }
  }
  uint16_t parsed_port = default_port;
  if (port_text != NULL && port_parse(port_text, &parsed_port) != 0) {
    return error_set(error, ERROR_CONFIG,
                     "'%.200s' has no valid port: use a number from 1 to 65535", text);
  }
  char *copy = strndup(start, (size_t)(end - start));
  if (copy == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for the name of a host");
  }
  struct ip_address ip;
  bool is_ip = ip_address_parse(copy, &ip) == 0;
  if (brackets ? !is_ip || ip.family != 6 : !is_ip && !is_host_name(copy)) {
    free(copy);
    return error_set(error, ERROR_CONFIG,
                     brackets ? "'%.200s' has no IPv6 address between '[' and ']'"
                              : "'%.200s' is no host: write a name or an IP address, with ':PORT' "
                                "behind it if need be (an IPv6 address then in brackets: "
                                "[2001:db8::1]:443)",
                     text);
  }
  *host = copy;
  *port = parsed_port;
  return 0;
}

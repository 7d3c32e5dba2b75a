#include "base/config_value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

/* The table says of what type the field at the offset is. */
static void *field_of(const struct config_key *key, void *target) {
  return (uint8_t *)target + key->offset;
}

static int string_set(const char *text, char **field, struct error *error) {
  *field = strdup(text);
  return *field != NULL ? 0 : error_set(error, ERROR_NO_MEMORY, "out of memory for a value");
}

static int boolean_set(const char *text, bool *field, struct error *error) {
  static const char *const words[][2] = {{"yes", "no"}, {"true", "false"}, {"on", "off"}};
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    bool yes = strcasecmp(text, words[i][0]) == 0;
    if (yes || strcasecmp(text, words[i][1]) == 0) {
      *field = yes;
      return 0;
    }
  }
  return error_set(error, ERROR_CONFIG, "'%.100s' is neither yes nor no", text);
}

/* Digits at the start of `text`; *end is what follows. False without a digit or beyond 64 bits. */
static bool number_parse(const char *text, uint64_t *value, const char **end) {
  *value = 0;
  const char *next = text;
  for (; *next >= '0' && *next <= '9'; next++) {
    if (__builtin_mul_overflow(*value, UINT64_C(10), value) ||
        __builtin_add_overflow(*value, (uint64_t)(*next - '0'), value)) {
      return false;
    }
  }
  *end = next;
  return next != text;
}

static int bounds_check(const struct config_key *key, uint64_t value, const char *text,
                        const char *unit, struct error *error) {
  if (value < key->minimum) {
    return error_set(error, ERROR_CONFIG, "'%.100s' is too small: at least %" PRIu64 "%s", text,
                     key->minimum, unit);
  }
  if (key->maximum != 0 && value > key->maximum) {
    return error_set(error, ERROR_CONFIG, "'%.100s' is too large: at most %" PRIu64 "%s", text,
                     key->maximum, unit);
  }
  return 0;
}

static int unsigned_set(const struct config_key *key, const char *text, uint64_t *field,
                        struct error *error) {
  uint64_t value;
  const char *end;
  if (!number_parse(text, &value, &end) || *end != '\0') {
    return error_set(error, ERROR_CONFIG, "'%.100s' is no number from 0 up, in digits", text);
  }
  int code = bounds_check(key, value, text, "", error);
  if (code == 0) {
    *field = value;
  }
  return code;
}

static bool unit_parse(const char *text, uint64_t *seconds) {
  static const struct {
    const char *text;
    uint64_t seconds;
  } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
    if (strcmp(text, units[i].text) == 0) {
      *seconds = units[i].seconds;
      return true;
    }
  }
  return false;
}

int config_duration_parse(const char *text, uint64_t *seconds) {
  uint64_t value, unit;
  const char *end;
  if (!number_parse(text, &value, &end) || !unit_parse(end, &unit) ||
      __builtin_mul_overflow(value, unit, &value)) {
    return ERROR_INVALID;
  }
  *seconds = value;
  return 0;
}

static int duration_set(const struct config_key *key, const char *text, uint64_t *field,
                        struct error *error) {
  uint64_t value;
  if (config_duration_parse(text, &value) != 0) {
    return error_set(error, ERROR_CONFIG,
                     "'%.100s' is no duration: write seconds, or a number with s, m, h or d behind "
                     "it, such as 90, 30s, 5m, 24h, 90d",
                     text);
  }
  int code = bounds_check(key, value, text, "s", error);
  if (code == 0) {
    *field = value;
  }
  return code;
}

static void addresses_free(struct config_addresses *addresses) {
  for (size_t i = 0; i < addresses->count; i++) {
    free(addresses->text[i]);
  }
  *addresses = (struct config_addresses){0};
}

/* One item of a list, between `start` and `end`. */
static int addresses_add(struct config_addresses *addresses, const char *start, const char *end,
                         struct error *error) {
  while (start < end && (*start == ' ' || *start == '\t')) {
    start++;
  }
  while (start < end && (end[-1] == ' ' || end[-1] == '\t')) {
    end--;
  }
  if (start == end) {
    return error_set(error, ERROR_CONFIG, "there is an empty item between the commas");
  }
  if (addresses->count == CONFIG_ADDRESSES_MAX) {
    return error_set(error, ERROR_CONFIG, "more than %d addresses", CONFIG_ADDRESSES_MAX);
  }
  char *text = strndup(start, (size_t)(end - start));
  if (text == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for an address");
  }
  char *host;
  uint16_t port;
  int code = config_host_parse(text, CONFIG_DEFAULT_PORT, &host, &port, error);
  if (code != 0) {
    free(text);
    return code;
  }
  free(host);
  addresses->text[addresses->count++] = text;
  return 0;
}

static int addresses_set(const char *text, struct config_addresses *field, struct error *error) {
  struct config_addresses addresses = {0};
  int code = 0;
  for (const char *start = text; code == 0 && start != NULL;) {
    const char *end = strchrnul(start, ',');
    code = addresses_add(&addresses, start, end, error);
    start = *end == ',' ? end + 1 : NULL;
  }
  if (code != 0) {
    addresses_free(&addresses);
    return code;
  }
  *field = addresses;
  return 0;
}

static int ip_set(const char *text, struct ip_address *field, struct error *error) {
  if (ip_address_parse(text, field) != 0) {
    return error_set(error, ERROR_CONFIG,
                     "'%.100s' is no IP address, such as 192.0.2.1 or 2001:db8::1", text);
  }
  return 0;
}

static int prefix_set(const char *text, struct ip_prefix *field, struct error *error) {
  if (ip_prefix_parse(text, field) != 0) {
    return error_set(error, ERROR_CONFIG,
                     "'%.100s' is no range of addresses, such as 10.77.0.0/16 or fd00:77::/64 (the "
                     "bits behind the prefix must be zero)",
                     text);
  }
  return 0;
}

static int log_level_set(const char *text, enum log_level *field, struct error *error) {
  if (log_level_parse(text, field) != 0) {
    return error_set(error, ERROR_CONFIG, "'%.100s' is none of error, warning, info, debug", text);
  }
  return 0;
}

int config_value_set(const struct config_key *key, const char *text, void *target,
                     struct error *error) {
  void *field = field_of(key, target);
  switch (key->type) {
  case CONFIG_STRING:
    return string_set(text, field, error);
  case CONFIG_BOOLEAN:
    return boolean_set(text, field, error);
  case CONFIG_UNSIGNED:
    return unsigned_set(key, text, field, error);
  case CONFIG_DURATION:
    return duration_set(key, text, field, error);
  case CONFIG_ADDRESS_LIST:
    return addresses_set(text, field, error);
  case CONFIG_IP:
    return ip_set(text, field, error);
  case CONFIG_PREFIX:
    return prefix_set(text, field, error);
  case CONFIG_LOG_LEVEL:
    return log_level_set(text, field, error);
  }
  return error_set(error, ERROR_CONFIG, "the table of keys gives an unknown type %d",
                   (int)key->type);
}

void config_value_free(const struct config_key *key, void *target) {
  void *field = field_of(key, target);
  if (key->type == CONFIG_STRING) {
    char **string = field;
    free(*string);
    *string = NULL;
  } else if (key->type == CONFIG_ADDRESS_LIST) {
    addresses_free(field);
  }
}

static size_t size_of(enum config_type type) {
  switch (type) {
  case CONFIG_STRING:
    return sizeof(char *);
  case CONFIG_BOOLEAN:
    return sizeof(bool);
  case CONFIG_UNSIGNED:
  case CONFIG_DURATION:
    return sizeof(uint64_t);
  case CONFIG_ADDRESS_LIST:
    return sizeof(struct config_addresses);
  case CONFIG_IP:
    return sizeof(struct ip_address);
  case CONFIG_PREFIX:
    return sizeof(struct ip_prefix);
  case CONFIG_LOG_LEVEL:
    return sizeof(enum log_level);
  }
  return 0;
}

void config_value_zero(const struct config_key *key, void *target) {
  memset(field_of(key, target), 0, size_of(key->type));
}

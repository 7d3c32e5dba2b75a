/* A configuration file with every type of value, from arbitrary bytes: what is refused leaves
 * nothing behind, and what is taken keeps to its bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"

struct values {
  char *string, *required;
  bool boolean;
  uint64_t number, port, duration, timeout;
  struct config_addresses addresses;
  struct ip_address ip;
  struct ip_prefix prefix;
  enum log_level level;
};

#define FIELD(field) .offset = offsetof(struct values, field)

static const struct config_key keys[] = {
    {"first", "string", CONFIG_STRING, FIELD(string), .otherwise = "otherwise"},
    {"first", "required", CONFIG_STRING, FIELD(required), .required = true},
    {"first", "boolean", CONFIG_BOOLEAN, FIELD(boolean), .otherwise = "yes"},
    {"first", "number", CONFIG_UNSIGNED, FIELD(number)},
    {"first", "port", CONFIG_UNSIGNED, FIELD(port), .otherwise = "443", .minimum = 1,
     .maximum = 65535},
    {"second", "duration", CONFIG_DURATION, FIELD(duration)},
    {"second", "timeout", CONFIG_DURATION, FIELD(timeout), .otherwise = "5m", .minimum = 10,
     .maximum = 86400},
    {"second", "addresses", CONFIG_ADDRESS_LIST, FIELD(addresses), .otherwise = "[::]:443"},
    {"second", "ip", CONFIG_IP, FIELD(ip)},
    {"second", "prefix", CONFIG_PREFIX, FIELD(prefix)},
    {"second", "level", CONFIG_LOG_LEVEL, FIELD(level), .otherwise = "info"},
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

static void check_taken(const struct values *values) {
  require(values->string != NULL && values->string[0] != '\0');
  require(values->required != NULL && values->required[0] != '\0');
  require(values->port >= 1 && values->port <= 65535);
  require(values->timeout >= 10 && values->timeout <= 86400);
  require(values->addresses.count >= 1 && values->addresses.count <= CONFIG_ADDRESSES_MAX);
  for (size_t i = 0; i < values->addresses.count; i++) {
    char *host;
    uint16_t port;
    require(config_host_parse(values->addresses.text[i], 443, &host, &port, NULL) == 0);
    require(port != 0 && host[0] != '\0');
    free(host);
  }
  require(values->prefix.length <= 8 * ip_address_size(&values->prefix.address));
  require(values->level <= LOG_LEVEL_DEBUG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct values zero;
  struct values values = {0};
  struct error error = {0};
  int code = config_parse("fuzz.conf", (const char *)data, size, keys, KEY_COUNT, &values, &error);
  if (code == 0) {
    check_taken(&values);
    config_clear(keys, KEY_COUNT, &values);
    require(values.string == NULL && values.required == NULL && values.addresses.count == 0);
  } else {
    require(code == ERROR_CONFIG && error.code == ERROR_CONFIG);
    require(strncmp(error.message, "fuzz.conf:", 10) == 0);
    require(memcmp(&values, &zero, sizeof(zero)) == 0);
  }
  return 0;
}

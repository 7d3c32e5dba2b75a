/* INI configuration (inih) against a table of the keys that exist. An unknown section or key, a
 * key given twice, a missing required key or a value that does not parse is an error that names
 * file, line, section and key. */
#ifndef CYPHONIC_BASE_CONFIG_H
#define CYPHONIC_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

enum config_type {
  CONFIG_STRING,       /* char *, owned by the struct */
  CONFIG_BOOLEAN,      /* bool: yes/no, true/false, on/off */
  CONFIG_UNSIGNED,     /* uint64_t within minimum..maximum */
  CONFIG_DURATION,     /* uint64_t seconds: 90, 30s, 5m, 24h, 90d */
  CONFIG_ADDRESS_LIST, /* struct config_addresses: comma separated, port optional */
  CONFIG_IP,           /* struct ip_address */
  CONFIG_PREFIX,       /* struct ip_prefix */
  CONFIG_LOG_LEVEL,    /* enum log_level */
};

enum { CONFIG_ADDRESSES_MAX = 8, CONFIG_DEFAULT_PORT = 443 };

/* Host names stay text; they are resolved where they are used. */
struct config_addresses {
  size_t count;
  char *text[CONFIG_ADDRESSES_MAX]; /* each "host" or "host:port", owned */
};

struct config_key {
  const char *section;
  const char *name;
  enum config_type type;
  size_t offset;         /* of the field in the caller's struct */
  const char *otherwise; /* default as it would be written in the file; NULL: none */
  bool required;
  uint64_t minimum, maximum; /* CONFIG_UNSIGNED and CONFIG_DURATION; 0, 0: no bounds */
};

/* Fills `target` (zeroed by the caller) from the file. On failure `target` is cleared again. */
int config_load(const char *path, const struct config_key *keys, size_t count, void *target,
                struct error *error) MUST_CHECK;

/* The same from memory; `name` stands for the path in messages. */
int config_parse(const char *name, const char *text, size_t size, const struct config_key *keys,
                 size_t count, void *target, struct error *error) MUST_CHECK;

/* Defaults only, as for a missing optional file; a missing required key is an error. */
int config_defaults(const struct config_key *keys, size_t count, void *target,
                    struct error *error) MUST_CHECK;

/* Frees what the table says `target` owns and zeroes those fields. */
void config_clear(const struct config_key *keys, size_t count, void *target);

/* "90", "30s", "5m", "24h", "90d" in seconds; anything else, or more than 64 bits of seconds, is
 * ERROR_INVALID and leaves *seconds alone. */
int config_duration_parse(const char *text, uint64_t *seconds) MUST_CHECK;

/* Splits "host", "host:port", "[v6]", "[v6]:port" or a bare IPv6 address; host is a new string the
 * caller frees. */
int config_host_parse(const char *text, uint16_t default_port, char **host, uint16_t *port,
                      struct error *error) MUST_CHECK;

#endif

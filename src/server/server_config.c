#include "server/server_config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_paths.h"

enum { HOUR_SECONDS = 3600, VALIDITY_MAXIMUM = 825 * 24 * HOUR_SECONDS };

/* Bytes a second; far above what a host can carry. */
#define RATE_LIMIT_MAXIMUM UINT64_C(1000000000000)

/* No port: the key is not in the file. */
#define OBSERVATION_PORT_NOT_GIVEN UINT64_MAX

#define FIELD(field) .offset = offsetof(struct server_config, field)

static const struct config_key keys[] = {
    {"server", "state", CONFIG_STRING, FIELD(state), .otherwise = SERVER_STATE_FOLDER},
    {"server", "public", CONFIG_ADDRESS_LIST, FIELD(public), .required = true},
    {"server", "port", CONFIG_UNSIGNED, FIELD(port), .otherwise = "443", .minimum = 1,
     .maximum = UINT16_MAX},
    {"server", "ipv4", CONFIG_IP, FIELD(ipv4)},
    {"server", "ipv6", CONFIG_IP, FIELD(ipv6)},
    {"server", "log", CONFIG_LOG_LEVEL, FIELD(log), .otherwise = "info"},
    {"server", "qlog", CONFIG_STRING, FIELD(qlog)},
    {"as", "enabled", CONFIG_BOOLEAN, FIELD(as_enabled), .otherwise = "yes"},
    {"as", "certificate_validity", CONFIG_DURATION, FIELD(certificate_validity), .otherwise = "90d",
     .minimum = HOUR_SECONDS, .maximum = VALIDITY_MAXIMUM},
    {"as", "nms", CONFIG_ADDRESS_LIST, FIELD(nms)},
    {"nms", "enabled", CONFIG_BOOLEAN, FIELD(nms_enabled), .otherwise = "yes"},
    {"nms", "observation_port", CONFIG_UNSIGNED, FIELD(observation_port), .maximum = UINT16_MAX},
    {"trs", "enabled", CONFIG_BOOLEAN, FIELD(trs_enabled), .otherwise = "yes"},
    {"trs", "public", CONFIG_ADDRESS_LIST, FIELD(trs_public)},
    {"trs", "nms", CONFIG_ADDRESS_LIST, FIELD(trs_nms)},
    {"trs", "rate_limit", CONFIG_UNSIGNED, FIELD(trs_rate_limit), .otherwise = "0",
     .maximum = RATE_LIMIT_MAXIMUM},
    {"trs", "xdp", CONFIG_STRING, FIELD(trs_xdp), .otherwise = "auto"},
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static int config_check(const char *name, const struct server_config *config, struct error *error) {
  if (config->state[0] != '/') {
    return error_set(error, ERROR_CONFIG, "%s: [server] state: the path '%s' must begin with '/'",
                     name, config->state);
  }
  if (ip_address_is_set(&config->ipv4) && config->ipv4.family != 4) {
    return error_set(error, ERROR_CONFIG, "%s: [server] ipv4: this is no IPv4 address", name);
  }
  if (ip_address_is_set(&config->ipv6) && config->ipv6.family != 6) {
    return error_set(error, ERROR_CONFIG, "%s: [server] ipv6: this is no IPv6 address", name);
  }
  if (!config->as_enabled && !config->nms_enabled && !config->trs_enabled) {
    return error_set(error, ERROR_CONFIG,
                     "%s: none of [as], [nms] and [trs] is enabled: there is nothing to run", name);
  }
  if (config->nms_enabled && config->observation_port == config->port) {
    return error_set(error, ERROR_CONFIG,
                     "%s: [nms] observation_port: %llu is the [server] port already; give another, "
                     "or 0 for none",
                     name, (unsigned long long)config->port);
  }
  if (strcmp(config->trs_xdp, "auto") != 0 && strcmp(config->trs_xdp, "on") != 0 &&
      strcmp(config->trs_xdp, "off") != 0) {
    return error_set(error, ERROR_CONFIG, "%s: [trs] xdp: '%s' is none of auto, on and off", name,
                     config->trs_xdp);
  }
  return ERROR_NONE;
}

static uint64_t next_port(uint64_t port) {
  return port < UINT16_MAX ? port + 1 : port - 1;
}

static void config_prepare(struct server_config *config) {
  memset(config, 0, sizeof(*config));
  config->observation_port = OBSERVATION_PORT_NOT_GIVEN;
}

static int config_finish(const char *name, int code, struct server_config *config,
                         struct error *error) {
  if (code != ERROR_NONE) {
    memset(config, 0, sizeof(*config)); /* what it owned is freed */
    return code;
  }
  if (config->observation_port == OBSERVATION_PORT_NOT_GIVEN) {
    config->observation_port = next_port(config->port);
  }
  code = config_check(name, config, error);
  if (code != ERROR_NONE) {
    server_config_clear(config);
  }
  return code;
}

int server_config_load(const char *path, struct server_config *config, struct error *error) {
  config_prepare(config);
  return config_finish(path, config_load(path, keys, KEY_COUNT, config, error), config, error);
}

int server_config_parse(const char *name, const char *text, struct server_config *config,
                        struct error *error) {
  config_prepare(config);
  return config_finish(name, config_parse(name, text, strlen(text), keys, KEY_COUNT, config, error),
                       config, error);
}

void server_config_clear(struct server_config *config) {
  config_clear(keys, KEY_COUNT, config);
  memset(config, 0, sizeof(*config));
}

static void write_hosts(FILE *stream, const char *key, const char *const *hosts, size_t count) {
  fprintf(stream, "%s = ", key);
  for (size_t i = 0; i < count; i++) {
    fprintf(stream, "%s%s", i > 0 ? ", " : "", hosts[i]);
  }
  fputc('\n', stream);
}

static void write_server(FILE *stream, const char *state, const char *const *public_hosts,
                         size_t public_count, uint16_t port) {
  fprintf(stream, "[server]\nstate = %s\n", state);
  write_hosts(stream, "public", public_hosts, public_count);
  fprintf(stream, "# UDP port to listen on.\nport = %u\n", port);
  fprintf(stream, "# Addresses to listen on; without them, all.\n# ipv4 =\n# ipv6 =\n");
  fprintf(stream, "# error, warning, info or debug\nlog = info\n");
}

/* The text is there only when the stream is closed. */
static char *finish(FILE *stream, char **text) {
  if (fclose(stream) != 0) {
    free(*text);
    return NULL;
  }
  return *text;
}

char *server_config_text(const char *state, const char *const *public_hosts, size_t public_count,
                         uint16_t port) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) {
    return NULL;
  }
  fprintf(stream, "# Written by 'cyphonic-server init'; see cyphonic-server.conf(5).\n"
                  "# 'public' is where nodes reach this server; invitations carry it.\n\n");
  write_server(stream, state, public_hosts, public_count, port);
  fprintf(stream, "\n[as]\nenabled = yes\n# How long a node's certificate holds.\n"
                  "certificate_validity = 90d\n"
                  "# Where nodes find NMS; without it, at the public addresses.\n# nms =\n");
  fprintf(stream, "\n[nms]\nenabled = yes\n");
  /* As comments alone: who wants it otherwise adds a section at the end. */
  fprintf(stream, "\n# A relay runs beside them, unless a section says otherwise:\n# [trs]\n"
                  "# enabled = no\n# Bytes a second that a node may send through it; 0: any.\n"
                  "# rate_limit = 0\n");
  return finish(stream, &text);
}

char *server_config_relay_text(const char *state, const char *const *public_hosts,
                               size_t public_count, uint16_t port, const char *const *nms,
                               size_t nms_count) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) {
    return NULL;
  }
  fprintf(stream, "# Written by 'cyphonic-server relay create'; see cyphonic-server.conf(5).\n"
                  "# 'state' is where this folder is to stand, 'public' where nodes reach this "
                  "TRS.\n\n");
  write_server(stream, state, public_hosts, public_count, port);
  fprintf(stream, "\n[as]\nenabled = no\n\n[nms]\nenabled = no\n\n[trs]\nenabled = yes\n");
  fprintf(stream, "# The network's NMS.\n");
  write_hosts(stream, "nms", nms, nms_count);
  fprintf(stream, "# Bytes a second that a node may send through it; 0: any.\nrate_limit = 0\n");
  return finish(stream, &text);
}

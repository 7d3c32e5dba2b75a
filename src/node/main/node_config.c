#include "node/main/node_config.h"

#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/config.h"
#include "node/lanes.h"

enum { DNS_PORT = 53, DAY_SECONDS = 86400 };

#define FIELD(field) .offset = offsetof(struct node_settings, field)

static const struct config_key keys[] = {
    {"node", "state", CONFIG_STRING, FIELD(state), .otherwise = "/var/lib/cyphonic"},
    {"node", "socket", CONFIG_STRING, FIELD(socket), .otherwise = "/run/cyphonic/cyphonicd.sock"},
    {"node", "interface", CONFIG_STRING, FIELD(interface), .otherwise = "cyphonic0"},
    {"node", "user", CONFIG_STRING, FIELD(user)},
    {"node", "port", CONFIG_UNSIGNED, FIELD(port), .otherwise = "443", .maximum = UINT16_MAX},
    {"node", "threads", CONFIG_UNSIGNED, FIELD(threads), .otherwise = "1", .minimum = 1,
     .maximum = LANES_THREADS_MAX},
    {"node", "log", CONFIG_LOG_LEVEL, FIELD(log), .otherwise = "info"},
    {"node", "tunnel_idle", CONFIG_DURATION, FIELD(tunnel_idle), .otherwise = "5m", .minimum = 10,
     .maximum = DAY_SECONDS},
    /* NAT mappings of UDP are known to live for 30 s and more (RFC 4787 section 4.3). */
    {"node", "keep_alive", CONFIG_DURATION, FIELD(keep_alive), .otherwise = "25s", .minimum = 5,
     .maximum = 600},
    /* NMS keeps no longer silence for who learns how long its NAT keeps a mapping. */
    {"node", "keep_alive_limit", CONFIG_DURATION, FIELD(keep_alive_limit), .otherwise = "4m",
     .maximum = 300},
    {"node", "qlog", CONFIG_STRING, FIELD(qlog)},
    {"dns", "listen", CONFIG_STRING, FIELD(dns_listen_text)},
    {"dns", "setup", CONFIG_BOOLEAN, FIELD(dns_setup), .otherwise = "yes"},
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

/* What the table of keys cannot say. */
static int settings_check(const char *name, struct node_settings *settings, struct error *error) {
  size_t interface_size = strlen(settings->interface);
  if (interface_size == 0 || interface_size >= IFNAMSIZ ||
      strpbrk(settings->interface, "/: \t%") != NULL) {
    return error_set(error, ERROR_CONFIG,
                     "%s: [node] interface: '%s' is no name of an interface (1 to %d characters, "
                     "without '/', ':', '%%' and white space)",
                     name, settings->interface, IFNAMSIZ - 1);
  }
  struct sockaddr_un local;
  if (strlen(settings->socket) >= sizeof(local.sun_path)) {
    return error_set(error, ERROR_CONFIG,
                     "%s: [node] socket: '%s' is too long for a local socket (at most %zu bytes)",
                     name, settings->socket, sizeof(local.sun_path) - 1);
  }
  if (settings->socket[0] != '/' || settings->state[0] != '/') {
    return error_set(error, ERROR_CONFIG, "%s: [node] %s: the path '%s' must begin with '/'", name,
                     settings->state[0] != '/' ? "state" : "socket",
                     settings->state[0] != '/' ? settings->state : settings->socket);
  }
  if (settings->dns_listen_text != NULL &&
      address_parse(settings->dns_listen_text, DNS_PORT, &settings->dns_listen) != ERROR_NONE) {
    return error_set(error, ERROR_CONFIG,
                     "%s: [dns] listen: '%s' is no IP address with an optional port, such as "
                     "127.0.0.53:5353 or [::1]:53",
                     name, settings->dns_listen_text);
  }
  return ERROR_NONE;
}

static int settings_finish(const char *name, int code, struct node_settings *settings,
                           struct error *error) {
  if (code != ERROR_NONE) {
    return code;
  }
  code = settings_check(name, settings, error);
  if (code != ERROR_NONE) {
    node_config_clear(settings);
  }
  return code;
}

int node_config_load(const char *path, struct node_settings *settings, struct error *error) {
  memset(settings, 0, sizeof(*settings));
  if (path == NULL && access(NODE_CONFIG_PATH, F_OK) != 0) {
    return settings_finish(NODE_CONFIG_PATH, config_defaults(keys, KEY_COUNT, settings, error),
                           settings, error);
  }
  const char *name = path != NULL ? path : NODE_CONFIG_PATH;
  return settings_finish(name, config_load(name, keys, KEY_COUNT, settings, error), settings,
                         error);
}

int node_config_parse(const char *name, const char *text, struct node_settings *settings,
                      struct error *error) {
  memset(settings, 0, sizeof(*settings));
  return settings_finish(name,
                         config_parse(name, text, strlen(text), keys, KEY_COUNT, settings, error),
                         settings, error);
}

void node_config_clear(struct node_settings *settings) {
  config_clear(keys, KEY_COUNT, settings);
  memset(settings, 0, sizeof(*settings));
}

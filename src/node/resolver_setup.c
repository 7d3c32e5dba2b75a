#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "net/netlink.h"
#include "node/resolver.h"

#define RESOLVED_NAME      "org.freedesktop.resolve1"
#define RESOLVED_PATH      "/org/freedesktop/resolve1"
#define RESOLVED_INTERFACE "org.freedesktop.resolve1.Manager"

enum {
  /* The caller's loop waits: a resolver that hangs must not stop the node. */
  RESOLVED_TIMEOUT_MICROSECONDS = 1000000,
  RESOLVED_PORT = 53,
  REVERSE_ZONES_MAX = 256, /* an IPv4 prefix has at most 128, an IPv6 prefix 8 */
  REVERSE_ZONE_SIZE = 80,
};

struct reverse_zones {
  unsigned interface;
  size_t count;
  char name[REVERSE_ZONES_MAX][REVERSE_ZONE_SIZE];
};

static void zone_name(const struct ip_address *ip, unsigned length, char *name, size_t size) {
  name[0] = '\0';
  if (ip->family == 4) {
    for (unsigned octet = length / 8; octet > 0; octet--) {
      size_t used = strlen(name);
      snprintf(name + used, size - used, "%u.", ip->bytes[octet - 1]);
    }
    strncat(name, "in-addr.arpa", size - strlen(name) - 1);
    return;
  }
  for (unsigned nibble = length / 4; nibble > 0; nibble--) {
    uint8_t byte = ip->bytes[(nibble - 1) / 2];
    size_t used = strlen(name);
    snprintf(name + used, size - used, "%x.", (nibble - 1) % 2 == 0 ? byte >> 4 : byte & 0x0f);
  }
  strncat(name, "ip6.arpa", size - strlen(name) - 1);
}

/* The zones that a prefix consists of: zones end at whole bytes (IPv4) or half bytes (IPv6), so
 * that a prefix between two such lengths is several zones of the longer one. */
static void zones_add(struct reverse_zones *zones, const struct ip_address *ip, unsigned length) {
  unsigned step = ip->family == 4 ? 8 : 4;
  unsigned aligned = (length + step - 1) / step * step;
  if (aligned == 0) {
    return;
  }
  unsigned free_bits = aligned - length;
  size_t byte = (aligned - 1) / 8;
  unsigned shift = aligned % 8 == 0 ? 0 : 4;
  struct ip_address zone = *ip;
  uint8_t fixed = (uint8_t)(ip->bytes[byte] & (0xffu << (free_bits + shift)));
  for (unsigned i = 0; i < 1u << free_bits && zones->count < REVERSE_ZONES_MAX; i++) {
    zone.bytes[byte] = (uint8_t)(fixed | (i << shift));
    zone_name(&zone, aligned, zones->name[zones->count++], REVERSE_ZONE_SIZE);
  }
}

static void on_address(const struct netlink_address *address, void *context) {
  struct reverse_zones *zones = context;
  if (address->interface == zones->interface && !ip_address_is_link_local(&address->ip)) {
    zones_add(zones, &address->ip, address->length);
  }
}

/* The overlay's prefixes are those of the interface itself. */
static int zones_find(unsigned interface, struct reverse_zones *zones, struct error *error) {
  memset(zones, 0, sizeof(*zones));
  zones->interface = interface;
  struct netlink *netlink;
  int code = netlink_open(&netlink, error);
  if (code != ERROR_NONE) {
    return code;
  }
  code = netlink_addresses(netlink, on_address, zones, error);
  netlink_close(netlink);
  return code;
}

static bool is_absent(int result, const sd_bus_error *answer) {
  return result == -ENOENT || result == -ECONNREFUSED ||
         sd_bus_error_has_name(answer, SD_BUS_ERROR_SERVICE_UNKNOWN) != 0 ||
         sd_bus_error_has_name(answer, SD_BUS_ERROR_NAME_HAS_NO_OWNER) != 0;
}

static int message_new(sd_bus *bus, const char *method, unsigned interface,
                       sd_bus_message **message) {
  int result = sd_bus_message_new_method_call(bus, message, RESOLVED_NAME, RESOLVED_PATH,
                                              RESOLVED_INTERFACE, method);
  if (result >= 0) {
    result = sd_bus_message_set_auto_start(*message, 0);
  }
  if (result >= 0) {
    result = sd_bus_message_append(*message, "i", (int)interface);
  }
  return result;
}

/* Consumes `message`; `built` is what building it gave. */
static int message_call(sd_bus *bus, const char *method, int built, sd_bus_message *message,
                        struct error *error) {
  sd_bus_error answer = SD_BUS_ERROR_NULL;
  int result = built;
  if (result >= 0) {
    result = sd_bus_call(bus, message, RESOLVED_TIMEOUT_MICROSECONDS, &answer, NULL);
  }
  int code = ERROR_NONE;
  if (result < 0) {
    if (is_absent(result, &answer)) {
      code = error_set(error, ERROR_NOT_FOUND, "systemd-resolved does not run");
    } else if (result == -ETIMEDOUT) {
      code = error_set(error, ERROR_TIMEOUT, "systemd-resolved did not answer to %s", method);
    } else {
      code = error_set_errno(error, -result, "systemd-resolved refused %s%s%s", method,
                             answer.message != NULL ? " with " : "",
                             answer.message != NULL ? answer.message : "");
    }
  }
  sd_bus_error_free(&answer);
  sd_bus_message_unref(message);
  return code;
}

static int call_dns(sd_bus *bus, unsigned interface, const struct address *server,
                    struct error *error) {
  /* The plain form exists since the first version; the other carries a port. */
  bool plain = server->port == RESOLVED_PORT;
  const char *method = plain ? "SetLinkDNS" : "SetLinkDNSEx";
  sd_bus_message *message = NULL;
  int result = message_new(bus, method, interface, &message);
  if (result >= 0) {
    result = sd_bus_message_open_container(message, 'a', plain ? "(iay)" : "(iayqs)");
  }
  if (result >= 0) {
    result = sd_bus_message_open_container(message, 'r', plain ? "iay" : "iayqs");
  }
  if (result >= 0) {
    result = sd_bus_message_append(message, "i", server->ip.family == 4 ? AF_INET : AF_INET6);
  }
  if (result >= 0) {
    result =
        sd_bus_message_append_array(message, 'y', server->ip.bytes, ip_address_size(&server->ip));
  }
  if (result >= 0 && !plain) {
    result = sd_bus_message_append(message, "qs", server->port, "");
  }
  if (result >= 0) {
    result = sd_bus_message_close_container(message);
  }
  if (result >= 0) {
    result = sd_bus_message_close_container(message);
  }
  return message_call(bus, method, result, message, error);
}

static int call_domains(sd_bus *bus, unsigned interface, const char *domain,
                        const struct reverse_zones *zones, struct error *error) {
  sd_bus_message *message = NULL;
  int result = message_new(bus, "SetLinkDomains", interface, &message);
  if (result >= 0) {
    result = sd_bus_message_open_container(message, 'a', "(sb)");
  }
  if (result >= 0) {
    /* Also searched, so that a bare label finds its node; the reverse zones only route. */
    result = sd_bus_message_append(message, "(sb)", domain, 0);
  }
  for (size_t i = 0; result >= 0 && i < zones->count; i++) {
    result = sd_bus_message_append(message, "(sb)", zones->name[i], 1);
  }
  if (result >= 0) {
    result = sd_bus_message_close_container(message);
  }
  return message_call(bus, "SetLinkDomains", result, message, error);
}

static int call_simple(sd_bus *bus, unsigned interface, const char *method, const char *type,
                       const char *text, struct error *error) {
  sd_bus_message *message = NULL;
  int result = message_new(bus, method, interface, &message);
  if (result >= 0) {
    result = type[0] == 'b' ? sd_bus_message_append(message, "b", 0)
                            : sd_bus_message_append(message, "s", text);
  }
  return message_call(bus, method, result, message, error);
}

static int setup(sd_bus *bus, unsigned interface, const struct address *server, const char *domain,
                 const struct reverse_zones *zones, struct error *error) {
  int code = call_dns(bus, interface, server, error);
  if (code == ERROR_NONE) {
    code = call_domains(bus, interface, domain, zones, error);
  }
  if (code == ERROR_NONE) {
    /* All other names stay with the system's servers. */
    code = call_simple(bus, interface, "SetLinkDefaultRoute", "b", NULL, error);
  }
  /* The overlay's names are signed by nobody and travel no further than this host; where the
   * system asks for DNSSEC or TLS of all servers, this link is the exception. A systemd built
   * without either refuses these two, which changes nothing. */
  struct error ignored = {0};
  if (code == ERROR_NONE &&
      call_simple(bus, interface, "SetLinkDNSSEC", "s", "no", &ignored) == ERROR_TIMEOUT) {
    return error_set(error, ERROR_TIMEOUT, "%s", ignored.message);
  }
  if (code == ERROR_NONE &&
      call_simple(bus, interface, "SetLinkDNSOverTLS", "s", "no", &ignored) == ERROR_TIMEOUT) {
    return error_set(error, ERROR_TIMEOUT, "%s", ignored.message);
  }
  return code;
}

int resolver_setup_resolved(unsigned interface, const struct address *server, const char *domain,
                            struct error *error) {
  sd_bus *bus = NULL;
  int result = sd_bus_open_system(&bus);
  if (result < 0) {
    if (result == -ENOENT || result == -ECONNREFUSED) {
      return error_set(error, ERROR_NOT_FOUND,
                       "systemd-resolved cannot be told of the domain %s: no D-Bus system bus runs",
                       domain);
    }
    return error_set_errno(error, -result,
                           "cannot reach the D-Bus system bus to set the domain %s up", domain);
  }
  struct reverse_zones *zones = malloc(sizeof(*zones));
  int code;
  if (zones == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "no memory to set the domain %s up", domain);
  } else {
    code = zones_find(interface, zones, error);
  }
  if (code == ERROR_NONE) {
    code = setup(bus, interface, server, domain, zones, error);
  }
  free(zones);
  sd_bus_close_unref(bus);
  return code;
}

#include "server/public_hosts.h"

#include <stdlib.h>
#include <string.h>

#include "pki/invitation.h"

/* A name of letters, digits, hyphens and dots, or an IP address. */
static bool host_valid(const char *host) {
  struct ip_address ip;
  if (ip_address_parse(host, &ip) == ERROR_NONE) {
    return true;
  }
  return host[0] != '-' && host[0] != '.' &&
         strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
             strlen(host);
}

int public_hosts_parse(const char *const *texts, size_t count, struct public_hosts *hosts,
                       struct error *error) {
  memset(hosts, 0, sizeof(*hosts));
  if (count > CONFIG_ADDRESSES_MAX) {
    return error_set(error, ERROR_CONFIG, "%zu public addresses are too many (at most %d)", count,
                     CONFIG_ADDRESSES_MAX);
  }
  for (size_t i = 0; i < count; i++) {
    char *host = NULL;
    uint16_t port = 0;
    int code = config_host_parse(texts[i], CONFIG_DEFAULT_PORT, &host, &port, error);
    if (code != ERROR_NONE) {
      public_hosts_clear(hosts);
      return code;
    }
    hosts->entry[i].host = host;
    hosts->entry[i].port = port;
    hosts->count = i + 1;
    if (strlen(host) == 0 || strlen(host) >= INVITATION_HOST_SIZE || port == 0 ||
        !host_valid(host)) {
      code =
          error_set(error, ERROR_CONFIG,
                    "'%.300s' is no public address: give HOST or HOST:PORT, where HOST is a name "
                    "or an IP address",
                    texts[i]);
      public_hosts_clear(hosts);
      return code;
    }
  }
  return ERROR_NONE;
}

void public_hosts_clear(struct public_hosts *hosts) {
  for (size_t i = 0; i < hosts->count; i++) {
    free(hosts->entry[i].host);
  }
  memset(hosts, 0, sizeof(*hosts));
}

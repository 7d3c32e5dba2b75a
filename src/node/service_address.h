/* Where a service is: host names or addresses with UDP ports, as invitations and AS give them. */
#ifndef CYPHONIC_NODE_SERVICE_ADDRESS_H
#define CYPHONIC_NODE_SERVICE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  SERVICE_HOST_SIZE = 254,   /* a DNS name and its zero */
  SERVICE_ADDRESSES_MAX = 8, /* more of one service are ignored */
  SERVICE_TEXT_SIZE = 264,
};

/* Plain data. IPv6 addresses stand without brackets. */
struct service_address {
  char host[SERVICE_HOST_SIZE];
  uint16_t port;
};

struct service_addresses {
  size_t count;
  struct service_address item[SERVICE_ADDRESSES_MAX];
};

/* False, and nothing added: an empty or too long host, port 0, or no room left. */
bool service_addresses_add(struct service_addresses *addresses, const char *host, uint32_t port);
bool service_addresses_equal(const struct service_addresses *a, const struct service_addresses *b);
/* "host:port"; an IPv6 address gets brackets. Writes to and returns `text`. */
const char *service_address_text(const struct service_address *address,
                                 char text[static SERVICE_TEXT_SIZE]);

#endif

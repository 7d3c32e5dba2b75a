#include "node/service_address.h"

#include <stdio.h>
#include <string.h>

bool service_addresses_add(struct service_addresses *addresses, const char *host, uint32_t port) {
  size_t length = strlen(host);
  if (length == 0 || length >= SERVICE_HOST_SIZE || port == 0 || port > UINT16_MAX ||
      addresses->count == SERVICE_ADDRESSES_MAX)
    return false;
  struct service_address *item = &addresses->item[addresses->count++];
  *item = (struct service_address){.port = (uint16_t)port};
  memcpy(item->host, host, length);
  return true;
}

bool service_addresses_equal(const struct service_addresses *a, const struct service_addresses *b) {
  if (a->count != b->count)
    return false;
  for (size_t i = 0; i < a->count; i++)
    if (a->item[i].port != b->item[i].port || strcmp(a->item[i].host, b->item[i].host) != 0)
      return false;
  return true;
}

const char *service_address_text(const struct service_address *address,
                                 char text[static SERVICE_TEXT_SIZE]) {
  bool ipv6 = strchr(address->host, ':');
  snprintf(text, SERVICE_TEXT_SIZE, ipv6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
  return text;
}

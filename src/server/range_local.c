#include <stdlib.h>
#include <string.h>

#include "net/netlink.h"
#include "server/range.h"

struct collection {
  struct range_network *networks;
  size_t count, capacity;
  bool no_memory;
};

static struct ip_prefix network_of(const struct ip_address *ip, uint8_t length) {
  struct ip_prefix prefix = {.address = *ip, .length = length};
  for (size_t bit = length; bit < ip_address_size(ip) * 8; bit++) {
    prefix.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
  }
  return prefix;
}

static void on_address(const struct netlink_address *address, void *context) {
  struct collection *collection = context;
  if (collection->no_memory) {
    return;
  }
  if (collection->count == collection->capacity) {
    size_t capacity = collection->capacity * 2 + 8;
    struct range_network *grown =
        reallocarray(collection->networks, capacity, sizeof(*collection->networks));
    if (grown == NULL) {
      collection->no_memory = true;
      return;
    }
    collection->networks = grown;
    collection->capacity = capacity;
  }
  struct range_network *network = &collection->networks[collection->count++];
  memset(network, 0, sizeof(*network));
  if (if_indextoname(address->interface, network->interface) == NULL) {
    strcpy(network->interface, "?"); /* it has just vanished */
  }
  network->ip = address->ip;
  network->prefix = network_of(&address->ip, address->length);
}

int range_local_networks(struct range_network **networks, size_t *count, struct error *error) {
  *networks = NULL;
  *count = 0;
  struct netlink *netlink;
  int code = netlink_open(&netlink, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct collection collection = {0};
  code = netlink_addresses(netlink, on_address, &collection, error);
  netlink_close(netlink);
  if (code == ERROR_NONE && collection.no_memory) {
    code = error_set(error, ERROR_NO_MEMORY, "no memory for the list of this host's networks");
  }
  if (code != ERROR_NONE) {
    free(collection.networks);
    return code;
  }
  *networks = collection.networks;
  *count = collection.count;
  return ERROR_NONE;
}

#include "node/host_addresses.h"

#include <string.h>

static bool in_overlay(const struct ip_prefix *overlay, const struct ip_address *ip) {
  return overlay->length > 0 && ip_prefix_contains(overlay, ip);
}

bool host_address_wanted(const struct netlink_address *address, const struct host_filter *filter) {
  const struct ip_address *ip = &address->ip;
  return (filter->except == 0 || address->interface != filter->except) && !address->deprecated &&
         !address->tentative && ip_address_is_set(ip) && !ip_address_is_loopback(ip) &&
         !ip_address_is_link_local(ip) && !ip_address_is_multicast(ip) &&
         !in_overlay(&filter->ipv4_overlay, ip) && !in_overlay(&filter->ipv6_overlay, ip);
}

void host_addresses_add(struct host_addresses *addresses, const struct ip_address *ip) {
  size_t at = 0;
  while (at < addresses->count && memcmp(&addresses->item[at], ip, sizeof *ip) < 0)
    at++;
  if (at < addresses->count && ip_address_equal(&addresses->item[at], ip))
    return;
  if (addresses->count == HOST_ADDRESSES_MAX)
    return;
  memmove(&addresses->item[at + 1], &addresses->item[at],
          (addresses->count - at) * sizeof *addresses->item);
  addresses->item[at] = *ip;
  addresses->count++;
}

bool host_addresses_equal(const struct host_addresses *a, const struct host_addresses *b) {
  return a->count == b->count && memcmp(a->item, b->item, a->count * sizeof *a->item) == 0;
}

bool host_addresses_have(const struct host_addresses *addresses, const struct ip_address *ip) {
  for (size_t i = 0; i < addresses->count; i++)
    if (ip_address_equal(&addresses->item[i], ip))
      return true;
  return false;
}

bool host_addresses_have_family(const struct host_addresses *addresses, int family) {
  for (size_t i = 0; i < addresses->count; i++)
    if (addresses->item[i].family == family)
      return true;
  return false;
}

struct reading {
  const struct host_filter *filter;
  struct host_addresses *addresses;
};

static void read_visitor(const struct netlink_address *address, void *context) {
  struct reading *reading = context;
  if (host_address_wanted(address, reading->filter))
    host_addresses_add(reading->addresses, &address->ip);
}

int host_addresses_read(struct netlink *netlink, const struct host_filter *filter,
                        struct host_addresses *addresses, struct error *error) {
  *addresses = (struct host_addresses){0};
  struct reading reading = {.filter = filter, .addresses = addresses};
  return netlink_addresses(netlink, read_visitor, &reading, error);
}

/* --- overlap --- */

static struct ip_prefix network_of(const struct netlink_address *address) {
  struct ip_prefix network = {.address = address->ip, .length = address->length};
  size_t bits = ip_address_size(&address->ip) * 8;
  for (size_t bit = address->length; bit < bits; bit++)
    network.address.bytes[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
  return network;
}

bool host_network_overlaps(const struct netlink_address *address, unsigned except,
                           const struct ip_prefix *range) {
  if ((except != 0 && address->interface == except) || address->ip.family != range->address.family)
    return false;
  struct ip_prefix network = network_of(address);
  return ip_prefix_overlaps(&network, range);
}

struct overlap {
  unsigned except;
  const struct ip_prefix *range;
  struct ip_prefix *network;
};

static void overlap_visitor(const struct netlink_address *address, void *context) {
  struct overlap *overlap = context;
  if (overlap->network->length == 0 &&
      host_network_overlaps(address, overlap->except, overlap->range))
    *overlap->network = network_of(address);
}

int host_overlap_find(struct netlink *netlink, unsigned except, const struct ip_prefix *range,
                      struct ip_prefix *network, struct error *error) {
  *network = (struct ip_prefix){0};
  struct overlap overlap = {.except = except, .range = range, .network = network};
  return netlink_addresses(netlink, overlap_visitor, &overlap, error);
}

/* The addresses of this host that a peer could be told of: those of interfaces other than our own,
 * without loopback, link-local, multicast, deprecated and tentative ones. */
#ifndef CYPHONIC_NODE_HOST_ADDRESSES_H
#define CYPHONIC_NODE_HOST_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/error.h"
#include "net/netlink.h"

enum { HOST_ADDRESSES_MAX = 16 /* more are left out: NMS takes a bounded list too */ };

/* Plain data, sorted by bytes, so that the order in which the kernel lists them does not matter. */
struct host_addresses {
  size_t count;
  struct ip_address item[HOST_ADDRESSES_MAX];
};

/* What is ours and must not be told: the TUN device and the overlay's ranges. */
struct host_filter {
  unsigned except;                             /* interface index; 0: none */
  struct ip_prefix ipv4_overlay, ipv6_overlay; /* length 0: not known */
};

/* Pure: whether a peer may be told of it. */
bool host_address_wanted(const struct netlink_address *address, const struct host_filter *filter);
/* Pure: keeps the list sorted; one that is there already is not added again. */
void host_addresses_add(struct host_addresses *addresses, const struct ip_address *ip);
bool host_addresses_equal(const struct host_addresses *a, const struct host_addresses *b);
bool host_addresses_have(const struct host_addresses *addresses, const struct ip_address *ip);
bool host_addresses_have_family(const struct host_addresses *addresses, int family);

int host_addresses_read(struct netlink *netlink, const struct host_filter *filter,
                        struct host_addresses *addresses, struct error *error) MUST_CHECK;

/* Pure: whether an address of another interface stands in a network that overlaps `range`. */
bool host_network_overlaps(const struct netlink_address *address, unsigned except,
                           const struct ip_prefix *range);
/* The first local network found to overlap `range`: *network length 0 if there is none. */
int host_overlap_find(struct netlink *netlink, unsigned except, const struct ip_prefix *range,
                      struct ip_prefix *network, struct error *error) MUST_CHECK;

#endif

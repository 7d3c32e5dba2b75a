#include "trs/xdp/interfaces.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A veth, bridge or tunnel has none. */
static bool has_device(const char *name) {
  char path[64];
  snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
  return access(path, F_OK) == 0;
}

static bool is_of_relay(const struct xdp_forward_config *config, const struct sockaddr *sockaddr) {
  struct address address;
  if (address_from_sockaddr(sockaddr, &address) != 0) {
    return false;
  }
  const struct ip_address *bound = address.ip.family == 4 ? &config->ipv4 : &config->ipv6;
  return ip_address_is_set(bound) ? ip_address_equal(bound, &address.ip)
                                  : !ip_address_is_link_local(&address.ip);
}

static bool has_address(const struct xdp_forward_config *config, const struct ifaddrs *list,
                        const char *name) {
  for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
    if (entry->ifa_addr != NULL && strcmp(entry->ifa_name, name) == 0 &&
        is_of_relay(config, entry->ifa_addr)) {
      return true;
    }
  }
  return false;
}

/* False: no Ethernet. Each interface has one such entry in the list. */
static bool read_link(const struct ifaddrs *entry, struct xdp_candidate *candidate) {
  struct sockaddr_ll link;
  if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != AF_PACKET ||
      (entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_LOOPBACK) != 0) {
    return false;
  }
  memcpy(&link, entry->ifa_addr, sizeof(link));
  if (link.sll_hatype != ARPHRD_ETHER || link.sll_halen != sizeof(candidate->mac)) {
    return false;
  }
  *candidate = (struct xdp_candidate){.index = (unsigned)link.sll_ifindex};
  snprintf(candidate->name, sizeof(candidate->name), "%s", entry->ifa_name);
  memcpy(candidate->mac, link.sll_addr, sizeof(candidate->mac));
  return true;
}

int xdp_interfaces_find(const struct xdp_forward_config *config,
                        struct xdp_candidate found[static XDP_INTERFACES_MAX], size_t *count,
                        struct error *error) {
  struct ifaddrs *list;
  *count = 0;
  if (getifaddrs(&list) != 0) {
    return error_set_errno(error, errno, "cannot list the network interfaces");
  }
  bool virtual_ones = false;
  for (const struct ifaddrs *entry = list; entry != NULL && *count < XDP_INTERFACES_MAX;
       entry = entry->ifa_next) {
    struct xdp_candidate candidate;
    if (!read_link(entry, &candidate) || !has_address(config, list, candidate.name)) {
      continue;
    }
    if (config->any_interface || has_device(candidate.name)) {
      found[(*count)++] = candidate;
    } else {
      virtual_ones = true;
    }
  }
  freeifaddrs(list);
  if (*count > 0) {
    return ERROR_NONE;
  }
  return error_set(error, ERROR_NOT_FOUND,
                   virtual_ones ? "the relay's addresses are on virtual interfaces alone; see xdp "
                                  "in cyphonic-server.conf(5)"
                                : "the relay's addresses are on no Ethernet interface that is up");
}

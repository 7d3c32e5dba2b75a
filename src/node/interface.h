/* The TUN device with its addresses. */
#ifndef CYPHONIC_NODE_INTERFACE_H
#define CYPHONIC_NODE_INTERFACE_H

#include "base/address.h"
#include "net/netlink.h"
#include "net/tun.h"

struct interface_config {
  const char *name;
  struct ip_address ipv4, ipv6;
  struct ip_prefix ipv4_prefix, ipv6_prefix; /* their lengths are the interface's */
  bool with_queues;                          /* tun_queue_open is to follow */
  bool with_ipv4; /* no: a local network overlaps the range, and must stay reachable */
};

/* Gives the addresses again that somebody took, or the kernel when the interface was set down. */
int interface_restore(struct netlink *netlink, const struct interface_config *config,
                      unsigned index, struct error *error) MUST_CHECK;

/* Opened, addressed and up. On failure nothing is left. */
int interface_open(struct netlink *netlink, const struct interface_config *config, struct tun **tun,
                   struct error *error) MUST_CHECK;

#endif

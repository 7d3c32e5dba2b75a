/* rtnetlink (libmnl): sets the TUN device up, lists the host's addresses, tells of changes. */
#ifndef CYPHONIC_NET_NETLINK_H
#define CYPHONIC_NET_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

struct netlink;

int netlink_open(struct netlink **netlink, struct error *error) MUST_CHECK;
void netlink_close(struct netlink *netlink);

int netlink_link_up(struct netlink *netlink, unsigned interface, unsigned mtu,
                    struct error *error) MUST_CHECK;
/* How many packets wait in the interface for whoever takes them, before the kernel drops more. */
int netlink_link_queue(struct netlink *netlink, unsigned interface, unsigned packets,
                       struct error *error) MUST_CHECK;
/* Adds `ip`/`length` to the interface, with the connected route that goes with it; IPv6 without
 * duplicate address detection, since NMS gives each address once. */
int netlink_address_add(struct netlink *netlink, unsigned interface, const struct ip_address *ip,
                        uint8_t length, struct error *error) MUST_CHECK;

struct netlink_address {
  unsigned interface;
  struct ip_address ip;
  uint8_t length;
  bool temporary, deprecated, tentative;
};
typedef void (*netlink_address_visitor)(const struct netlink_address *address, void *context);
/* All addresses of all interfaces that are up, the loopback's included. */
int netlink_addresses(struct netlink *netlink, netlink_address_visitor visitor, void *context,
                      struct error *error) MUST_CHECK;

/* A second socket that hears of address, route and link changes; poll it for reading. */
struct netlink_monitor;
/* What somebody else did to an interface of ours. */
enum netlink_own {
  NETLINK_OWN_SAME,
  NETLINK_OWN_DOWN,
  NETLINK_OWN_UP, /* or took an address from it: its addresses may have to be given again */
};
int netlink_monitor_open(struct netlink_monitor **monitor, struct error *error) MUST_CHECK;
int netlink_monitor_descriptor(const struct netlink_monitor *monitor);
/* Reads what is there. *changed: something changed on an interface other than `own` (0: none); an
 * overrun counts as a change. *what: what last happened to `own`. */
int netlink_monitor_read(struct netlink_monitor *monitor, unsigned own, bool *changed,
                         enum netlink_own *what, struct error *error) MUST_CHECK;
void netlink_monitor_close(struct netlink_monitor *monitor);

#endif

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "net/netlink.h"

enum {
  /* The kernel sends one change a message; one with more (many virtual functions) is cut, which
   * counts as a change. */
  NOTICE_SIZE = 16384,
  /* Messages a call: a host whose routes never stop changing must not keep the loop here. What is
   * left makes the descriptor readable again. */
  NOTICES_PER_READ = 1024,
};

struct netlink_monitor {
  struct mnl_socket *socket;
  unsigned down; /* the interface of ours that was last seen down; 0: none */
  _Alignas(struct nlmsghdr) uint8_t notice[NOTICE_SIZE];
};

int netlink_monitor_open(struct netlink_monitor **out, struct error *error) {
  struct netlink_monitor *monitor = calloc(1, sizeof(*monitor));
  if (monitor == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a netlink socket");
  }
  const unsigned groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (monitor->socket == NULL || mnl_socket_bind(monitor->socket, groups, MNL_SOCKET_AUTOPID)) {
    int code = error_set_errno(error, errno, "cannot listen for changes of this host's addresses");
    netlink_monitor_close(monitor);
    return code;
  }
  *out = monitor;
  return 0;
}

void netlink_monitor_close(struct netlink_monitor *monitor) {
  if (monitor == NULL) {
    return;
  }
  if (monitor->socket != NULL) {
    mnl_socket_close(monitor->socket);
  }
  free(monitor);
}

int netlink_monitor_descriptor(const struct netlink_monitor *monitor) {
  return mnl_socket_get_fd(monitor->socket);
}

static int on_link_attribute(const struct nlattr *attribute, void *context) {
  bool *wireless = context;
  *wireless = *wireless || mnl_attr_get_type(attribute) == IFLA_WIRELESS;
  return MNL_CB_OK;
}

static bool link_matters(const struct nlmsghdr *message, unsigned except) {
  const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
  if (mnl_nlmsg_get_payload_len(message) < sizeof(*link) || (unsigned)link->ifi_index == except) {
    return false;
  }
  /* Wireless drivers report each scan this way; it changes nothing about the link. */
  bool wireless = false;
  mnl_attr_parse(message, sizeof(*link), on_link_attribute, &wireless);
  return !wireless;
}

static bool address_matters(const struct nlmsghdr *message, unsigned except) {
  const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
  return mnl_nlmsg_get_payload_len(message) >= sizeof(*address) && address->ifa_index != except;
}

static int on_route_attribute(const struct nlattr *attribute, void *context) {
  uint32_t *interface = context;
  if (mnl_attr_get_type(attribute) == RTA_OIF &&
      mnl_attr_get_payload_len(attribute) == sizeof(*interface)) {
    *interface = mnl_attr_get_u32(attribute);
  }
  return MNL_CB_OK;
}

static bool route_matters(const struct nlmsghdr *message, unsigned except) {
  const struct rtmsg *route = mnl_nlmsg_get_payload(message);
  /* A clone is a cached look-up, not a change. */
  if (mnl_nlmsg_get_payload_len(message) < sizeof(*route) ||
      (route->rtm_flags & RTM_F_CLONED) != 0) {
    return false;
  }
  /* It stays 0 for a route over several interfaces, or over none (blackhole, prohibit). */
  uint32_t interface = 0;
  mnl_attr_parse(message, sizeof(*route), on_route_attribute, &interface);
  return interface == 0 || interface != except;
}

static bool notice_matters(const struct nlmsghdr *message, unsigned except) {
  switch (message->nlmsg_type) {
  case RTM_NEWLINK:
  case RTM_DELLINK:
    return link_matters(message, except);
  case RTM_NEWADDR:
  case RTM_DELADDR:
    return address_matters(message, except);
  case RTM_NEWROUTE:
  case RTM_DELROUTE:
    return route_matters(message, except);
  default:
    return false;
  }
}

/* The kernel takes the IPv6 addresses of a link that is set down, and does not give them back. */
static void look_at_own(struct netlink_monitor *monitor, const struct nlmsghdr *message,
                        unsigned own, enum netlink_own *what) {
  size_t size = mnl_nlmsg_get_payload_len(message);
  if (own == 0) {
    return;
  }
  if (message->nlmsg_type == RTM_NEWLINK && size >= sizeof(struct ifinfomsg)) {
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
    if ((unsigned)link->ifi_index == own) {
      bool up = (link->ifi_flags & IFF_UP) != 0;
      monitor->down = up ? 0 : own;
      *what = up ? NETLINK_OWN_UP : NETLINK_OWN_DOWN;
    }
  } else if (message->nlmsg_type == RTM_DELADDR && size >= sizeof(struct ifaddrmsg)) {
    const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
    if (address->ifa_index == own && monitor->down != own) {
      *what = NETLINK_OWN_UP;
    }
  }
}

int netlink_monitor_read(struct netlink_monitor *monitor, unsigned own, bool *changed,
                         enum netlink_own *what, struct error *error) {
  *changed = false;
  *what = NETLINK_OWN_SAME;
  for (int i = 0; i < NOTICES_PER_READ; i++) {
    ssize_t got = mnl_socket_recvfrom(monitor->socket, monitor->notice, NOTICE_SIZE);
    if (got < 0) {
      switch (errno) {
      case EAGAIN:
        return 0;
      case EINTR:
        continue;
      case ENOBUFS: /* notices were lost */
      case ENOSPC:  /* this one was cut */
        *changed = true;
        continue;
      default:
        return error_set_errno(error, errno, "cannot read changes of this host's addresses");
      }
    }
    int rest = (int)got;
    for (struct nlmsghdr *message = (struct nlmsghdr *)monitor->notice; mnl_nlmsg_ok(message, rest);
         message = mnl_nlmsg_next(message, &rest)) {
      *changed = notice_matters(message, own) || *changed;
      look_at_own(monitor, message, own, what);
    }
  }
  return 0;
}

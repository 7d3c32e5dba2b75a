#include "net/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

enum {
  REQUEST_SIZE = 512,
  ANSWER_SIZE = 32768, /* the most that the kernel puts into one answer to a dump */
  /* A table that changes while it is read is read again, this often; an interface that flaps
   * without end must not keep us here. */
  DUMP_ATTEMPTS = 10,
  LINKS_MAX = 65536,     /* a bound for a list read from the kernel; a host of containers has */
  ADDRESSES_MAX = 65536, /* thousands */
};

struct netlink {
  struct mnl_socket *socket;
  unsigned port;
  uint32_t sequence;
  _Alignas(struct nlmsghdr) uint8_t request[REQUEST_SIZE];
  _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_SIZE];
};

int netlink_open(struct netlink **out, struct error *error) {
  struct netlink *netlink = calloc(1, sizeof(*netlink));
  if (netlink == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a netlink socket");
  }
  netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (netlink->socket == NULL || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) != 0) {
    int code = error_set_errno(error, errno, "cannot open a netlink socket");
    netlink_close(netlink);
    return code;
  }
  netlink->port = mnl_socket_get_portid(netlink->socket);
  *out = netlink;
  return 0;
}

void netlink_close(struct netlink *netlink) {
  if (netlink == NULL) {
    return;
  }
  if (netlink->socket != NULL) {
    mnl_socket_close(netlink->socket);
  }
  free(netlink);
}

/* --- requests and answers --- */

/* Takes one message of a dump; 0, or a code that ends the dump. */
typedef int (*message_visitor)(const struct nlmsghdr *message, void *context);

static struct nlmsghdr *netlink_begin(struct netlink *netlink, uint16_t type, uint16_t flags) {
  struct nlmsghdr *header = mnl_nlmsg_put_header(netlink->request);
  header->nlmsg_type = type;
  header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
  header->nlmsg_seq = ++netlink->sequence;
  return header;
}

/* Whether the messages received end the exchange; *status is 0 or an errno value then. */
static bool answer_ends(struct netlink *netlink, size_t size, message_visitor visitor,
                        void *context, bool *interrupted, int *code, int *status) {
  int rest = (int)size;
  for (struct nlmsghdr *message = (struct nlmsghdr *)netlink->answer; mnl_nlmsg_ok(message, rest);
       message = mnl_nlmsg_next(message, &rest)) {
    /* What an exchange given up before has left behind. */
    if (message->nlmsg_seq != netlink->sequence || message->nlmsg_pid != netlink->port) {
      continue;
    }
    if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
      *interrupted = true;
    }
    if (message->nlmsg_type == NLMSG_ERROR) {
      const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
      bool whole = mnl_nlmsg_get_payload_len(message) >= sizeof(*answer);
      *status = whole ? -answer->error : EBADMSG;
      return true;
    }
    if (message->nlmsg_type == NLMSG_DONE) {
      *status = 0;
      return true;
    }
    if (message->nlmsg_type >= NLMSG_MIN_TYPE && visitor != NULL && *code == 0) {
      *code = visitor(message, context);
    }
  }
  return false;
}

/* Sends what netlink_begin began and reads the answer to its end, so that the next exchange finds
 * an empty socket. Returns an errno value, EINTR if a dump was interrupted by a change, or 0;
 * *code is the visitor's. */
static int netlink_exchange(struct netlink *netlink, const struct nlmsghdr *header,
                            message_visitor visitor, void *context, int *code) {
  *code = 0;
  if (mnl_socket_sendto(netlink->socket, header, header->nlmsg_len) < 0) {
    return errno;
  }
  bool interrupted = false;
  for (;;) {
    ssize_t got = mnl_socket_recvfrom(netlink->socket, netlink->answer, ANSWER_SIZE);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return errno;
    }
    int status;
    if (answer_ends(netlink, (size_t)got, visitor, context, &interrupted, code, &status)) {
      return status == 0 && interrupted ? EINTR : status;
    }
  }
}

static int netlink_execute(struct netlink *netlink, const struct nlmsghdr *header) {
  int code;
  return netlink_exchange(netlink, header, NULL, NULL, &code);
}

/* --- settings --- */

int netlink_link_up(struct netlink *netlink, unsigned interface, unsigned mtu,
                    struct error *error) {
  struct nlmsghdr *header = netlink_begin(netlink, RTM_NEWLINK, NLM_F_ACK);
  struct ifinfomsg *link = mnl_nlmsg_put_extra_header(header, sizeof(*link));
  link->ifi_family = AF_UNSPEC;
  link->ifi_index = (int)interface;
  link->ifi_change = IFF_UP;
  link->ifi_flags = IFF_UP;
  mnl_attr_put_u32(header, IFLA_MTU, mtu);
  int status = netlink_execute(netlink, header);
  switch (status) {
  case 0:
    return 0;
  case ENODEV:
    return error_set(error, ERROR_NOT_FOUND, "there is no interface with index %u", interface);
  case EPERM:
    return error_set(error, ERROR_PERMISSION,
                     "may not set up interface %u: this needs CAP_NET_ADMIN", interface);
  default:
    return error_set_errno(error, status, "cannot bring interface %u up with an MTU of %u",
                           interface, mtu);
  }
}

int netlink_link_queue(struct netlink *netlink, unsigned interface, unsigned packets,
                       struct error *error) {
  struct nlmsghdr *header = netlink_begin(netlink, RTM_NEWLINK, NLM_F_ACK);
  struct ifinfomsg *link = mnl_nlmsg_put_extra_header(header, sizeof(*link));
  link->ifi_family = AF_UNSPEC;
  link->ifi_index = (int)interface;
  mnl_attr_put_u32(header, IFLA_TXQLEN, packets);
  int status = netlink_execute(netlink, header);
  return status == 0 ? 0
                     : error_set_errno(error, status, "cannot let %u packets wait in interface %u",
                                       packets, interface);
}

static int address_add_error(int status, unsigned interface, const struct ip_prefix *prefix,
                             struct error *error) {
  char text[ADDRESS_TEXT_SIZE];
  ip_prefix_text(prefix, text);
  bool is_ipv6 = prefix->address.family == 6;
  switch (status) {
  case ENODEV:
    return error_set(error, ERROR_NOT_FOUND,
                     "cannot give %s to interface %u: there is no interface with this index", text,
                     interface);
  case EPERM:
    return error_set(error, ERROR_PERMISSION,
                     "may not give %s to interface %u: this needs CAP_NET_ADMIN", text, interface);
  case EEXIST:
    return error_set(error, ERROR_EXISTS, "interface %u has %s already", interface, text);
  case EACCES:
  case EAFNOSUPPORT:
  case EOPNOTSUPP:
    if (is_ipv6) {
      return error_set(error, ERROR_UNREACHABLE,
                       "cannot give %s to interface %u: IPv6 is disabled on this host (sysctl "
                       "net.ipv6.conf.all.disable_ipv6 and net.ipv6.conf.default.disable_ipv6)",
                       text, interface);
    }
    break;
  default:
    break;
  }
  return error_set_errno(error, status, "cannot give %s to interface %u", text, interface);
}

int netlink_address_add(struct netlink *netlink, unsigned interface, const struct ip_address *ip,
                        uint8_t length, struct error *error) {
  struct ip_prefix prefix = {.address = *ip, .length = length};
  size_t size = ip_address_size(ip);
  if (size == 0 || length > 8 * size) {
    char text[ADDRESS_TEXT_SIZE];
    return error_set(error, ERROR_INVALID, "%s is no address for an interface",
                     ip_prefix_text(&prefix, text));
  }
  struct nlmsghdr *header =
      netlink_begin(netlink, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  struct ifaddrmsg *address = mnl_nlmsg_put_extra_header(header, sizeof(*address));
  address->ifa_family = ip->family == 4 ? AF_INET : AF_INET6;
  address->ifa_prefixlen = length;
  address->ifa_scope = RT_SCOPE_UNIVERSE;
  address->ifa_index = interface;
  mnl_attr_put(header, IFA_LOCAL, size, ip->bytes);
  mnl_attr_put(header, IFA_ADDRESS, size, ip->bytes);
  if (ip->family == 6) {
    mnl_attr_put_u32(header, IFA_FLAGS, IFA_F_NODAD);
  }
  int status = netlink_execute(netlink, header);
  return status == 0 ? 0 : address_add_error(status, interface, &prefix, error);
}

/* --- the host's addresses --- */

/* Read whole before anybody is told, since a dump may have to be read again. */
struct address_table {
  unsigned *links; /* that are up */
  size_t link_count, link_capacity;
  struct netlink_address *addresses;
  size_t address_count, address_capacity;
};

/* Makes room for one more item; ERROR_LIMIT beyond `maximum`. */
static int table_grow(void **items, size_t count, size_t *capacity, size_t size, size_t maximum) {
  if (count < *capacity) {
    return 0;
  }
  if (count >= maximum) {
    return ERROR_LIMIT;
  }
  size_t larger = *capacity == 0 ? 16 : 2 * *capacity;
  void *moved = reallocarray(*items, larger, size);
  if (moved == NULL) {
    return ERROR_NO_MEMORY;
  }
  *items = moved;
  *capacity = larger;
  return 0;
}

static int on_link(const struct nlmsghdr *message, void *context) {
  struct address_table *table = context;
  const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
  if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*link) ||
      (link->ifi_flags & IFF_UP) == 0) {
    return 0;
  }
  void *items = table->links;
  int code = table_grow(&items, table->link_count, &table->link_capacity, sizeof(*table->links),
                        LINKS_MAX);
  table->links = items;
  if (code == 0) {
    table->links[table->link_count++] = (unsigned)link->ifi_index;
  }
  return code;
}

static bool is_up(const struct address_table *table, unsigned interface) {
  for (size_t i = 0; i < table->link_count; i++) {
    if (table->links[i] == interface) {
      return true;
    }
  }
  return false;
}

struct address_attributes {
  const struct nlattr *local, *peer, *flags;
};

static int on_address_attribute(const struct nlattr *attribute, void *context) {
  struct address_attributes *attributes = context;
  switch (mnl_attr_get_type(attribute)) {
  case IFA_LOCAL:
    attributes->local = attribute;
    break;
  case IFA_ADDRESS:
    attributes->peer = attribute;
    break;
  case IFA_FLAGS:
    attributes->flags = attribute;
    break;
  default:
    break;
  }
  return MNL_CB_OK;
}

/* False for what is no address of IPv4 or IPv6. */
static bool address_read(const struct nlmsghdr *message, struct netlink_address *address) {
  const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
  if (message->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
      (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)) {
    return false;
  }
  struct address_attributes attributes = {0};
  mnl_attr_parse(message, sizeof(*header), on_address_attribute, &attributes);
  /* The header has room for the first eight flags only. */
  uint32_t flags = header->ifa_flags;
  if (attributes.flags != NULL && mnl_attr_get_payload_len(attributes.flags) == sizeof(flags)) {
    flags = mnl_attr_get_u32(attributes.flags);
  }
  /* IFA_ADDRESS is the far end on a point-to-point link, and IPv6 leaves IFA_LOCAL out where the
   * two are the same. */
  const struct nlattr *own = attributes.local != NULL ? attributes.local : attributes.peer;
  bool is_ipv6 = header->ifa_family == AF_INET6;
  *address = (struct netlink_address){
      .interface = header->ifa_index,
      .length = header->ifa_prefixlen,
      /* The same bit means "secondary" for IPv4. */
      .temporary = is_ipv6 && (flags & IFA_F_TEMPORARY) != 0,
      .deprecated = (flags & IFA_F_DEPRECATED) != 0,
      .tentative = (flags & IFA_F_DADFAILED) != 0 ||
                   ((flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0),
  };
  return own != NULL && mnl_attr_get_payload_len(own) == (is_ipv6 ? 16 : 4) &&
         ip_address_from_bytes(&address->ip, mnl_attr_get_payload(own), is_ipv6 ? 16 : 4) == 0;
}

static int on_address(const struct nlmsghdr *message, void *context) {
  struct address_table *table = context;
  struct netlink_address address;
  if (!address_read(message, &address) || !is_up(table, address.interface)) {
    return 0;
  }
  void *items = table->addresses;
  int code = table_grow(&items, table->address_count, &table->address_capacity,
                        sizeof(*table->addresses), ADDRESSES_MAX);
  table->addresses = items;
  if (code == 0) {
    table->addresses[table->address_count++] = address;
  }
  return code;
}

static int netlink_dump(struct netlink *netlink, uint16_t type, message_visitor visitor,
                        struct address_table *table, int *code) {
  struct nlmsghdr *header = netlink_begin(netlink, type, NLM_F_DUMP);
  if (type == RTM_GETLINK) {
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(header, sizeof(*link));
    link->ifi_family = AF_UNSPEC;
  } else {
    struct ifaddrmsg *address = mnl_nlmsg_put_extra_header(header, sizeof(*address));
    address->ifa_family = AF_UNSPEC;
  }
  return netlink_exchange(netlink, header, visitor, table, code);
}

int netlink_addresses(struct netlink *netlink, netlink_address_visitor visitor, void *context,
                      struct error *error) {
  struct address_table table = {0};
  int status, code = 0, attempts = 0;
  do {
    table.link_count = 0;
    table.address_count = 0;
    status = netlink_dump(netlink, RTM_GETLINK, on_link, &table, &code);
    if (status == 0 && code == 0) {
      status = netlink_dump(netlink, RTM_GETADDR, on_address, &table, &code);
    }
  } while ((status == EINTR || status == ENOBUFS) && ++attempts < DUMP_ATTEMPTS);
  if (status != 0) {
    code = error_set_errno(error, status, "cannot list this host's addresses");
  } else if (code == ERROR_LIMIT) {
    error_set(error, code, "this host has more interfaces or addresses than %d", ADDRESSES_MAX);
  } else if (code != 0) {
    error_set(error, code, "out of memory for this host's addresses");
  }
  for (size_t i = 0; code == 0 && i < table.address_count; i++) {
    visitor(&table.addresses[i], context);
  }
  free(table.addresses);
  free(table.links);
  return code;
}

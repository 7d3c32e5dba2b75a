#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  /* Room for IPV6_PKTINFO and IPV6_TCLASS, or their IPv4 likes, with headers. */
  CONTROL_SIZE = 128,
  ECN_MASK = 3,
};

struct slot {
  struct sockaddr_storage name;
  struct iovec vector;
  _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
};

struct udp_socket {
  int descriptor;
  uint8_t family; /* 4 or 6 */
  uint16_t port;
  struct udp_counters counters;
  struct mmsghdr receive_headers[UDP_BATCH], send_headers[UDP_BATCH];
  struct slot receive_slots[UDP_BATCH], send_slots[UDP_BATCH];
  struct udp_packet received[UDP_BATCH];
  uint8_t storage[UDP_BATCH][UDP_PACKET_SIZE];
};

/* --- opening --- */

static void udp_socket_set_buffer(int descriptor, int force_option, int option) {
  int size = UDP_BUFFER_SIZE;
  /* The forced form may exceed the system's limit, and needs a right that not everybody has. */
  if (setsockopt(descriptor, SOL_SOCKET, force_option, &size, sizeof(size)) != 0) {
    setsockopt(descriptor, SOL_SOCKET, option, &size, sizeof(size));
  }
}

static int udp_socket_set_options(int descriptor, uint8_t family) {
  const int on = 1;
  int status;
  if (family == 4) {
    /* DF always, and no cache of path MTUs in the kernel: QUIC finds them itself. */
    const int probe = IP_PMTUDISC_PROBE;
    status = setsockopt(descriptor, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) |
             setsockopt(descriptor, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) |
             setsockopt(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
  } else {
    const int probe = IPV6_PMTUDISC_PROBE;
    status = setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) |
             setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) |
             setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) |
             setsockopt(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof(probe));
  }
  udp_socket_set_buffer(descriptor, SO_RCVBUFFORCE, SO_RCVBUF);
  udp_socket_set_buffer(descriptor, SO_SNDBUFFORCE, SO_SNDBUF);
  return status;
}

static int udp_socket_bind_error(int errno_value, const char *text, uint16_t port,
                                 struct error *error) {
  switch (errno_value) {
  case EADDRINUSE:
    return error_set(error, ERROR_EXISTS,
                     "UDP %s is in use by another program: stop it (ss -ulpn shows it) or "
                     "configure another port",
                     text);
  case EACCES:
  case EPERM:
    return error_set(error, ERROR_PERMISSION,
                     "may not take UDP %s: port %u needs CAP_NET_BIND_SERVICE (run as root or "
                     "through the service unit) or configure a port above 1023",
                     text, port);
  case EADDRNOTAVAIL:
    return error_set(error, ERROR_NOT_FOUND, "%s is no address of this host", text);
  default:
    return error_set_errno(error, errno_value, "cannot take UDP %s", text);
  }
}

static void udp_socket_prepare(struct udp_socket *socket) {
  for (size_t i = 0; i < UDP_BATCH; i++) {
    struct slot *receive = &socket->receive_slots[i];
    receive->vector = (struct iovec){socket->storage[i], UDP_PACKET_SIZE};
    socket->receive_headers[i].msg_hdr =
        (struct msghdr){.msg_name = &receive->name, .msg_iov = &receive->vector, .msg_iovlen = 1};
    struct slot *send = &socket->send_slots[i];
    socket->send_headers[i].msg_hdr =
        (struct msghdr){.msg_name = &send->name, .msg_iov = &send->vector, .msg_iovlen = 1};
  }
}

int udp_socket_open(const struct address *bind_to, struct udp_socket **out, struct error *error) {
  char text[ADDRESS_TEXT_SIZE];
  address_text(bind_to, text);
  int domain = bind_to->ip.family == 4 ? AF_INET : AF_INET6;
  int descriptor = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    if (errno == EAFNOSUPPORT) {
      return error_set(error, ERROR_UNREACHABLE, "this host has no IPv%u", bind_to->ip.family);
    }
    return error_set_errno(error, errno, "cannot open a UDP socket");
  }
  struct sockaddr_storage name;
  socklen_t name_size = address_to_sockaddr(bind_to, &name);
  int code = 0;
  struct udp_socket *socket = NULL;
  if (udp_socket_set_options(descriptor, bind_to->ip.family) != 0) {
    code = error_set_errno(error, errno, "cannot set the options of a UDP socket");
  } else if (bind(descriptor, (struct sockaddr *)&name, name_size) != 0) {
    code = udp_socket_bind_error(errno, text, bind_to->port, error);
  } else if (getsockname(descriptor, (struct sockaddr *)&name, &name_size) != 0) {
    code = error_set_errno(error, errno, "cannot read the port of UDP %s", text);
  } else if ((socket = calloc(1, sizeof(*socket))) == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "out of memory for a UDP socket");
  }
  if (code != 0) {
    close(descriptor);
    return code;
  }
  struct address bound;
  if (address_from_sockaddr((struct sockaddr *)&name, &bound) == 0) {
    socket->port = bound.port;
  }
  socket->descriptor = descriptor;
  socket->family = bind_to->ip.family;
  udp_socket_prepare(socket);
  *out = socket;
  return 0;
}

void udp_socket_close(struct udp_socket *socket) {
  if (socket != NULL) {
    close(socket->descriptor);
    free(socket);
  }
}

int udp_socket_descriptor(const struct udp_socket *socket) {
  return socket->descriptor;
}

uint16_t udp_socket_port(const struct udp_socket *socket) {
  return socket->port;
}

void udp_socket_counters(const struct udp_socket *socket, struct udp_counters *counters) {
  *counters = socket->counters;
}

/* --- receiving --- */

static void udp_read_control(struct msghdr *header, struct udp_packet *packet) {
  for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL;
       item = CMSG_NXTHDR(header, item)) {
    if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info;
      memcpy(&info, CMSG_DATA(item), sizeof(info));
      packet->local.family = 4;
      memcpy(packet->local.bytes, &info.ipi_addr, 4);
    } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info;
      memcpy(&info, CMSG_DATA(item), sizeof(info));
      packet->local.family = 6;
      memcpy(packet->local.bytes, &info.ipi6_addr, 16);
    } else if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS) {
      packet->ecn = *CMSG_DATA(item) & ECN_MASK;
    } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS) {
      int class;
      memcpy(&class, CMSG_DATA(item), sizeof(class));
      packet->ecn = (uint8_t)(class & ECN_MASK);
    }
  }
}

/* An ICMP error about a packet sent before shows once as an error of a later call; anybody can
 * forge one, and QUIC does without (RFC 9000 section 14.2.1). */
static bool is_news_of_icmp(int errno_value) {
  switch (errno_value) {
  case ECONNREFUSED:
  case EHOSTDOWN:
  case EHOSTUNREACH:
  case EMSGSIZE:
  case ENETUNREACH:
  case ENONET:
  case ENOPROTOOPT:
  case EOPNOTSUPP:
  case EPROTO:
    return true;
  default:
    return false;
  }
}

int udp_socket_receive(struct udp_socket *socket, const struct udp_packet **packets, size_t *count,
                       struct error *error) {
  *packets = socket->received;
  *count = 0;
  for (size_t i = 0; i < UDP_BATCH; i++) {
    struct msghdr *header = &socket->receive_headers[i].msg_hdr;
    header->msg_namelen = sizeof(socket->receive_slots[i].name);
    header->msg_control = socket->receive_slots[i].control;
    header->msg_controllen = CONTROL_SIZE;
  }
  int got;
  do {
    got = recvmmsg(socket->descriptor, socket->receive_headers, UDP_BATCH, MSG_DONTWAIT, NULL);
  } while (got < 0 && (errno == EINTR || is_news_of_icmp(errno)));
  if (got < 0) {
    return errno == EAGAIN || errno == EWOULDBLOCK
               ? 0
               : error_set_errno(error, errno, "cannot receive from UDP port %u", socket->port);
  }
  for (int i = 0; i < got; i++) {
    struct msghdr *header = &socket->receive_headers[i].msg_hdr;
    struct udp_packet *packet = &socket->received[*count];
    *packet = (struct udp_packet){0};
    if ((header->msg_flags & MSG_TRUNC) != 0) {
      socket->counters.truncated++;
      continue;
    }
    if (address_from_sockaddr(header->msg_name, &packet->remote) != 0) {
      continue;
    }
    udp_read_control(header, packet);
    packet->data = socket->storage[i];
    packet->size = socket->receive_headers[i].msg_len;
    socket->counters.received_packets++;
    socket->counters.received_bytes += packet->size;
    ++*count;
  }
  return 0;
}

/* --- sending --- */

static void udp_add_control(struct msghdr *header, int level, int type, const void *data,
                            size_t size) {
  struct cmsghdr *item =
      (struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);
  item->cmsg_level = level;
  item->cmsg_type = type;
  item->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(item), data, size);
  header->msg_controllen += CMSG_SPACE(size);
}

static void udp_write_header(struct udp_socket *socket, size_t index,
                             const struct udp_packet *packet) {
  struct slot *slot = &socket->send_slots[index];
  struct msghdr *header = &socket->send_headers[index].msg_hdr;
  header->msg_namelen = address_to_sockaddr(&packet->remote, &slot->name);
  slot->vector = (struct iovec){(void *)(uintptr_t)packet->data, packet->size};
  header->msg_control = slot->control;
  header->msg_controllen = 0;
  if (packet->local.family == 4) {
    struct in_pktinfo info = {0};
    memcpy(&info.ipi_spec_dst, packet->local.bytes, 4);
    udp_add_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
  } else if (packet->local.family == 6) {
    struct in6_pktinfo info = {0};
    memcpy(&info.ipi6_addr, packet->local.bytes, 16);
    udp_add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
  }
  if (packet->ecn != 0) {
    int class = packet->ecn;
    if (socket->family == 4) {
      udp_add_control(header, IPPROTO_IP, IP_TOS, &class, sizeof(class));
    } else {
      udp_add_control(header, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
    }
  }
  if (header->msg_controllen == 0) {
    header->msg_control = NULL;
  }
}

int udp_socket_send(struct udp_socket *socket, const struct udp_packet *packets, size_t count,
                    size_t *sent) {
  *sent = 0;
  while (*sent < count) {
    size_t batch = count - *sent < UDP_BATCH ? count - *sent : UDP_BATCH;
    for (size_t i = 0; i < batch; i++) {
      udp_write_header(socket, i, &packets[*sent + i]);
    }
    int taken = sendmmsg(socket->descriptor, socket->send_headers, (unsigned)batch, MSG_DONTWAIT);
    if (taken < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return ERROR_AGAIN;
      }
      socket->counters.refused++;
      ++*sent;
      continue;
    }
    for (int i = 0; i < taken; i++) {
      socket->counters.sent_packets++;
      socket->counters.sent_bytes += packets[*sent + (size_t)i].size;
    }
    *sent += (size_t)taken;
  }
  return 0;
}

int udp_socket_route_check(const struct address *remote, struct ip_address *local,
                           struct error *error) {
  char text[ADDRESS_TEXT_SIZE];
  address_text(remote, text);
  int domain = remote->ip.family == 4 ? AF_INET : AF_INET6;
  int descriptor = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return errno == EAFNOSUPPORT
               ? error_set(error, ERROR_UNREACHABLE, "no route to %s: this host has no IPv%u", text,
                           remote->ip.family)
               : error_set_errno(error, errno, "cannot look for a route to %s", text);
  }
  struct sockaddr_storage name;
  socklen_t size = address_to_sockaddr(remote, &name);
  struct address bound;
  int code = 0;
  /* To connect UDP is to look the route up, with no packet sent. Besides the usual errors, a route
   * may say prohibit (EACCES) or blackhole (EINVAL). */
  if (connect(descriptor, (struct sockaddr *)&name, size) != 0) {
    code = error_set(error, ERROR_UNREACHABLE, "this host has no route to %s: %s", text,
                     strerror(errno));
    goto out;
  }
  size = sizeof(name);
  if (getsockname(descriptor, (struct sockaddr *)&name, &size) != 0) {
    code = error_set_errno(error, errno, "cannot look for a route to %s", text);
    goto out;
  }
  code = address_from_sockaddr((struct sockaddr *)&name, &bound);
  if (code != 0) {
    error_set(error, code, "the route to %s has a source of another kind", text);
    goto out;
  }
  *local = bound.ip;

out:
  close(descriptor);
  return code;
}

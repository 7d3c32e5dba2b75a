#include "net/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/udp_internal.h"

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
  /* A kernel that cannot join packets hands them over one by one, which is as right. */
  setsockopt(descriptor, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
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

static int udp_socket_share(int descriptor) {
  const int on = 1;
  return setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

/* How a socket has its port: nobody else does, others may join, it joins them. */
enum udp_sharing { UDP_ALONE, UDP_FIRST, UDP_JOINING };

static int udp_socket_open_as(const struct address *bind_to, enum udp_sharing sharing,
                              struct udp_socket **out, struct error *error) {
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
  } else if (sharing == UDP_JOINING && udp_socket_share(descriptor) != 0) {
    code = error_set_errno(error, errno, "cannot share UDP %s", text);
  } else if (bind(descriptor, (struct sockaddr *)&name, name_size) != 0) {
    code = udp_socket_bind_error(errno, text, bind_to->port, error);
  } else if (sharing == UDP_FIRST && udp_socket_share(descriptor) != 0) {
    /* Only now: with it, the kernel would have given us a port that another program has and shares
     * as well. */
    code = error_set_errno(error, errno, "cannot share UDP %s", text);
  } else if (getsockname(descriptor, (struct sockaddr *)&name, &name_size) != 0) {
    code = error_set_errno(error, errno, "cannot read the port of UDP %s", text);
  } else if ((socket = calloc(1, sizeof(*socket))) == NULL ||
             (socket->receive.storage =
                  malloc(sizeof(*socket->receive.storage) * UDP_RECEIVE_MESSAGES)) == NULL) {
    free(socket);
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
  udp_receive_prepare(socket);
  udp_send_prepare(socket);
  *out = socket;
  return 0;
}

int udp_socket_open(const struct address *bind_to, struct udp_socket **socket,
                    struct error *error) {
  return udp_socket_open_as(bind_to, UDP_ALONE, socket, error);
}

int udp_socket_open_shared(const struct address *bind_to, bool join, struct udp_socket **socket,
                           struct error *error) {
  return udp_socket_open_as(bind_to, join ? UDP_JOINING : UDP_FIRST, socket, error);
}

int udp_socket_steer(struct udp_socket *socket, const struct sock_filter *program,
                     unsigned short instructions, struct error *error) {
  const struct sock_fprog code = {.len = instructions,
                                  .filter = (struct sock_filter *)(uintptr_t)program};
  if (setsockopt(socket->descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &code, sizeof(code)) !=
      0) {
    return error_set_errno(error, errno, "cannot steer the packets of UDP port %u", socket->port);
  }
  return 0;
}

void udp_socket_close(struct udp_socket *socket) {
  if (socket != NULL) {
    close(socket->descriptor);
    free(socket->receive.storage);
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

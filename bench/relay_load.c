/* Load for a relay (bench/relay). A TRS forwards a packet if it comes from a bound node's address
 * and bears the route id of the other; what is in it only that node could tell.
 *
 *   relay-load watch DEVICE ADDRESS PORT
 *     Prints the route id that most packets on their way there bear, as eight hexadecimal digits.
 *   relay-load send PROCESS ADDRESS PORT ROUTE-ID SIZE PACKETS SECONDS
 *     Sends from the process's own socket on that port, PACKETS in a message; prints the seconds it
 *     took.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  WATCHED_PACKETS = 400,
  WATCH_MILLISECONDS = 5000,
  IDS_MAX = 64,
  MESSAGES = 16, /* a system call */
  MESSAGE_MAX = 65000,
  ID_SIZE = 4,
};

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "relay-load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static struct sockaddr_in address_of(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    fail(host);
  }
  return address;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- watch --- */

/* The first four bytes of the Destination Connection ID of a short header for `to`; false: this is
 * something else. */
static bool route_id_of(const uint8_t *packet, size_t size, const struct sockaddr_in *to,
                        uint8_t id[static ID_SIZE]) {
  struct iphdr ip;
  struct udphdr udp;
  if (size < sizeof(ip)) {
    return false;
  }
  memcpy(&ip, packet, sizeof(ip));
  size_t header = (size_t)ip.ihl * 4;
  if (ip.version != 4 || ip.protocol != IPPROTO_UDP || ip.daddr != to->sin_addr.s_addr ||
      size < header + sizeof(udp) + 1 + ID_SIZE) {
    return false;
  }
  memcpy(&udp, packet + header, sizeof(udp));
  const uint8_t *payload = packet + header + sizeof(udp);
  if (udp.dest != to->sin_port || (payload[0] & 0xc0) != 0x40) {
    return false;
  }
  memcpy(id, payload + 1, ID_SIZE);
  return true;
}

static int watch(char **arguments) {
  struct sockaddr_in to = address_of(arguments[1], arguments[2]);
  int descriptor = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
  struct sockaddr_ll link = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(arguments[0])};
  if (descriptor < 0 || link.sll_ifindex == 0 ||
      bind(descriptor, (struct sockaddr *)&link, sizeof(link)) != 0) {
    fail(arguments[0]);
  }
  struct {
    uint8_t id[ID_SIZE];
    unsigned count;
  } seen[IDS_MAX] = {0};
  size_t known = 0, best = 0;
  double end = seconds() + WATCH_MILLISECONDS / 1e3;
  for (unsigned matched = 0; matched < WATCHED_PACKETS && seconds() < end;) {
    struct pollfd poll_for = {.fd = descriptor, .events = POLLIN};
    if (poll(&poll_for, 1, WATCH_MILLISECONDS) <= 0) {
      break;
    }
    uint8_t packet[2048], id[ID_SIZE];
    struct sockaddr_ll from;
    socklen_t from_size = sizeof(from);
    ssize_t size =
        recvfrom(descriptor, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_size);
    if (size < 0 || from.sll_pkttype != PACKET_OUTGOING ||
        !route_id_of(packet, (size_t)size, &to, id)) {
      continue;
    }
    matched++;
    size_t i = 0;
    while (i < known && memcmp(seen[i].id, id, ID_SIZE) != 0) {
      i++;
    }
    if (i == IDS_MAX) {
      continue;
    }
    if (i == known) {
      memcpy(seen[known++].id, id, ID_SIZE);
    }
    if (++seen[i].count > seen[best].count) {
      best = i;
    }
  }
  close(descriptor);
  if (known == 0) {
    fprintf(stderr, "relay-load: no QUIC packet went to %s\n", arguments[1]);
    return 1;
  }
  const uint8_t *id = seen[best].id;
  printf("%02x%02x%02x%02x\n", id[0], id[1], id[2], id[3]);
  return 0;
}

/* --- send --- */

static bool is_udp_on(int descriptor, in_port_t port) {
  int type = 0;
  socklen_t size = sizeof(type);
  struct sockaddr_storage name;
  socklen_t name_size = sizeof(name);
  if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM ||
      getsockname(descriptor, (struct sockaddr *)&name, &name_size) != 0 ||
      name.ss_family != AF_INET) {
    return false;
  }
  struct sockaddr_in address;
  memcpy(&address, &name, sizeof(address));
  return address.sin_port == port;
}

static int borrow_socket(const char *process, in_port_t port) {
  char folder[64];
  snprintf(folder, sizeof(folder), "/proc/%s/fd", process);
  int owner = (int)syscall(SYS_pidfd_open, atoi(process), 0);
  DIR *entries = opendir(folder);
  if (owner < 0 || entries == NULL) {
    fail(folder);
  }
  int found = -1;
  const struct dirent *entry;
  while (found < 0 && (entry = readdir(entries)) != NULL) {
    int descriptor = (int)syscall(SYS_pidfd_getfd, owner, atoi(entry->d_name), 0);
    if (entry->d_name[0] != '.' && descriptor >= 0 && is_udp_on(descriptor, port)) {
      found = descriptor;
    } else if (descriptor >= 0) {
      close(descriptor);
    }
  }
  closedir(entries);
  close(owner);
  if (found < 0) {
    errno = ENOENT;
    fail("the process has no such socket");
  }
  return found;
}

static void fill(uint8_t *message, size_t packets, size_t size, uint32_t route_id) {
  uint32_t id = htonl(route_id);
  for (size_t i = 0; i < packets; i++) {
    uint8_t *packet = message + i * size;
    if (getrandom(packet, size, 0) != (ssize_t)size) {
      fail("no random bytes");
    }
    packet[0] = (uint8_t)(0x40 | (packet[0] & 0x3f));
    memcpy(packet + 1, &id, sizeof(id));
  }
}

static int send_load(char **arguments) {
  struct sockaddr_in to = address_of(arguments[1], arguments[2]);
  uint32_t route_id = (uint32_t)strtoul(arguments[3], NULL, 16);
  size_t size = strtoul(arguments[4], NULL, 10), packets = strtoul(arguments[5], NULL, 10);
  double duration = strtod(arguments[6], NULL);
  static uint8_t message[MESSAGE_MAX];
  if (size < 1 + ID_SIZE || size > 1500 || packets < 1 || packets * size > MESSAGE_MAX) {
    fprintf(stderr, "relay-load: %zu packets of %zu bytes are no message\n", packets, size);
    return 2;
  }
  int descriptor = borrow_socket(arguments[0], to.sin_port);
  fill(message, packets, size, route_id);

  struct iovec vector = {message, packets * size};
  union {
    struct cmsghdr item;
    uint8_t space[CMSG_SPACE(sizeof(uint16_t))];
  } control = {0};
  uint16_t segment = (uint16_t)size;
  control.item.cmsg_level = IPPROTO_UDP;
  control.item.cmsg_type = UDP_SEGMENT;
  control.item.cmsg_len = CMSG_LEN(sizeof(segment));
  memcpy(CMSG_DATA(&control.item), &segment, sizeof(segment));
  struct mmsghdr messages[MESSAGES];
  for (size_t i = 0; i < MESSAGES; i++) {
    messages[i] =
        (struct mmsghdr){.msg_hdr = {.msg_name = &to,
                                     .msg_namelen = sizeof(to),
                                     .msg_iov = &vector,
                                     .msg_iovlen = 1,
                                     .msg_control = packets > 1 ? &control : NULL,
                                     .msg_controllen = packets > 1 ? sizeof(control) : 0}};
  }
  double begin = seconds(), now = begin;
  for (; now < begin + duration; now = seconds()) {
    if (sendmmsg(descriptor, messages, MESSAGES, MSG_DONTWAIT) >= 0) {
      continue;
    }
    if (errno != EAGAIN) {
      fail("cannot send");
    }
    struct pollfd poll_for = {.fd = descriptor, .events = POLLOUT};
    poll(&poll_for, 1, WATCH_MILLISECONDS);
  }
  close(descriptor);
  printf("%.3f\n", now - begin);
  return 0;
}

int main(int count, char **arguments) {
  if (count == 5 && strcmp(arguments[1], "watch") == 0) {
    return watch(arguments + 2);
  }
  if (count == 9 && strcmp(arguments[1], "send") == 0) {
    return send_load(arguments + 2);
  }
  fputs("usage: relay-load watch DEVICE ADDRESS PORT\n"
        "       relay-load send PROCESS ADDRESS PORT ROUTE-ID SIZE PACKETS SECONDS\n",
        stderr);
  return 2;
}

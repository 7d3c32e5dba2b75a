/* As many UDP datagrams of one byte as a host can send, for scenarios.
 *
 *   tiny-datagrams [--forge] ADDRESS PORT
 *
 * IPv4. With --forge each comes from another address of 198.18.0.0/15, which takes CAP_NET_RAW.
 * Prints "sending" when it has begun; on SIGTERM "sent=N cpu=SECONDS", and ends with 0. It refuses
 * targets outside the documentation ranges (RFC 5737): it is made for the scenarios' own hosts. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { BATCH = 64 };

/* A forged one is a whole IP packet; the kernel fills in its checksum and identification. UDP's own
 * checksum may be left out over IPv4. */
struct forged {
  struct iphdr ip;
  struct udphdr udp;
  uint8_t data;
} __attribute__((packed));

static volatile sig_atomic_t stopped;

static void stop(int signal_number) {
  (void)signal_number;
  stopped = 1;
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "tiny-datagrams: %s: %s\n", what, strerror(errno));
  exit(1);
}

static bool is_documentation(struct in_addr address) {
  uint32_t network = ntohl(address.s_addr) & 0xffffff00;
  return network == 0xc0000200 || network == 0xc6336400 || network == 0xcb007100;
}

static void forge(struct forged *packet, const struct sockaddr_in *to, uint32_t *state) {
  /* xorshift: neither unguessable nor meant to be */
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  packet->ip.saddr = htonl(0xc6120000 | (*state & 0x1ffff));
  packet->udp.source = htons((uint16_t)(1024 + *state % 60000));
  packet->udp.dest = to->sin_port;
  packet->data = (uint8_t)*state;
}

int main(int argc, char **argv) {
  bool forging = argc == 4 && strcmp(argv[1], "--forge") == 0;
  if (argc != 3 && !forging) {
    fprintf(stderr, "usage: tiny-datagrams [--forge] ADDRESS PORT\n");
    return 2;
  }
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)strtoul(argv[argc - 1], NULL, 10))};
  if (inet_pton(AF_INET, argv[argc - 2], &to.sin_addr) != 1 || !is_documentation(to.sin_addr)) {
    fprintf(stderr, "tiny-datagrams: %s is none of the scenarios' addresses\n", argv[argc - 2]);
    return 2;
  }
  const struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  int descriptor =
      forging ? socket(AF_INET, SOCK_RAW, IPPROTO_RAW) : socket(AF_INET, SOCK_DGRAM, 0);
  if (descriptor < 0) {
    fail("cannot open a socket");
  }
  static struct forged packets[BATCH];
  static struct iovec vectors[BATCH];
  static struct mmsghdr messages[BATCH];
  struct sockaddr_in raw_to = to;
  raw_to.sin_port = 0;
  for (size_t i = 0; i < BATCH; i++) {
    packets[i].ip = (struct iphdr){.version = 4,
                                   .ihl = 5,
                                   .ttl = 64,
                                   .protocol = IPPROTO_UDP,
                                   .tot_len = htons(sizeof(packets[i])),
                                   .daddr = to.sin_addr.s_addr};
    packets[i].udp.len = htons(sizeof(struct udphdr) + 1);
    vectors[i] = forging ? (struct iovec){&packets[i], sizeof(packets[i])}
                         : (struct iovec){&packets[i].data, 1};
    messages[i].msg_hdr = (struct msghdr){.msg_name = forging ? &raw_to : &to,
                                          .msg_namelen = sizeof(to),
                                          .msg_iov = &vectors[i],
                                          .msg_iovlen = 1};
  }
  printf("sending\n");
  fflush(stdout);
  unsigned long long sent = 0;
  for (uint32_t state = 1; !stopped;) {
    for (size_t i = 0; i < BATCH; i++) {
      forge(&packets[i], &to, &state);
    }
    int status = sendmmsg(descriptor, messages, BATCH, 0);
    if (status < 0 && errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED) {
      fail("cannot send");
    }
    sent += status > 0 ? (unsigned long long)status : 0;
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("sent=%llu cpu=%.3f\n", sent,
         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  return 0;
}

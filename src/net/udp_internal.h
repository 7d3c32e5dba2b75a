/* What the files of a UDP socket share. */
#ifndef CYPHONIC_NET_UDP_INTERNAL_H
#define CYPHONIC_NET_UDP_INTERNAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/udp.h"

enum {
  /* Segmentation (UDP_SEGMENT): older kernels refuse more packets in one message, and the whole
   * message has to fit a UDP datagram, with room for headers. */
  UDP_TRAIN_PACKETS = 64,
  UDP_TRAIN_BYTES = 65000,
  UDP_SEND_PACKETS = 132, /* a system call: three trains of the largest packets */

  UDP_RECEIVE_SIZE = 1 << 16, /* a whole joined message, which no datagram's length exceeds */

  /* Packet information, traffic class and segment size, with their headers. */
  UDP_CONTROL_SIZE = 128,
  UDP_ECN_MASK = 3,
};

struct udp_message {
  struct sockaddr_storage name;
  _Alignas(struct cmsghdr) uint8_t control[UDP_CONTROL_SIZE];
};

struct udp_receiver {
  struct mmsghdr headers[UDP_RECEIVE_MESSAGES];
  struct udp_message messages[UDP_RECEIVE_MESSAGES];
  struct iovec vectors[UDP_RECEIVE_MESSAGES];
  /* Only the pages that packets lie on become resident: one or two a message where nothing is
   * joined. */
  uint8_t (*storage)[UDP_RECEIVE_SIZE];
  struct udp_packet packets[UDP_BATCH];
  bool has_more;
};

struct udp_sender {
  struct mmsghdr headers[UDP_SEND_PACKETS];
  struct udp_message messages[UDP_SEND_PACKETS];
  struct iovec vectors[UDP_SEND_PACKETS];
  size_t packets[UDP_SEND_PACKETS]; /* in each message */
  /* sendmmsg, but in tests of what a kernel may answer. */
  int (*send)(int descriptor, struct mmsghdr *messages, unsigned count, int flags);
};

struct udp_socket {
  int descriptor;
  uint8_t family; /* 4 or 6 */
  uint16_t port;
  struct udp_counters counters;
  struct udp_sender send;
  struct udp_receiver receive;
};

void udp_receive_prepare(struct udp_socket *socket);
void udp_send_prepare(struct udp_socket *socket);

#endif

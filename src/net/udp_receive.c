/* Receiving in batches, and taking apart what the kernel joined (UDP_GRO). */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "net/udp_internal.h"

void udp_receive_prepare(struct udp_socket *socket) {
  struct udp_receiver *receiver = &socket->receive;
  for (size_t i = 0; i < UDP_RECEIVE_MESSAGES; i++) {
    receiver->vectors[i] = (struct iovec){receiver->storage[i], UDP_RECEIVE_SIZE};
    receiver->headers[i].msg_hdr = (struct msghdr){
        .msg_name = &receiver->messages[i].name, .msg_iov = &receiver->vectors[i], .msg_iovlen = 1};
  }
}

/* Fills `packet` but for its data. Returns the size of the packets that were joined, all but the
 * last, which may be smaller; 0: it is a single one. */
static size_t udp_read_control(struct msghdr *header, struct udp_packet *packet) {
  size_t segment = 0;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL;
       item = CMSG_NXTHDR(header, item)) {
    if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info;
      memcpy(&info, CMSG_DATA(item), sizeof(info));
      packet->local.family = 4;
      memcpy(packet->local.bytes, &info.ipi_addr, 4);
      packet->interface = (unsigned)info.ipi_ifindex;
    } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info;
      memcpy(&info, CMSG_DATA(item), sizeof(info));
      packet->local.family = 6;
      memcpy(packet->local.bytes, &info.ipi6_addr, 16);
      packet->interface = info.ipi6_ifindex;
    } else if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS) {
      packet->ecn = *CMSG_DATA(item) & UDP_ECN_MASK;
    } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS) {
      int class;
      memcpy(&class, CMSG_DATA(item), sizeof(class));
      packet->ecn = (uint8_t)(class & UDP_ECN_MASK);
    } else if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == UDP_GRO) {
      int size;
      memcpy(&size, CMSG_DATA(item), sizeof(size));
      segment = size > 0 ? (size_t)size : 0;
    }
  }
  return segment;
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

/* Appends the packets of one message at `count`; returns the new count. */
static size_t udp_split(struct udp_socket *socket, size_t message, size_t count) {
  struct udp_receiver *receiver = &socket->receive;
  struct msghdr *header = &receiver->headers[message].msg_hdr;
  struct udp_packet packet = {0};
  if (address_from_sockaddr(header->msg_name, &packet.remote) != 0) {
    return count;
  }
  size_t segment = udp_read_control(header, &packet);
  size_t left = receiver->headers[message].msg_len;
  if (segment == 0 || segment > left) {
    segment = left;
  }
  packet.data = receiver->storage[message];
  size_t end = count + UDP_SEGMENTS_MAX;
  do {
    packet.size = left < segment ? left : segment;
    if (count == end || packet.size > UDP_PACKET_SIZE) {
      socket->counters.truncated++;
    } else {
      receiver->packets[count++] = packet;
      socket->counters.received_packets++;
      socket->counters.received_bytes += packet.size;
    }
    packet.data += packet.size;
    left -= packet.size;
  } while (left > 0);
  return count;
}

int udp_socket_receive(struct udp_socket *socket, const struct udp_packet **packets, size_t *count,
                       struct error *error) {
  struct udp_receiver *receiver = &socket->receive;
  *packets = receiver->packets;
  *count = 0;
  receiver->has_more = false;
  for (size_t i = 0; i < UDP_RECEIVE_MESSAGES; i++) {
    struct msghdr *header = &receiver->headers[i].msg_hdr;
    header->msg_namelen = sizeof(receiver->messages[i].name);
    header->msg_control = receiver->messages[i].control;
    header->msg_controllen = UDP_CONTROL_SIZE;
  }
  int got;
  do {
    got = recvmmsg(socket->descriptor, receiver->headers, UDP_RECEIVE_MESSAGES, MSG_DONTWAIT, NULL);
  } while (got < 0 && (errno == EINTR || is_news_of_icmp(errno)));
  if (got < 0) {
    return errno == EAGAIN || errno == EWOULDBLOCK
               ? 0
               : error_set_errno(error, errno, "cannot receive from UDP port %u", socket->port);
  }
  receiver->has_more = got == UDP_RECEIVE_MESSAGES;
  for (int i = 0; i < got; i++) {
    *count = udp_split(socket, (size_t)i, *count);
  }
  return 0;
}

bool udp_socket_has_more(const struct udp_socket *socket) {
  return socket->receive.has_more;
}

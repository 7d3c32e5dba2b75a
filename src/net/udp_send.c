/* Sending in batches, with trains of packets for one remote given to the kernel as one message
 * (UDP_SEGMENT): it passes its layers once, and is cut at the device, or not at all on a veth. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "net/udp_internal.h"

void udp_send_prepare(struct udp_socket *socket) {
  socket->send.send = sendmmsg;
  for (size_t i = 0; i < UDP_SEND_PACKETS; i++) {
    socket->send.headers[i].msg_hdr.msg_name = &socket->send.messages[i].name;
  }
}

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

/* How many of `packets` can be one message. An empty packet would vanish in a train. */
static size_t udp_train(const struct udp_packet *packets, size_t count) {
  const struct udp_packet *first = packets;
  size_t length = 1, bytes = first->size;
  while (length < count && length < UDP_TRAIN_PACKETS && packets[length - 1].size == first->size) {
    const struct udp_packet *next = &packets[length];
    if (next->size == 0 || next->size > first->size || bytes + next->size > UDP_TRAIN_BYTES ||
        next->ecn != first->ecn || !address_equal(&next->remote, &first->remote) ||
        !ip_address_equal(&next->local, &first->local) || next->interface != first->interface) {
      break;
    }
    bytes += next->size;
    length++;
  }
  return length;
}

/* Packets that lie one behind the other share a vector. Returns how many vectors it took. */
static size_t udp_write_vectors(struct iovec *vectors, const struct udp_packet *packets,
                                size_t count) {
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    struct iovec *last = used > 0 ? &vectors[used - 1] : NULL;
    if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == packets[i].data) {
      last->iov_len += packets[i].size;
    } else {
      vectors[used++] = (struct iovec){(void *)(uintptr_t)packets[i].data, packets[i].size};
    }
  }
  return used;
}

static void udp_write_message(struct udp_socket *socket, size_t index, struct iovec *vectors,
                              const struct udp_packet *packets, size_t count) {
  struct udp_message *message = &socket->send.messages[index];
  struct msghdr *header = &socket->send.headers[index].msg_hdr;
  socket->send.packets[index] = count;
  header->msg_namelen = address_to_sockaddr(&packets->remote, &message->name);
  header->msg_iov = vectors;
  header->msg_iovlen = udp_write_vectors(vectors, packets, count);
  header->msg_control = message->control;
  header->msg_controllen = 0;
  if (packets->local.family == 4) {
    struct in_pktinfo info = {.ipi_ifindex = (int)packets->interface};
    memcpy(&info.ipi_spec_dst, packets->local.bytes, 4);
    udp_add_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
  } else if (packets->local.family == 6) {
    struct in6_pktinfo info = {.ipi6_ifindex = packets->interface};
    memcpy(&info.ipi6_addr, packets->local.bytes, 16);
    udp_add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
  }
  if (packets->ecn != 0) {
    int class = packets->ecn;
    if (socket->family == 4) {
      udp_add_control(header, IPPROTO_IP, IP_TOS, &class, sizeof(class));
    } else {
      udp_add_control(header, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
    }
  }
  if (count > 1) {
    uint16_t segment = (uint16_t)packets->size;
    udp_add_control(header, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
  }
  if (header->msg_controllen == 0) {
    header->msg_control = NULL;
  }
}

/* The first `single` packets go one by one. Returns the number of messages. */
static size_t udp_write_batch(struct udp_socket *socket, const struct udp_packet *packets,
                              size_t count, size_t single) {
  size_t messages = 0;
  for (size_t i = 0; i < count; messages++) {
    bool alone = socket->counters.segmentation_off || i < single;
    size_t length = alone ? 1 : udp_train(&packets[i], count - i);
    udp_write_message(socket, messages, &socket->send.vectors[i], &packets[i], length);
    i += length;
  }
  return messages;
}

/* Or a refusal of packets that exceed the MTU, for which many kernels say EINVAL as well where the
 * packets are a train: only the first packet alone can tell. */
static bool is_refusal_to_cut(int errno_value) {
  return errno_value == EIO || errno_value == EINVAL || errno_value == EOPNOTSUPP;
}

int udp_socket_send(struct udp_socket *socket, const struct udp_packet *packets, size_t count,
                    size_t *sent) {
  struct udp_sender *sender = &socket->send;
  size_t single = 0;    /* how many of the next packets are of a train that was refused */
  bool suspect = false; /* whether the first of them, alone, shows if the cutting was at fault */
  *sent = 0;
  while (*sent < count) {
    size_t batch = count - *sent < UDP_SEND_PACKETS ? count - *sent : UDP_SEND_PACKETS;
    size_t messages = udp_write_batch(socket, &packets[*sent], batch, single);
    int taken = sender->send(socket->descriptor, sender->headers, (unsigned)messages, MSG_DONTWAIT);
    size_t passed = 0; /* packets */
    if (taken > 0) {
      for (size_t i = 0; i < (size_t)taken; i++) {
        passed += sender->packets[i];
      }
      for (size_t i = 0; i < passed; i++) {
        socket->counters.sent_bytes += packets[*sent + i].size;
      }
      socket->counters.sent_packets += passed;
      if (suspect) {
        socket->counters.segmentation_off = true;
      }
    } else if (errno == EINTR) {
      continue;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return ERROR_AGAIN;
    } else if (sender->packets[0] > 1 && (is_refusal_to_cut(errno) || errno == EMSGSIZE)) {
      single = sender->packets[0];
      suspect = is_refusal_to_cut(errno);
      continue;
    } else {
      passed = sender->packets[0];
      socket->counters.refused += passed;
      if (errno != EMSGSIZE) {
        socket->counters.barred += passed;
        socket->counters.barred_errno = errno;
      }
    }
    suspect = false;
    single -= passed < single ? passed : single;
    *sent += passed;
  }
  return 0;
}

/* UDP sockets that read and write in batches, and tell and choose the local address of each
 * packet, so that a host with several addresses answers from the one that was asked. Where the
 * kernel can, packets of one size for one remote cross it as one message each way (UDP_SEGMENT,
 * UDP_GRO); callers see packets only. */
#ifndef CYPHONIC_NET_UDP_H
#define CYPHONIC_NET_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

struct udp_socket;
struct sock_filter; /* of the kernel: linux/filter.h */

enum {
  UDP_RECEIVE_MESSAGES = 16, /* a system call; each is one packet, or several joined */
  UDP_SEGMENTS_MAX = 128,    /* packets joined in a message; Linux joins no more */
  UDP_BATCH = UDP_RECEIVE_MESSAGES * UDP_SEGMENTS_MAX, /* packets received by a call */
  UDP_PACKET_SIZE = 2048,    /* room for a received packet; longer ones are dropped and counted */
  UDP_BUFFER_SIZE = 4 << 20, /* asked of the kernel each way; what it grants is used */
};

struct udp_packet {
  struct address remote;
  struct ip_address
      local; /* received: the destination; sent: source, family 0 lets the kernel choose */
  /* Index. Received: where it arrived; sent: by which it leaves from `local`, 0 asks the routes. */
  unsigned interface;
  uint8_t ecn; /* the two ECN bits of RFC 3168 */
  const uint8_t *data;
  size_t size;
};

/* Binds non-blocking, close-on-exec; an IPv6 socket takes IPv6 only. `bind` with ip all zeroes but
 * its family set means any address; port 0 lets the kernel choose. Path MTU discovery is the
 * caller's: packets carry DF and are never fragmented. A port in use is ERROR_EXISTS, one below
 * 1024 without the right ERROR_PERMISSION, each with what to do; a host without that IP version
 * ERROR_UNREACHABLE. */
int udp_socket_open(const struct address *bind, struct udp_socket **socket,
                    struct error *error) MUST_CHECK;
/* As udp_socket_open, for a port that several sockets of this program share: each packet comes to
 * one of them. The first takes a port that is free, which is ERROR_EXISTS otherwise, so that two
 * programs never share one by mistake; the others `join` it, on the same address. */
int udp_socket_open_shared(const struct address *bind, bool join, struct udp_socket **socket,
                           struct error *error) MUST_CHECK;
/* Has the kernel ask this program (classic BPF over the UDP payload) for which of the sockets on
 * the port, counted in the order in which they were opened, a packet is; the kernel copies it. For
 * any one of them; without it, the kernel chooses by the packet's addresses. ERROR_SYSTEM or
 * ERROR_PERMISSION: it will not, and goes on as before. */
int udp_socket_steer(struct udp_socket *socket, const struct sock_filter *program,
                     unsigned short instructions, struct error *error) MUST_CHECK;
void udp_socket_close(struct udp_socket *socket);

int udp_socket_descriptor(const struct udp_socket *socket);
uint16_t udp_socket_port(const struct udp_socket *socket);

/* Up to UDP_BATCH packets, without waiting. They stay in the socket's storage until the next call.
 * Returns 0 with *count (0: nothing there, or nothing fit to be seen), or ERROR_SYSTEM. */
int udp_socket_receive(struct udp_socket *socket, const struct udp_packet **packets, size_t *count,
                       struct error *error) MUST_CHECK;
/* Whether the last call took as many messages as one may, so that more may be waiting: another
 * finds out. If not, the socket was empty, and another would be a system call for nothing. *count
 * does not tell, since a message may hold many packets. Nothing waits but in the kernel: to stop
 * early is safe, the descriptor stays readable. */
bool udp_socket_has_more(const struct udp_socket *socket);

/* Sends in order. *sent counts the packets taken or given up: one the kernel refuses for its own
 * sake (EMSGSIZE, ENETUNREACH, EPERM ...) is counted in the counters and skipped, as if lost on the
 * way. ERROR_AGAIN when the buffer is full: wait for the descriptor to be writable and go on at
 * *sent. */
int udp_socket_send(struct udp_socket *socket, const struct udp_packet *packets, size_t count,
                    size_t *sent) MUST_CHECK;

struct udp_counters {
  uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
  uint64_t refused;      /* by the kernel, for the packet's own sake */
  uint64_t barred;       /* of these, not for their size, which path MTU discovery deals with */
  int barred_errno;      /* why, the last time */
  uint64_t truncated;    /* longer than UDP_PACKET_SIZE, or beyond UDP_SEGMENTS_MAX of a message */
  bool segmentation_off; /* the kernel or a device refused a train; packets go one by one since */
};
void udp_socket_counters(const struct udp_socket *socket, struct udp_counters *counters);

/* Whether the kernel has a route to `remote`, and the source address it would use;
 * ERROR_UNREACHABLE if not. Sends nothing. */
int udp_socket_route_check(const struct address *remote, struct ip_address *local,
                           struct error *error) MUST_CHECK;

#endif

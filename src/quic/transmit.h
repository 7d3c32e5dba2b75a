/* Packets on their way out: encrypted straight into a slot of this batch, sent together by one
 * system call for each run of one IP version. When a socket's buffer is full the batch keeps what
 * is left, and nobody writes until the socket takes packets again. */
#ifndef CYPHONIC_QUIC_TRANSMIT_H
#define CYPHONIC_QUIC_TRANSMIT_H

#include <stdbool.h>

#include "net/udp.h"
#include "quic/limits.h"

struct transmit {
  struct udp_socket *sockets[2];       /* IPv4, IPv6; borrowed, NULL: none */
  uint8_t (*storage)[UDP_PAYLOAD_MAX]; /* TRANSMIT_BATCH slots */
  struct udp_packet packets[TRANSMIT_BATCH];
  size_t count, sent; /* packets[sent..count) wait */
  bool blocked;       /* the socket of packets[sent] is full */
  uint64_t sent_packets, sent_bytes;
};

/* A slot of UDP_PAYLOAD_MAX bytes to write the next packet into, or NULL while blocked. */
uint8_t *transmit_slot(struct transmit *transmit);
/* The slot now holds a packet of `size` bytes for `remote`; `local` may be unset. */
void transmit_commit(struct transmit *transmit, const struct address *remote,
                     const struct ip_address *local, uint8_t ecn, size_t size);
/* A packet that lies elsewhere, until transmit_keep; false: no room, the packet is lost. */
bool transmit_forward(struct transmit *transmit, const struct address *remote,
                      const struct ip_address *local, uint8_t ecn, const uint8_t *data,
                      size_t size);
/* Before the memory that transmit_forward was given is used again: sends, and keeps a copy of what
 * the socket does not take. Returns as transmit_flush. */
int transmit_keep(struct transmit *transmit);
/* Hands the batch to the kernel. Returns the index of the socket (0: IPv4, 1: IPv6) that has to
 * become writable first, or -1 when all is gone. */
int transmit_flush(struct transmit *transmit);

#endif

/* Virtual IP packets over one QUIC connection (paper 4.1, design 3): the data plane between two
 * nodes. A packet goes out in one DATAGRAM frame, or in fragments, or back to its sender as Packet
 * Too Big; a packet that comes in is handed up only if its source is the peer's own virtual
 * address, as the peer's certificate bears it, and its destination ours. */
#ifndef CYPHONIC_TUNNEL_TUNNEL_H
#define CYPHONIC_TUNNEL_TUNNEL_H

#include "quic/quic.h"
#include "tunnel/ip_packet.h"

struct tunnel;

struct tunnel_config {
  struct ip_address local_ipv4, local_ipv6; /* our virtual addresses */
  struct ip_address peer_ipv4, peer_ipv6;   /* from the peer's certificate */
  /* A packet for the TUN device: the peer's, or an ICMP of our own about a packet we were given. */
  void (*deliver)(struct span packet, void *context);
  void *context;
};

/* Nanoseconds without an answer that was due, and two probe time-outs at least, after which packets
 * are probably lost: the last of each flow is sent once more as soon as one comes. */
#define TUNNEL_SILENCE UINT64_C(100000000)

enum { TUNNEL_QUEUE_PACKETS = 4096, TUNNEL_QUEUE_BYTES = 3 << 20 };

struct tunnel_counters {
  uint64_t sent_packets, sent_bytes, received_packets, received_bytes;
  uint64_t repeated;        /* packets sent once more after a silence, counted as sent too */
  uint64_t fragmented;      /* packets sent in fragments */
  uint64_t too_big;         /* Packet Too Big told to a sender */
  uint64_t dropped_full;    /* the queue was full */
  uint64_t dropped_late;    /* had waited for too long */
  uint64_t marked_late;     /* too, but the sender understands ECN */
  uint64_t dropped_spoofed; /* inner source or destination not allowed */
  uint64_t dropped_invalid; /* not an IP packet, not a frame of ours */
};

/* Takes over the connection's datagrams; the connection's owner frees the tunnel in `closed` or
 * before. */
int tunnel_new(struct quic_connection *connection, const struct tunnel_config *config,
               struct tunnel **tunnel, struct error *error) MUST_CHECK;
void tunnel_free(struct tunnel *tunnel);

/* Sends a packet whose destination is the peer (the caller looked it up). Never blocks: what the
 * connection does not take now waits in a send_queue, from which the oldest goes first when
 * full. */
void tunnel_send(struct tunnel *tunnel, struct span packet);

/* For another tunnel, or until there is one: hands over what was sent lately in vain, and what
 * waits, and keeps none of it. `take` does not use the tunnel. */
void tunnel_salvage(struct tunnel *tunnel, void (*take)(struct span packet, void *context),
                    void *context);

void tunnel_counters(const struct tunnel *tunnel, struct tunnel_counters *counters);

#endif

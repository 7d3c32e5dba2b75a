/* What becomes of a packet that an application sent into the TUN device. Pure. */
#ifndef CYPHONIC_NODE_PACKET_VERDICT_H
#define CYPHONIC_NODE_PACKET_VERDICT_H

#include "tunnel/ip_packet.h"

struct packet_scope {
  struct ip_address ipv4, ipv6;              /* ours */
  struct ip_prefix ipv4_prefix, ipv6_prefix; /* the overlay */
};

enum packet_verdict {
  PACKET_FORWARD, /* to the peer that has the destination */
  PACKET_DROP,    /* from an address that is not ours, to ourselves, to many */
  PACKET_REJECT,  /* to somewhere outside the overlay: the sender is told */
};

enum packet_verdict packet_verdict(const struct packet_scope *scope,
                                   const struct ip_packet *packet);

#endif

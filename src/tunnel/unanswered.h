/* The last packet of each flow that went out while nothing came back. All were probably lost, and
 * after a long silence their senders' next tries are far apart; sent once more when the path
 * answers, they make a TCP connection go on at once. Who got one after all gets it twice, which IP
 * allows. Pure. */
#ifndef CYPHONIC_TUNNEL_UNANSWERED_H
#define CYPHONIC_TUNNEL_UNANSWERED_H

#include "base/span.h"

enum {
  UNANSWERED_MAX = 16,          /* flows; the one whose last packet is the oldest gives way */
  UNANSWERED_PACKET_MAX = 2048, /* bytes; larger ones are not kept */
};

struct unanswered {
  size_t count;
  struct unanswered_packet {
    uint8_t flow;
    uint16_t size;
    uint8_t data[UNANSWERED_PACKET_MAX];
  } packet[UNANSWERED_MAX]; /* oldest first */
};

/* Zero-initialise. Copies the packet. */
void unanswered_keep(struct unanswered *unanswered, struct span packet);

#endif

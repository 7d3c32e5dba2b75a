/* Packets that wait for a tunnel to come up: not for long, since who sent them tries again anyway.
 * Pure. */
#ifndef CYPHONIC_NODE_HOLD_QUEUE_H
#define CYPHONIC_NODE_HOLD_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum {
  /* A voice call, of 50 packets a second, for as long as packets wait; the oldest give way. */
  HOLD_QUEUE_PACKETS = 128,
  HOLD_QUEUE_BYTES = 131072,    /* whichever is reached first */
  HOLD_QUEUE_PACKET_MAX = 9216, /* bytes; larger ones are dropped */
};
/* Nanoseconds: a TCP SYN is sent again after one second, a DNS query after two at the latest. */
#define HOLD_QUEUE_LIFETIME UINT64_C(2000000000)

/* Zero-initialise; hold_queue_clear at the end. Empty, it holds no memory. */
struct hold_queue {
  struct held_packet *first, *last;
  size_t count, bytes;
  uint64_t dropped;
};

/* Copies the packet. */
void hold_queue_push(struct hold_queue *queue, struct span packet, uint64_t now);

/* Empties the queue in order, handing each packet that is still fresh to `take`. */
void hold_queue_drain(struct hold_queue *queue, uint64_t now,
                      void (*take)(struct span packet, void *context), void *context);
/* Moves the packets of `from` behind those of `to`. */
void hold_queue_move(struct hold_queue *to, struct hold_queue *from);
void hold_queue_clear(struct hold_queue *queue);

#endif

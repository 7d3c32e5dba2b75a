/* Packets that wait for the connection of a tunnel: bounded in time (CoDel), and in order within
 * each flow, while a flow that has nothing waiting goes ahead of those that fill the queue. So a
 * full tunnel still answers a ping, a key press or a name look-up at once. */
#ifndef CYPHONIC_TUNNEL_SEND_QUEUE_H
#define CYPHONIC_TUNNEL_SEND_QUEUE_H

#include "tunnel/codel.h"
#include "tunnel/flow.h"
#include "tunnel/packet_queue.h"

/* Nanoseconds. While nothing can be sent, what is older gives way to the last packet of its flow,
 * which stays, as in unanswered.h. */
#define SEND_QUEUE_LIFETIME UINT64_C(1000000000)

/* Zero-initialise; send_queue_clear at the end. */
struct send_queue {
  struct packet_queue ahead, bulk;
  struct packet_queue *chosen; /* whose front is being sent; NULL: to be chosen */
  struct codel codel;
  uint64_t marked;         /* packets that were marked and not dropped (RFC 3168) */
  uint16_t waiting[FLOWS]; /* packets of the flow, in both */
};

void send_queue_clear(struct send_queue *queue);
size_t send_queue_count(const struct send_queue *queue);
/* Copies an IP packet in; `now` in nanoseconds. Returns how many older ones gave way to it (if that
 * was the front, another will be chosen: `chosen` is NULL then), or ERROR_NO_MEMORY or ERROR_LIMIT
 * as packet_queue_push. */
int send_queue_push(struct send_queue *queue, struct span packet, uint64_t now) MUST_CHECK;
/* The packet to be sent next, valid until the next push or pop, and the same until then; empty when
 * the queue is. Adds to *dropped those that have waited for too long; where the sender
 * understands it, such a packet is marked instead. */
struct span send_queue_front(struct send_queue *queue, uint64_t now, uint64_t *dropped);
void send_queue_pop(struct send_queue *queue);

#endif

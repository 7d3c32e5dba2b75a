/* Packets that wait for a connection to take them: a ring of bytes, bounded in packets and in
 * bytes, allocated once at first need and never a packet at a time. */
#ifndef CYPHONIC_TUNNEL_PACKET_QUEUE_H
#define CYPHONIC_TUNNEL_PACKET_QUEUE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"

enum { PACKET_QUEUE_PACKETS = 4096, PACKET_QUEUE_BYTES = 3 << 20 };

struct packet_queue_storage;

/* Zero-initialise; packet_queue_clear at the end. */
struct packet_queue {
  struct packet_queue_storage *storage; /* NULL until first used */
  size_t first, count;                  /* of the ring of entries */
  size_t bytes;                         /* in all packets */
};

void packet_queue_clear(struct packet_queue *queue);
/* Copies the packet in behind the others; the oldest give way to it. Returns how many did, or
 * ERROR_NO_MEMORY, or ERROR_LIMIT for a packet that the whole queue could not hold. */
int packet_queue_push(struct packet_queue *queue, struct span packet, uint64_t now) MUST_CHECK;
/* Whether none would have to give way to a packet of this size. */
bool packet_queue_has_room(const struct packet_queue *queue, size_t size);
/* The oldest packet, valid until the next push or pop; empty when the queue is. */
struct span packet_queue_front(const struct packet_queue *queue);
/* The same, to be changed where it lies. */
uint8_t *packet_queue_front_bytes(struct packet_queue *queue);
/* `now` when the oldest came; the queue is not empty. */
uint64_t packet_queue_since(const struct packet_queue *queue);
void packet_queue_pop(struct packet_queue *queue);

#endif

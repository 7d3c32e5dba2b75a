#include "node/hold_queue.h"

#include <stdlib.h>
#include <string.h>

struct held_packet {
  struct held_packet *next;
  uint64_t held; /* nanoseconds */
  size_t size;
  uint8_t data[];
};

/* The queue is not empty. */
static struct held_packet *shift(struct hold_queue *queue) {
  struct held_packet *packet = queue->first;
  queue->first = packet->next;
  if (!queue->first)
    queue->last = NULL;
  queue->count--;
  queue->bytes -= packet->size;
  return packet;
}

static void append(struct hold_queue *queue, struct held_packet *packet) {
  packet->next = NULL;
  if (queue->last)
    queue->last->next = packet;
  else
    queue->first = packet;
  queue->last = packet;
  queue->count++;
  queue->bytes += packet->size;
  while (queue->count > HOLD_QUEUE_PACKETS || queue->bytes > HOLD_QUEUE_BYTES) {
    free(shift(queue));
    queue->dropped++;
  }
}

void hold_queue_push(struct hold_queue *queue, struct span packet, uint64_t now) {
  struct held_packet *held = packet.size > 0 && packet.size <= HOLD_QUEUE_PACKET_MAX
                                 ? malloc(sizeof *held + packet.size)
                                 : NULL;
  if (!held) {
    queue->dropped++;
    return;
  }
  held->held = now;
  held->size = packet.size;
  memcpy(held->data, packet.data, packet.size);
  append(queue, held);
}

void hold_queue_drain(struct hold_queue *queue, uint64_t now,
                      void (*take)(struct span packet, void *context), void *context) {
  /* What `take` causes may be put into the queue again; only what is there now is taken. */
  for (size_t left = queue->count; left > 0 && queue->count > 0; left--) {
    struct held_packet *packet = shift(queue);
    if (now - packet->held <= HOLD_QUEUE_LIFETIME)
      take((struct span){.data = packet->data, .size = packet->size}, context);
    else
      queue->dropped++;
    free(packet);
  }
}

void hold_queue_move(struct hold_queue *to, struct hold_queue *from) {
  while (from->count > 0)
    append(to, shift(from));
  to->dropped += from->dropped;
  from->dropped = 0;
}

void hold_queue_clear(struct hold_queue *queue) {
  while (queue->count > 0)
    free(shift(queue));
}

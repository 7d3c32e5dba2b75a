#include "node/hold_queue.h"

#include <stdlib.h>
#include <string.h>

static struct held_packet shift(struct hold_queue *queue) {
  struct held_packet packet = queue->packets[queue->first];
  queue->packets[queue->first] = (struct held_packet){0};
  queue->first = (queue->first + 1) % HOLD_QUEUE_PACKETS;
  queue->count--;
  return packet;
}

static void append(struct hold_queue *queue, struct held_packet packet) {
  if (queue->count == HOLD_QUEUE_PACKETS) {
    free(shift(queue).data);
    queue->dropped++;
  }
  queue->packets[(queue->first + queue->count) % HOLD_QUEUE_PACKETS] = packet;
  queue->count++;
}

void hold_queue_push(struct hold_queue *queue, struct span packet, uint64_t now) {
  uint8_t *copy =
      packet.size > 0 && packet.size <= HOLD_QUEUE_PACKET_MAX ? malloc(packet.size) : NULL;
  if (!copy) {
    queue->dropped++;
    return;
  }
  memcpy(copy, packet.data, packet.size);
  append(queue, (struct held_packet){.data = copy, .size = packet.size, .held = now});
}

void hold_queue_drain(struct hold_queue *queue, uint64_t now,
                      void (*take)(struct span packet, void *context), void *context) {
  /* What `take` causes may be put into the queue again; only what is there now is taken. */
  for (size_t left = queue->count; left > 0 && queue->count > 0; left--) {
    struct held_packet packet = shift(queue);
    if (now - packet.held <= HOLD_QUEUE_LIFETIME)
      take((struct span){.data = packet.data, .size = packet.size}, context);
    else
      queue->dropped++;
    free(packet.data);
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
    free(shift(queue).data);
}

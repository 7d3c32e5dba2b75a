#include "tunnel/packet_queue.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct entry {
  uint64_t since;
  uint32_t offset, size;
};

struct packet_queue_storage {
  struct entry entries[PACKET_QUEUE_PACKETS];
  uint8_t bytes[PACKET_QUEUE_BYTES];
};

static struct entry *entry_at(const struct packet_queue *queue, size_t index) {
  return &queue->storage->entries[(queue->first + index) % PACKET_QUEUE_PACKETS];
}

/* Where `size` bytes can lie in one piece; false: nowhere without a packet giving way. An empty
 * queue starts at 0 again, so that a queue that is short most of the time touches few pages. */
static bool find_room(const struct packet_queue *queue, size_t size, size_t *offset) {
  *offset = 0;
  if (queue->count == 0) {
    return size <= PACKET_QUEUE_BYTES;
  }
  if (queue->count == PACKET_QUEUE_PACKETS) {
    return false;
  }
  const struct entry *last = entry_at(queue, queue->count - 1);
  size_t begin = entry_at(queue, 0)->offset;
  size_t end = last->offset + last->size;
  if (end <= begin) { /* wrapped: free is what lies between */
    *offset = end;
    return begin - end >= size;
  }
  if (PACKET_QUEUE_BYTES - end >= size) {
    *offset = end;
    return true;
  }
  return begin >= size;
}

bool packet_queue_has_room(const struct packet_queue *queue, size_t size) {
  size_t offset;
  return queue->storage == NULL || find_room(queue, size, &offset);
}

int packet_queue_push(struct packet_queue *queue, struct span packet, uint64_t now) {
  if (packet.size == 0 || packet.size > PACKET_QUEUE_BYTES) {
    return ERROR_LIMIT;
  }
  if (queue->storage == NULL && (queue->storage = malloc(sizeof(*queue->storage))) == NULL) {
    return ERROR_NO_MEMORY;
  }
  int gone = 0;
  size_t offset;
  while (!find_room(queue, packet.size, &offset)) {
    packet_queue_pop(queue);
    gone++;
  }
  memcpy(queue->storage->bytes + offset, packet.data, packet.size);
  *entry_at(queue, queue->count) =
      (struct entry){.since = now, .offset = (uint32_t)offset, .size = (uint32_t)packet.size};
  queue->count++;
  queue->bytes += packet.size;
  return gone;
}

struct span packet_queue_front(const struct packet_queue *queue) {
  if (queue->count == 0) {
    return (struct span){0};
  }
  const struct entry *entry = entry_at(queue, 0);
  return (struct span){.data = queue->storage->bytes + entry->offset, .size = entry->size};
}

uint8_t *packet_queue_front_bytes(struct packet_queue *queue) {
  return queue->count == 0 ? NULL : queue->storage->bytes + entry_at(queue, 0)->offset;
}

uint64_t packet_queue_since(const struct packet_queue *queue) {
  return entry_at(queue, 0)->since;
}

void packet_queue_pop(struct packet_queue *queue) {
  if (queue->count == 0) {
    return;
  }
  queue->bytes -= entry_at(queue, 0)->size;
  queue->first = (queue->first + 1) % PACKET_QUEUE_PACKETS;
  queue->count--;
}

void packet_queue_clear(struct packet_queue *queue) {
  free(queue->storage);
  *queue = (struct packet_queue){0};
}

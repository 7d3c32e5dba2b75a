#include "base/ring.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE = 64, RECORD_ALIGNMENT = 8 };

/* The size of a record that is not one: what is left of the arena where the next did not fit. */
#define PADDING UINT64_MAX

/* 8 bytes before each record, so that records stay aligned. */
struct record {
  uint64_t size;
  uint8_t data[];
};

/* Offsets only grow, and wrap with size_t, which the size of the arena divides: so an empty ring
 * and a full one differ. A thread's own fields share no line with what the other thread reads, or
 * each record would cost it a miss. */
struct ring {
  /* Where the next record goes: written by the producer, read by both. */
  _Alignas(CACHE_LINE) _Atomic size_t tail;
  /* The oldest record, or padding in front of it: written by the consumer, read by both. */
  _Alignas(CACHE_LINE) _Atomic size_t head;
  struct {
    _Alignas(CACHE_LINE) size_t reserved; /* the tail after a commit; the tail itself: nothing */
    size_t head;                          /* as last seen: there is at least the room it tells */
  } producer;
  struct {
    _Alignas(CACHE_LINE) size_t taken; /* the head after a release; the head itself: nothing */
    size_t tail;                       /* as last seen: there are at least the records it tells */
  } consumer;
  _Alignas(CACHE_LINE) size_t size;
  _Alignas(CACHE_LINE) uint8_t arena[];
};

int ring_new(size_t size, struct ring **ring) {
  /* aligned_alloc wants a multiple of the alignment. */
  if (size < CACHE_LINE || (size & (size - 1)) != 0) {
    return ERROR_INVALID;
  }
  struct ring *made = aligned_alloc(CACHE_LINE, sizeof(*made) + size);
  if (made == NULL) {
    return ERROR_NO_MEMORY;
  }
  *made = (struct ring){.size = size};
  *ring = made;
  return 0;
}

void ring_free(struct ring *ring) {
  free(ring);
}

static size_t bytes_to_end(const struct ring *ring, size_t offset) {
  return ring->size - (offset & (ring->size - 1));
}

static struct record *record_at(struct ring *ring, size_t offset) {
  return (struct record *)(void *)(ring->arena + (offset & (ring->size - 1)));
}

static size_t record_bytes(size_t size) {
  return sizeof(struct record) +
         (size + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
}

void *ring_reserve(struct ring *ring, size_t size) {
  size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  ring->producer.reserved = tail;
  /* Up to half, a record and the padding in front of it fit in an empty ring wherever the tail is.
   * Also keeps the sums below from wrapping. */
  if (size > ring->size / 2 - sizeof(struct record)) {
    return NULL;
  }
  size_t to_end = bytes_to_end(ring, tail);
  size_t padding = record_bytes(size) > to_end ? to_end : 0;
  size_t start = tail + padding, end = start + record_bytes(size);
  if (end - ring->producer.head > ring->size) {
    /* The consumer is done reading what this gives back. */
    ring->producer.head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (end - ring->producer.head > ring->size) {
      return NULL;
    }
  }
  if (padding > 0) {
    record_at(ring, tail)->size = PADDING;
  }
  struct record *record = record_at(ring, start);
  record->size = size;
  ring->producer.reserved = end;
  return record->data;
}

void ring_commit(struct ring *ring) {
  atomic_store_explicit(&ring->tail, ring->producer.reserved, memory_order_release);
}

bool ring_next(struct ring *ring, struct span *record) {
  size_t start = atomic_load_explicit(&ring->head, memory_order_relaxed);
  if (start == ring->consumer.tail) {
    ring->consumer.tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (start == ring->consumer.tail) {
      return false;
    }
  }
  /* Padding is committed together with the record behind it. */
  if (record_at(ring, start)->size == PADDING) {
    start += bytes_to_end(ring, start);
  }
  const struct record *oldest = record_at(ring, start);
  *record = (struct span){.data = oldest->data, .size = (size_t)oldest->size};
  ring->consumer.taken = start + record_bytes(record->size);
  return true;
}

void ring_release(struct ring *ring) {
  atomic_store_explicit(&ring->head, ring->consumer.taken, memory_order_release);
}

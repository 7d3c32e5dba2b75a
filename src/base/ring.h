/* A queue of byte records from one thread to one other, without a lock: neither waits for the
 * other, and a full ring refuses. Its arena is allocated once and never a record at a time.
 *
 * The ring wakes nobody. A consumer that goes to sleep says so first and then looks once more; a
 * producer that wakes only one that sleeps commits first and then asks. Each needs a sequentially
 * consistent fence between its two steps, which is not given here. */
#ifndef CYPHONIC_BASE_RING_H
#define CYPHONIC_BASE_RING_H

#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"

struct ring;

/* `size` bytes of arena, a power of two of at least 64. Returns 0, ERROR_INVALID or
 * ERROR_NO_MEMORY. */
int ring_new(size_t size, struct ring **ring) MUST_CHECK;
/* Once neither thread uses it any more; NULL is fine. */
void ring_free(struct ring *ring);

/* --- the producer's thread --- */

/* Room for one record of `size` bytes, contiguous and aligned to 8, to be filled and committed; a
 * reservation that was not committed is void. NULL: it does not fit now, and never does if it is
 * larger than half of the arena less 8 bytes. What is larger could wait for ever in front of an
 * empty ring, since a record may not be split where the arena ends. */
void *ring_reserve(struct ring *ring, size_t size);
/* Gives the reserved record to the consumer; nothing happens where none is reserved. */
void ring_commit(struct ring *ring);

/* --- the consumer's thread --- */

/* The oldest record, contiguous and aligned to 8, the same until ring_release; false: there is
 * none. */
bool ring_next(struct ring *ring, struct span *record) MUST_CHECK;
/* Gives the room of that record back; nothing happens where ring_next gave none. */
void ring_release(struct ring *ring);

#endif

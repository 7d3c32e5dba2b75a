/* When to try again: the wait doubles from `first` to `limit`, and each wait is drawn at random
 * from the upper half of its step, so that nodes which lost a service together do not come back
 * together. Pure: the random number is the caller's. */
#ifndef CYPHONIC_NODE_BACKOFF_H
#define CYPHONIC_NODE_BACKOFF_H

#include <stdint.h>

/* Plain data; milliseconds, as libuv's timers count. `attempt` starts at 0. */
struct backoff {
  uint64_t first, limit;
  unsigned attempt;
};

/* Milliseconds to wait before the next attempt, between half a step and the whole of it. `random`
 * is any uniform 32-bit number. */
uint64_t backoff_next(struct backoff *backoff, uint32_t random);

/* After a success. */
void backoff_reset(struct backoff *backoff);

#endif

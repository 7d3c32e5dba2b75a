/* Whether this host was asleep: the clock of our timers stands still then, so that connections
 * which have long ended elsewhere look well. Pure. */
#ifndef CYPHONIC_NODE_SLEEP_H
#define CYPHONIC_NODE_SLEEP_H

#include <stdint.h>

struct sleep {
  int64_t ahead; /* nanoseconds by which the clock since boot is ahead of the timers' */
};

struct sleep sleep_begin(uint64_t boot, uint64_t monotonic);
/* Nanoseconds for which it slept since the last call. Both clocks in nanoseconds (clock_boot,
 * clock_now). */
uint64_t sleep_since(struct sleep *sleep, uint64_t boot, uint64_t monotonic);

#endif

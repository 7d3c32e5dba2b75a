/* All timers of an endpoint in one place: a heap of expiries and one kernel timer, armed for the
 * earliest with the nanoseconds that QUIC's loss detection asks for (libuv's own timers count in
 * milliseconds). */
#ifndef CYPHONIC_QUIC_TIMER_H
#define CYPHONIC_QUIC_TIMER_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct timer_set;

/* Embedded in what expires; zero-initialise. */
struct timer {
  uint64_t expiry; /* nanoseconds of clock_now() */
  size_t position; /* in the heap, from 1; 0: not set */
};

typedef void (*timer_callback)(struct timer *timer, uint64_t now, void *context);

int timer_set_new(uv_loop_t *loop, timer_callback callback, void *context, struct timer_set **set,
                  struct error *error) MUST_CHECK;
/* Frees from the loop, then calls `done`. */
void timer_set_close(struct timer_set *set, void (*done)(void *context), void *context);

/* Sets or moves; UINT64_MAX clears. ERROR_NO_MEMORY leaves the timer as it was. */
int timer_set_put(struct timer_set *set, struct timer *timer, uint64_t expiry) MUST_CHECK;
void timer_set_clear(struct timer_set *set, struct timer *timer);
/* Arms the kernel's timer if the earliest expiry changed; call once a batch, and whenever the loop
 * is about to wait (a prepare handle): expiries do not arm it. */
void timer_set_arm(struct timer_set *set);

#endif

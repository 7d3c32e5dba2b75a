/* A thread with a loop of its own, and what lives on it: an endpoint, the tunnels that came or
 * began there, a queue of the TUN device. Packets pass through it without a word to anybody else.
 *
 * All the rest of a node is the main thread's. Where it must touch what lives on a lane it visits
 * it, and the lane stands still meanwhile; a lane never waits for the main thread, but posts what
 * it has to say. So nothing is ever touched by two threads at a time, and none of it has a lock.
 *
 * A lane that is NULL is the main thread itself: nothing has to stand still, and nothing is posted.
 */
#ifndef CYPHONIC_NODE_LANE_H
#define CYPHONIC_NODE_LANE_H

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

struct lane;

/* Part of what is posted. */
struct lane_event {
  void (*handle)(struct lane_event *event); /* by the main thread; frees it */
  struct lane_event *next;                  /* the lane's */
};

/* Starts the thread, which is named "tunnels-" and the number. `loop` is the main thread's, which
 * calls this. */
int lane_new(uv_loop_t *loop, unsigned number, struct lane **lane, struct error *error) MUST_CHECK;
/* Everything that lives there must have been closed, by visits; this waits until it has gone. What
 * was posted is handled before it returns. The rest is freed from the main loop. NULL is allowed.
 */
void lane_free(struct lane *lane);

uv_loop_t *lane_loop(struct lane *lane);

/* The main thread's visit, within which it may do whatever the lane's own callbacks may. Visits
 * nest. On the lane's own thread, and of a lane that is NULL, both do nothing. */
void lane_enter(struct lane *lane);
void lane_leave(struct lane *lane);

/* The caller is the lane's own thread, outside any visit: nothing of the main thread's may be
 * touched. */
bool lane_is_alone(const struct lane *lane);
/* Has the event handled by the main thread, after those that were posted before. */
void lane_post(struct lane *lane, struct lane_event *event);

#endif

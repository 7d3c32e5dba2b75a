/* Connections of nodes of whom NMS has said nothing yet: its push to us may be later than the
 * peer's first packet. They wait a little for their Route Direction, and are refused without one.
 */
#ifndef CYPHONIC_NODE_PARKED_H
#define CYPHONIC_NODE_PARKED_H

#include "node/link.h"

enum {
  PARKED_MAX = 64,       /* more are refused */
  PARKED_TIMEOUT = 3000, /* milliseconds */
};

/* Plain data: by the functions here. */
struct parked {
  uv_loop_t *loop;
  const struct log *log;
  struct parked_link {
    struct link *link;
    uint64_t since;   /* milliseconds of the loop */
  } item[PARKED_MAX]; /* oldest first */
  size_t count;
  uv_timer_t timer; /* of the oldest */
  void (*closed)(void *context);
  void *context;
};

void parked_init(struct parked *parked, uv_loop_t *loop, const struct log *log);
/* The links are the caller's to end. `closed` comes from the loop, and until then the memory must
 * stay. */
void parked_close(struct parked *parked, void (*closed)(void *context), void *context);

/* False: too many wait. */
bool parked_add(struct parked *parked, struct link *link) MUST_CHECK;
/* It ended by itself. One that does not wait is left alone. */
void parked_drop(struct parked *parked, const struct link *link);
/* The oldest that is fit; it waits no longer. NULL: none is. */
struct link *parked_take(struct parked *parked,
                         bool (*is_fit)(const struct link *link, const void *context),
                         const void *context);

#endif

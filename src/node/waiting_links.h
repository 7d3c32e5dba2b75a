/* Links that belong to no peer for a little while, each until its time is over: those that await
 * their Route Direction, and those that another took the place of. */
#ifndef CYPHONIC_NODE_WAITING_LINKS_H
#define CYPHONIC_NODE_WAITING_LINKS_H

#include "node/link.h"

enum { WAITING_LINKS_MAX = 64 };

/* Plain data: by the functions here. */
struct waiting_links {
  uint64_t limit; /* milliseconds */
  /* Its time is over, and it does not wait any more. */
  void (*expired)(struct link *link, void *context);
  void *context;
  struct waiting_link {
    struct link *link;
    uint64_t since;          /* milliseconds of the loop */
  } item[WAITING_LINKS_MAX]; /* oldest first */
  size_t count;
  uv_timer_t timer; /* of the oldest */
  void (*closed)(void *context);
};

void waiting_links_init(struct waiting_links *links, uv_loop_t *loop, uint64_t limit,
                        void (*expired)(struct link *link, void *context), void *context);
/* The links are the caller's to end. `closed` comes from the loop with the context of the others,
 * and until then the memory must stay. */
void waiting_links_close(struct waiting_links *links, void (*closed)(void *context));

/* False: too many wait. */
bool waiting_links_add(struct waiting_links *links, struct link *link) MUST_CHECK;
/* It ended by itself. One that does not wait is left alone. */
void waiting_links_drop(struct waiting_links *links, const struct link *link);
/* The oldest that is fit; it waits no longer. NULL: none is. */
struct link *waiting_links_take(struct waiting_links *links,
                                bool (*is_fit)(const struct link *link, const void *context),
                                const void *context);

#endif

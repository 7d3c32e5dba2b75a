/* Requests of nodes for a pair whose other node has not come yet. Each is answered when it has, or
 * refused when it is late. For trs/ alone. */
#ifndef CYPHONIC_TRS_WAITING_ROOM_H
#define CYPHONIC_TRS_WAITING_ROOM_H

#include <uv.h>

#include "control/control.h"
#include "trs/relay_table.h"

enum { WAITING_ROOM_MILLISECONDS = 5000 };

struct waiting_request;

/* Plain data to its owner; it does not move. */
struct waiting_room {
  uv_timer_t timer;
  struct waiting_request *requests; /* in the order of their deadlines */
};

/* Cannot fail. */
void waiting_room_init(struct waiting_room *room, uv_loop_t *loop);
/* Refuses all who wait; `closed` comes from the loop, with the timer's handle. */
void waiting_room_close(struct waiting_room *room, uv_close_cb closed);

/* Takes the exchange over, in any case. `asker` is whatever stands for who asked; the pair's
 * context becomes the room's, while somebody waits. */
void waiting_room_add(struct waiting_room *room, struct relay_pair *pair, const void *asker,
                      struct control_exchange *exchange);
/* The pair is bound: answers all who wait for it. */
void waiting_room_admit(struct waiting_room *room, struct relay_pair *pair);
/* Who asked is gone. */
void waiting_room_leave(struct waiting_room *room, const void *asker);

/* The answer to a RelayRequest whose pair is bound. */
void waiting_room_welcome(struct control_exchange *exchange);

#endif

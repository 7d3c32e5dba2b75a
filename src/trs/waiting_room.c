#include "trs/waiting_room.h"

#include <stdlib.h>
#include <utlist.h>

struct waiting_request {
  struct relay_pair *pair;
  const void *asker;
  struct control_exchange *exchange;
  uint64_t deadline; /* milliseconds of the loop's clock */
  struct waiting_request *prev, *next;
  struct waiting_request *pair_prev, *pair_next; /* those of the same pair */
};

static void expired(uv_timer_t *timer);

static void arm(struct waiting_room *room) {
  if (room->requests == NULL) {
    uv_timer_stop(&room->timer);
    return;
  }
  uint64_t now = uv_now(room->timer.loop), deadline = room->requests->deadline;
  uv_timer_start(&room->timer, expired, deadline > now ? deadline - now : 0, 0);
}

static struct control_exchange *take_out(struct waiting_room *room,
                                         struct waiting_request *request) {
  struct waiting_request *of_pair = relay_pair_context(request->pair);
  DL_DELETE2(of_pair, request, pair_prev, pair_next);
  relay_pair_set_context(request->pair, of_pair);
  DL_DELETE(room->requests, request);
  struct control_exchange *exchange = request->exchange;
  free(request);
  return exchange;
}

static void refuse_absent(struct control_exchange *exchange) {
  control_refuse(exchange, CYPHONIC__ERROR__CODE__PEER_ABSENT,
                 "the other node did not come to this TRS within %d s",
                 WAITING_ROOM_MILLISECONDS / 1000);
}

static void expired(uv_timer_t *timer) {
  struct waiting_room *room = timer->data;
  uint64_t now = uv_now(timer->loop);
  while (room->requests != NULL && room->requests->deadline <= now) {
    refuse_absent(take_out(room, room->requests));
  }
  arm(room);
}

void waiting_room_init(struct waiting_room *room, uv_loop_t *loop) {
  *room = (struct waiting_room){0};
  uv_timer_init(loop, &room->timer);
  room->timer.data = room;
}

void waiting_room_close(struct waiting_room *room, uv_close_cb closed) {
  while (room->requests != NULL) {
    refuse_absent(take_out(room, room->requests));
  }
  uv_close((uv_handle_t *)&room->timer, closed);
}

void waiting_room_add(struct waiting_room *room, struct relay_pair *pair, const void *asker,
                      struct control_exchange *exchange) {
  struct waiting_request *request = calloc(1, sizeof(*request));
  if (request == NULL) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNAVAILABLE, "this TRS is out of memory");
    return;
  }
  *request = (struct waiting_request){
      .pair = pair,
      .asker = asker,
      .exchange = exchange,
      .deadline = uv_now(room->timer.loop) + WAITING_ROOM_MILLISECONDS,
  };
  struct waiting_request *of_pair = relay_pair_context(pair);
  DL_APPEND2(of_pair, request, pair_prev, pair_next);
  relay_pair_set_context(pair, of_pair);
  DL_APPEND(room->requests, request);
  arm(room);
}

void waiting_room_admit(struct waiting_room *room, struct relay_pair *pair) {
  while (relay_pair_context(pair) != NULL) {
    waiting_room_welcome(take_out(room, relay_pair_context(pair)));
  }
  arm(room);
}

void waiting_room_leave(struct waiting_room *room, const void *asker) {
  struct waiting_request *request, *next;
  DL_FOREACH_SAFE(room->requests, request, next) {
    if (request->asker == asker) {
      refuse_absent(take_out(room, request));
    }
  }
  arm(room);
}

void waiting_room_welcome(struct control_exchange *exchange) {
  Cyphonic__RelayResponse response = CYPHONIC__RELAY_RESPONSE__INIT;
  Cyphonic__Message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_RELAY_RESPONSE;
  reply.relay_response = &response;
  control_reply(exchange, &reply);
}

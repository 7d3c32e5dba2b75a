#include "node/parked.h"

#include <string.h>

void parked_init(struct parked *parked, uv_loop_t *loop, const struct log *log) {
  *parked = (struct parked){.loop = loop, .log = log};
  uv_timer_init(loop, &parked->timer);
  parked->timer.data = parked;
}

static void timer_closed(uv_handle_t *handle) {
  struct parked *parked = handle->data;
  parked->closed(parked->context);
}

void parked_close(struct parked *parked, void (*closed)(void *context), void *context) {
  parked->count = 0;
  parked->closed = closed;
  parked->context = context;
  uv_close((uv_handle_t *)&parked->timer, timer_closed);
}

static struct link *take_at(struct parked *parked, size_t at) {
  struct link *link = parked->item[at].link;
  parked->count--;
  memmove(&parked->item[at], &parked->item[at + 1], (parked->count - at) * sizeof *parked->item);
  return link;
}

static void expire(uv_timer_t *timer);

static void arm(struct parked *parked) {
  if (parked->count == 0) {
    uv_timer_stop(&parked->timer);
    return;
  }
  uint64_t waited = uv_now(parked->loop) - parked->item[0].since;
  uv_timer_start(&parked->timer, expire, waited >= PARKED_TIMEOUT ? 0 : PARKED_TIMEOUT - waited, 0);
}

static void expire(uv_timer_t *timer) {
  struct parked *parked = timer->data;
  uint64_t now = uv_now(parked->loop);
  while (parked->count > 0 && now - parked->item[0].since >= PARKED_TIMEOUT) {
    struct link *link = take_at(parked, 0);
    log_info(parked->log, "tunnel-refused", "reason=\"no Route Direction allows it\"");
    link_refuse(link, LINK_CLOSE_NOT_DIRECTED, "no Route Direction allows this tunnel");
  }
  arm(parked);
}

bool parked_add(struct parked *parked, struct link *link) {
  if (parked->count == PARKED_MAX)
    return false;
  parked->item[parked->count++] = (struct parked_link){.link = link, .since = uv_now(parked->loop)};
  arm(parked);
  return true;
}

void parked_drop(struct parked *parked, const struct link *link) {
  for (size_t i = 0; i < parked->count; i++)
    if (parked->item[i].link == link) {
      take_at(parked, i);
      arm(parked);
      return;
    }
}

struct link *parked_take(struct parked *parked,
                         bool (*is_fit)(const struct link *link, const void *context),
                         const void *context) {
  for (size_t i = 0; i < parked->count; i++)
    if (is_fit(parked->item[i].link, context)) {
      struct link *link = take_at(parked, i);
      arm(parked);
      return link;
    }
  return NULL;
}

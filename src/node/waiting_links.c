#include "node/waiting_links.h"

#include <string.h>

void waiting_links_init(struct waiting_links *links, uv_loop_t *loop, uint64_t limit,
                        void (*expired)(struct link *link, void *context), void *context) {
  *links = (struct waiting_links){.limit = limit, .expired = expired, .context = context};
  uv_timer_init(loop, &links->timer);
  links->timer.data = links;
}

static void timer_closed(uv_handle_t *handle) {
  struct waiting_links *links = handle->data;
  links->closed(links->context);
}

void waiting_links_close(struct waiting_links *links, void (*closed)(void *context)) {
  links->count = 0;
  links->closed = closed;
  uv_close((uv_handle_t *)&links->timer, timer_closed);
}

static struct link *take_at(struct waiting_links *links, size_t at) {
  struct link *link = links->item[at].link;
  links->count--;
  memmove(&links->item[at], &links->item[at + 1], (links->count - at) * sizeof *links->item);
  return link;
}

static void expire(uv_timer_t *timer);

static void arm(struct waiting_links *links) {
  if (links->count == 0) {
    uv_timer_stop(&links->timer);
    return;
  }
  uint64_t waited = uv_now(links->timer.loop) - links->item[0].since;
  uv_timer_start(&links->timer, expire, waited >= links->limit ? 0 : links->limit - waited, 0);
}

static void expire(uv_timer_t *timer) {
  struct waiting_links *links = timer->data;
  uint64_t now = uv_now(timer->loop);
  while (links->count > 0 && now - links->item[0].since >= links->limit)
    links->expired(take_at(links, 0), links->context);
  arm(links);
}

bool waiting_links_add(struct waiting_links *links, struct link *link) {
  if (links->count == WAITING_LINKS_MAX)
    return false;
  links->item[links->count++] =
      (struct waiting_link){.link = link, .since = uv_now(links->timer.loop)};
  arm(links);
  return true;
}

void waiting_links_drop(struct waiting_links *links, const struct link *link) {
  for (size_t i = 0; i < links->count; i++)
    if (links->item[i].link == link) {
      take_at(links, i);
      arm(links);
      return;
    }
}

struct link *waiting_links_take(struct waiting_links *links,
                                bool (*is_fit)(const struct link *link, const void *context),
                                const void *context) {
  for (size_t i = 0; i < links->count; i++)
    if (is_fit(links->item[i].link, context)) {
      struct link *link = take_at(links, i);
      arm(links);
      return link;
    }
  return NULL;
}

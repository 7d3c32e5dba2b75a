#include "node/network_watch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "node/sleep.h"

struct network_watch {
  const struct log *log;
  struct netlink *netlink;
  struct netlink_monitor *monitor;
  uv_poll_t poll;
  uv_timer_t soon, settled, again;
  uint64_t looked;  /* milliseconds of the loop, when `changed` was called last */
  uint64_t spacing; /* milliseconds until it may be called again */
  unsigned looks;   /* since all was settled */
  unsigned open;    /* handles */
  unsigned except;
  struct sleep sleep;
  const struct network_handler *handler;
  void *context;
};

static void settled(uv_timer_t *timer) {
  struct network_watch *watch = timer->data;
  watch->spacing = 0;
  watch->looks = 0;
  watch->handler->settled(watch->context);
}

static void look(uv_timer_t *timer) {
  struct network_watch *watch = timer->data;
  watch->looked = uv_now(timer->loop);
  watch->spacing =
      watch->looks++ < NETWORK_CHANGE_EAGER ? NETWORK_CHANGE_SPACING : 2 * watch->spacing;
  if (watch->spacing > NETWORK_CHANGE_SPACING_LIMIT)
    watch->spacing = NETWORK_CHANGE_SPACING_LIMIT;
  uv_timer_start(&watch->settled, settled, NETWORK_CHANGE_SETTLED, 0);
  uint64_t slept = sleep_since(&watch->sleep, clock_boot(), clock_now()) / NANOSECONDS_PER_SECOND;
  if (slept > 0)
    watch->handler->woke(slept, watch->context);
  watch->handler->changed(watch->context);
}

static void readable(uv_poll_t *poll, UNUSED int status, UNUSED int events) {
  struct network_watch *watch = poll->data;
  bool changed = false;
  enum netlink_own own;
  struct error error = {0};
  if (netlink_monitor_read(watch->monitor, watch->except, &changed, &own, &error)) {
    log_warning(watch->log, "network-watch-failed", "error=\"%s\"", error.message);
    changed = true; /* better once too often than never again */
  }
  if (own != NETLINK_OWN_SAME)
    watch->handler->own_changed(own == NETLINK_OWN_UP, watch->context);
  if (!changed || uv_is_active((uv_handle_t *)&watch->soon))
    return;
  uint64_t since = uv_now(poll->loop) - watch->looked;
  uv_timer_start(&watch->soon, look, since < watch->spacing ? watch->spacing - since : 0, 0);
}

static void handle_closed(uv_handle_t *handle) {
  struct network_watch *watch = handle->data;
  if (--watch->open > 0)
    return;
  netlink_monitor_close(watch->monitor);
  netlink_close(watch->netlink);
  free(watch);
}

int network_watch_new(uv_loop_t *loop, const struct log *log, const struct network_handler *handler,
                      void *context, struct network_watch **out, struct error *error) {
  struct network_watch *watch = calloc(1, sizeof *watch);
  if (!watch)
    return error_set(error, ERROR_NO_MEMORY, "no memory to watch the network");
  watch->log = log;
  watch->handler = handler;
  watch->context = context;
  watch->sleep = sleep_begin(clock_boot(), clock_now());
  int code = netlink_open(&watch->netlink, error);
  if (code)
    goto no_netlink;
  code = netlink_monitor_open(&watch->monitor, error);
  if (code)
    goto no_monitor;
  int status = uv_poll_init(loop, &watch->poll, netlink_monitor_descriptor(watch->monitor));
  if (status) {
    code = error_set(error, ERROR_SYSTEM, "the network cannot be watched: %s", uv_strerror(status));
    goto no_poll;
  }
  uv_timer_init(loop, &watch->soon);
  uv_timer_init(loop, &watch->settled);
  uv_timer_init(loop, &watch->again);
  watch->poll.data = watch->soon.data = watch->settled.data = watch->again.data = watch;
  watch->open = 4;
  uv_poll_start(&watch->poll, UV_READABLE, readable);
  *out = watch;
  return 0;
no_poll:
  netlink_monitor_close(watch->monitor);
no_monitor:
  netlink_close(watch->netlink);
no_netlink:
  free(watch);
  return code;
}

void network_watch_close(struct network_watch *watch) {
  if (!watch)
    return;
  uv_close((uv_handle_t *)&watch->poll, handle_closed);
  uv_close((uv_handle_t *)&watch->soon, handle_closed);
  uv_close((uv_handle_t *)&watch->settled, handle_closed);
  uv_close((uv_handle_t *)&watch->again, handle_closed);
}

void network_watch_except(struct network_watch *watch, unsigned interface) {
  watch->except = interface;
}

unsigned network_watch_excepted(const struct network_watch *watch) {
  return watch->except;
}

void network_watch_look_again(struct network_watch *watch) {
  if (!uv_is_active((uv_handle_t *)&watch->again))
    uv_timer_start(&watch->again, look, NETWORK_LOOK_AGAIN, 0);
}

struct netlink *network_watch_netlink(const struct network_watch *watch) {
  return watch->netlink;
}

#include "node/network_watch.h"

#include <stdlib.h>

struct network_watch {
  const struct log *log;
  struct netlink *netlink;
  struct netlink_monitor *monitor;
  uv_poll_t poll;
  unsigned except;
  void (*changed)(void *context);
  void (*own_changed)(bool up, void *context);
  void *context;
};

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
    watch->own_changed(own == NETLINK_OWN_UP, watch->context);
  if (changed)
    watch->changed(watch->context);
}

static void poll_closed(uv_handle_t *handle) {
  struct network_watch *watch = handle->data;
  netlink_monitor_close(watch->monitor);
  netlink_close(watch->netlink);
  free(watch);
}

int network_watch_new(uv_loop_t *loop, const struct log *log, void (*changed)(void *context),
                      void (*own_changed)(bool up, void *context), void *context,
                      struct network_watch **out, struct error *error) {
  struct network_watch *watch = calloc(1, sizeof *watch);
  if (!watch)
    return error_set(error, ERROR_NO_MEMORY, "no memory to watch the network");
  watch->log = log;
  watch->changed = changed;
  watch->own_changed = own_changed;
  watch->context = context;
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
  watch->poll.data = watch;
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
  if (watch)
    uv_close((uv_handle_t *)&watch->poll, poll_closed);
}

void network_watch_except(struct network_watch *watch, unsigned interface) {
  watch->except = interface;
}

unsigned network_watch_excepted(const struct network_watch *watch) {
  return watch->except;
}

struct netlink *network_watch_netlink(const struct network_watch *watch) {
  return watch->netlink;
}

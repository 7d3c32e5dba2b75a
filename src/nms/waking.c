#include "nms/waking.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Of a device; without a Connection ID it has none any more. */
struct change {
  int64_t device_id;
  struct store_connection connection;
  UT_hash_handle hh;
};

struct waking {
  struct quic_endpoint *endpoint;
  struct store *store;
  const struct log *log;
  uv_timer_t telling, writing;
  unsigned open;                        /* timers */
  struct store_connection *connections; /* to be told; NULL when all are */
  size_t count, capacity, told;
  struct change *changes; /* by device, not yet written */
};

/* --- who is told --- */

static int remember(const struct store_connection *connection, void *context) {
  struct waking *waking = context;
  if (waking->count == waking->capacity) {
    size_t capacity = waking->capacity > 0 ? 2 * waking->capacity : WAKING_BATCH;
    void *grown = realloc(waking->connections, capacity * sizeof(*waking->connections));
    if (grown == NULL) {
      return ERROR_NO_MEMORY;
    }
    waking->connections = grown;
    waking->capacity = capacity;
  }
  waking->connections[waking->count++] = *connection;
  return 0;
}

static void tell_some(uv_timer_t *timer) {
  struct waking *waking = timer->data;
  for (size_t i = 0; i < WAKING_BATCH && waking->told < waking->count; i++) {
    const struct store_connection *connection = &waking->connections[waking->told++];
    quic_endpoint_reset(waking->endpoint, &connection->remote, connection->id, connection->id_size);
  }
  if (waking->told == waking->count) {
    uv_timer_stop(timer);
    free(waking->connections);
    waking->connections = NULL;
  }
}

/* --- what is remembered --- */

static int write_one(struct waking *waking, const struct change *change, struct error *error) {
  return change->connection.id_size > 0
             ? store_connection_put(waking->store, change->device_id, &change->connection, error)
             : store_connection_remove(waking->store, change->device_id, error);
}

/* In a transaction that has been begun. */
static int write_all(struct waking *waking, struct error *error) {
  int code = 0;
  for (struct change *change = waking->changes; change != NULL && code == 0;
       change = change->hh.next) {
    code = write_one(waking, change, error);
  }
  if (code == 0) {
    code = store_commit(waking->store, error);
  } else {
    store_rollback(waking->store);
  }
  return code;
}

static void forget_changes(struct waking *waking) {
  struct change *change, *next;
  HASH_ITER(hh, waking->changes, change, next) {
    HASH_DEL(waking->changes, change);
    free(change);
  }
}

static void time_to_write(uv_timer_t *timer);

void waking_write(struct waking *waking) {
  struct error error = {0};
  uv_timer_stop(&waking->writing);
  if (waking->changes == NULL) {
    return;
  }
  int code = store_try_begin(waking->store, &error);
  if (code == ERROR_AGAIN) {
    uv_timer_start(&waking->writing, time_to_write, WAKING_RETRY_DELAY, 0);
    return;
  }
  if (code == 0) {
    code = write_all(waking, &error);
  }
  if (code != 0) {
    log_warning(waking->log, "connections-not-recorded", "cause=\"%s\"", error.message);
  }
  forget_changes(waking);
}

static void time_to_write(uv_timer_t *timer) {
  waking_write(timer->data);
}

static struct change *change_of(struct waking *waking, int64_t device_id) {
  struct change *change;
  HASH_FIND(hh, waking->changes, &device_id, sizeof(device_id), change);
  if (change != NULL) {
    return change;
  }
  change = calloc(1, sizeof(*change));
  if (change == NULL) {
    return NULL; /* that device finds out by itself */
  }
  change->device_id = device_id;
  HASH_ADD(hh, waking->changes, device_id, sizeof(change->device_id), change);
  if (!uv_is_active((uv_handle_t *)&waking->writing)) {
    uv_timer_start(&waking->writing, time_to_write, WAKING_WRITE_DELAY, 0);
  }
  return change;
}

void waking_note(struct waking *waking, int64_t device_id,
                 const struct store_connection *connection) {
  struct change *change = change_of(waking, device_id);
  if (change != NULL) {
    change->connection = *connection;
  }
}

void waking_forget(struct waking *waking, int64_t device_id) {
  struct change *change = change_of(waking, device_id);
  if (change != NULL) {
    change->connection = (struct store_connection){0};
  }
}

/* --- life --- */

struct waking *waking_new(struct quic_endpoint *endpoint, struct store *store,
                          const struct log *log) {
  struct error error = {0};
  struct waking *waking = calloc(1, sizeof(*waking));
  if (waking == NULL) {
    return NULL;
  }
  waking->endpoint = endpoint;
  waking->store = store;
  waking->log = log;
  uv_loop_t *loop = quic_endpoint_loop(endpoint);
  uv_timer_init(loop, &waking->telling);
  uv_timer_init(loop, &waking->writing);
  waking->telling.data = waking->writing.data = waking;
  waking->open = 2;
  if (store_connections_take(store, remember, waking, &error) != 0) {
    log_warning(log, "nodes-not-told", "cause=\"%s\"", error.message);
  }
  if (waking->count > 0) {
    log_info(log, "telling-nodes", "connections=%zu", waking->count);
    uv_timer_start(&waking->telling, tell_some, 0, WAKING_INTERVAL);
  }
  return waking;
}

static void timer_closed(uv_handle_t *handle) {
  struct waking *waking = handle->data;
  if (--waking->open == 0) {
    free(waking->connections);
    free(waking);
  }
}

void waking_free(struct waking *waking) {
  if (waking == NULL) {
    return;
  }
  struct error error = {0};
  forget_changes(waking);
  if (store_connections_clear(waking->store, &error) != 0) {
    log_warning(waking->log, "connections-not-forgotten", "cause=\"%s\"", error.message);
  }
  uv_close((uv_handle_t *)&waking->telling, timer_closed);
  uv_close((uv_handle_t *)&waking->writing, timer_closed);
}

#include "node/cloud.h"

#include <stdlib.h>

#include "base/random.h"
#include "node/backoff.h"

enum { RETRY_FIRST = 500, RETRY_LIMIT = 30000 /* milliseconds */ };

struct cloud {
  struct dial_target target;
  const struct cloud_handler *handler;
  void *context;
  struct service_addresses addresses;
  struct dial *dial;
  struct quic_connection *connection;
  struct control *control;
  uv_timer_t timer; /* the wait before the next attempt */
  struct backoff backoff;
  bool started, restarting, closing;
  bool timer_closed;
};

static void attempt(struct cloud *cloud);

static void free_when_over(struct cloud *cloud) {
  if (cloud->timer_closed && !cloud->connection)
    free(cloud);
}

static void timer_closed(uv_handle_t *handle) {
  struct cloud *cloud = handle->data;
  cloud->timer_closed = true;
  free_when_over(cloud);
}

static void wait_over(uv_timer_t *timer) {
  attempt(timer->data);
}

static void wait_then_attempt(struct cloud *cloud) {
  uint32_t random;
  random_bytes(&random, sizeof random);
  uint64_t wait = backoff_next(&cloud->backoff, random);
  log_debug(cloud->target.log, "cloud-wait", "alpn=%s milliseconds=%llu", cloud->target.alpn,
            (unsigned long long)wait);
  uv_timer_start(&cloud->timer, wait_over, wait, 0);
}

/* --- the connection --- */

static void on_request(UNUSED struct control *control, struct control_exchange *exchange,
                       const control_message *message, void *context) {
  struct cloud *cloud = context;
  cloud->handler->request(cloud, exchange, message, cloud->context);
}

static const struct control_handler control_handler = {.request = on_request};

static void on_closed(UNUSED struct quic_connection *connection, const struct quic_close *close,
                      void *context) {
  struct cloud *cloud = context;
  cloud->connection = NULL;
  if (cloud->control) {
    struct control *control = cloud->control;
    cloud->control = NULL;
    control_free(control);
  }
  if (cloud->closing) {
    free_when_over(cloud);
    return;
  }
  struct error error = {0};
  error_set(&error, close->code == ERROR_NONE ? ERROR_CLOSED : close->code, "%s", close->message);
  bool restarting = cloud->restarting;
  cloud->restarting = false;
  cloud->handler->lost(cloud, &error, cloud->context);
  if (cloud->closing || cloud->dial || cloud->connection)
    return;
  if (restarting)
    attempt(cloud);
  else
    wait_then_attempt(cloud);
}

static void on_migrated(UNUSED struct quic_connection *connection, UNUSED bool success,
                        void *context) {
  struct cloud *cloud = context;
  if (!cloud->closing)
    cloud->handler->moved(cloud, cloud->context);
}

static const struct quic_handler connection_handler = {.closed = on_closed,
                                                       .migrated = on_migrated};

static void dialled(int code, struct quic_connection *connection, const struct error *error,
                    void *context) {
  struct cloud *cloud = context;
  cloud->dial = NULL;
  if (code) {
    wait_then_attempt(cloud); /* first: the handler may want to hurry or restart */
    cloud->handler->failed(cloud, error, cloud->context);
    return;
  }
  cloud->connection = connection;
  quic_connection_set_handler(connection, &connection_handler, cloud);
  cloud->control = control_new(connection, &control_handler, cloud);
  if (!cloud->control) {
    quic_connection_close(connection, 0, "no memory");
    return;
  }
  cloud->handler->connected(cloud, cloud->context);
}

static void attempt(struct cloud *cloud) {
  uv_timer_stop(&cloud->timer);
  struct error error = {0};
  if (dial_start(&cloud->target, &cloud->addresses, dialled, cloud, &cloud->dial, &error)) {
    cloud->dial = NULL;
    wait_then_attempt(cloud);
    cloud->handler->failed(cloud, &error, cloud->context);
  }
}

/* --- the owner's side --- */

int cloud_new(const struct dial_target *target, const struct cloud_handler *handler, void *context,
              struct cloud **out, struct error *error) {
  struct cloud *cloud = calloc(1, sizeof *cloud);
  if (!cloud)
    return error_set(error, ERROR_NO_MEMORY, "no memory for a connection to the cloud");
  cloud->target = *target;
  cloud->handler = handler;
  cloud->context = context;
  cloud->backoff = (struct backoff){.first = RETRY_FIRST, .limit = RETRY_LIMIT};
  uv_timer_init(target->loop, &cloud->timer);
  cloud->timer.data = cloud;
  *out = cloud;
  return 0;
}

void cloud_close(struct cloud *cloud) {
  if (!cloud)
    return;
  cloud->closing = true;
  if (cloud->dial)
    dial_cancel(cloud->dial, NULL, NULL);
  cloud->dial = NULL;
  struct control *control = cloud->control;
  cloud->control = NULL;
  if (control)
    control_free(control);
  if (cloud->connection)
    quic_connection_close(cloud->connection, 0, "the node leaves");
  uv_close((uv_handle_t *)&cloud->timer, timer_closed);
}

void cloud_start(struct cloud *cloud, const struct service_addresses *addresses) {
  cloud->addresses = *addresses;
  if (cloud->started)
    return;
  cloud->started = true;
  attempt(cloud);
}

void cloud_restart(struct cloud *cloud) {
  if (!cloud->started || cloud->closing)
    return;
  backoff_reset(&cloud->backoff);
  if (cloud->connection) {
    cloud->restarting = true;
    quic_connection_close(cloud->connection, 0, "the network changed");
    return;
  }
  if (cloud->dial)
    dial_cancel(cloud->dial, NULL, NULL);
  cloud->dial = NULL;
  attempt(cloud);
}

void cloud_hurry(struct cloud *cloud) {
  if (cloud->started && !cloud->closing && uv_is_active((uv_handle_t *)&cloud->timer))
    attempt(cloud);
}

void cloud_retry(struct cloud *cloud, const char *reason) {
  if (cloud->connection)
    quic_connection_close(cloud->connection, 0, reason);
}

void cloud_settled(struct cloud *cloud) {
  backoff_reset(&cloud->backoff);
}

struct control *cloud_control(const struct cloud *cloud) {
  return cloud->control;
}

struct quic_connection *cloud_connection(const struct cloud *cloud) {
  return cloud->connection;
}

#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/node_internal.h"

enum {
  UP_TIMEOUT = 10000, /* milliseconds after which who waits is told; the node goes on trying */
  START_RETRY = 5000, /* after a start that the system did not allow, such as without sockets */
};

/* --- who watches --- */

struct status_source node_status_source(const struct node *node) {
  uint16_t port = 0;
  if (node->endpoint) {
    port = quic_endpoint_port(node->endpoint, 6);
    if (port == 0)
      port = quic_endpoint_port(node->endpoint, 4);
  }
  return (struct status_source){
      .state = node->has_joined ? &node->state : NULL,
      .identity = node->run ? &node->identity : NULL,
      .run = node->run,
      .warnings = &node->warnings,
      .port = port,
  };
}

static void tell_node(struct node *node) {
  struct status_source source = node_status_source(node);
  event_node(&node->watchers, &source);
}

void node_observe(struct node *node, node_observer observer, void *context) {
  event_sink_clear(&node->watchers);
  node->watchers = (struct event_sink){.observer = observer, .context = context};
}

void node_tell(struct node *node, node_observer observer, void *context) {
  struct status_source source = node_status_source(node);
  struct event_sink sink = {.observer = observer, .context = context};
  event_all(&sink, &source);
}

/* --- who waits --- */

bool node_waiter_add(struct waiter **list, node_callback callback, void *context, bool joined) {
  struct waiter *waiter = calloc(1, sizeof *waiter);
  struct error error = {0};
  if (!waiter) {
    error_set(&error, ERROR_NO_MEMORY, "no memory to wait for the node");
    callback(ERROR_NO_MEMORY, &error, context);
    return false;
  }
  *waiter = (struct waiter){.callback = callback, .context = context, .joined = joined};
  while (*list)
    list = &(*list)->next;
  *list = waiter;
  return true;
}

void node_waiters_call(struct node *node, struct waiter **list, int code,
                       const struct error *error) {
  struct waiter *due = *list;
  *list = NULL;
  while (due) {
    struct waiter *waiter = due;
    due = due->next;
    struct error told = code ? *error : (struct error){0};
    if (code && waiter->joined && node->has_joined)
      error_prefix(&told, "this node has joined as %s, but: ", node->state.fqdn);
    waiter->callback(code, code ? &told : NULL, waiter->context);
    free(waiter);
  }
}

void node_up_failed(struct node *node, const struct error *error) {
  uv_timer_stop(&node->up_timer);
  node_waiters_call(node, &node->waiters_up, error->code, error);
}

static void up_timed_out(uv_timer_t *timer) {
  struct node *node = timer->data;
  struct error error = {0};
  error_set(&error, ERROR_TIMEOUT, "not registered within %d seconds (still trying)%s%.350s",
            UP_TIMEOUT / 1000, node->failure.message[0] != '\0' ? ": " : "", node->failure.message);
  node_up_failed(node, &error);
}

void node_await_up(struct node *node) {
  uv_timer_start(&node->up_timer, up_timed_out, UP_TIMEOUT, 0);
}

/* --- the run's events --- */

static void on_registered(void *context) {
  struct node *node = context;
  node->failure = (struct error){0};
  uv_timer_stop(&node->up_timer);
  tell_node(node);
  node_waiters_call(node, &node->waiters_up, 0, NULL);
}

/* No waiting mends a certificate; the node goes on trying all the same, since a clock may be set.
 */
static void on_failed(const struct error *error, bool permanent, void *context) {
  struct node *node = context;
  node->failure = *error;
  tell_node(node);
  if (permanent || error->code == ERROR_EXPIRED || error->code == ERROR_CERTIFICATE)
    node_up_failed(node, &node->failure);
}

static void on_peer(const struct peer *peer, enum peer_news news, void *context) {
  struct node *node = context;
  event_peer(&node->watchers, peer, news);
}

static const struct run_handler run_handler = {
    .registered = on_registered, .failed = on_failed, .peer = on_peer};

/* --- starting and stopping --- */

static int open_endpoint(struct node *node, const struct quic_endpoint_config *config,
                         struct error *error) {
  if (node->config.threads == 0)
    return quic_endpoint_new(config, &node->endpoint, error);
  int code = lanes_new(node->config.threads, config, &node->lanes, error);
  if (code)
    node->lanes = NULL;
  else
    node->endpoint = lanes_main_endpoint(node->lanes);
  return code;
}

int node_endpoint_open(struct node *node, struct error *error) {
  if (node->endpoint)
    return 0;
  uint8_t secret[STATE_SECRET_SIZE];
  int code = state_secret(node->state_folder, secret, error);
  if (code)
    return code;
  struct quic_endpoint_config config = {
      .loop = node->config.loop,
      .log = node->config.log,
      .port = node->config.port,
      .secret = secret,
      .qlog_folder = node->qlog_folder,
  };
  struct error fault = {0};
  code = open_endpoint(node, &config, &fault);
  if (code && config.port != 0) {
    log_info(node->config.log, "port-taken", "port=%u text=\"any port is used\" error=\"%s\"",
             config.port, fault.message);
    config.port = 0;
    code = open_endpoint(node, &config, &fault);
  }
  explicit_bzero(secret, sizeof secret);
  if (code) {
    node->endpoint = NULL;
    *error = fault;
  }
  return code;
}

void node_netcheck_end(struct node *node, int code, json_t *report, const struct error *error) {
  node->netcheck = NULL;
  node->checker(code, report, error, node->checker_context);
}

static void netcheck_stop(struct node *node) {
  if (!node->netcheck)
    return;
  struct error error = {0};
  error_set(&error, ERROR_CLOSED, "the node goes down");
  netcheck_cancel(node->netcheck);
  node_netcheck_end(node, ERROR_CLOSED, NULL, &error);
}

static void on_stopped(void *context);

void node_stop(struct node *node) {
  if (node->stopping)
    return;
  node->stopping = true;
  netcheck_stop(node);
  run_close(node->run);
  node->run = NULL;
  tell_node(node);
  struct quic_endpoint *endpoint = node->endpoint;
  lanes_close(node->lanes);
  node->lanes = NULL;
  node->endpoint = NULL;
  if (endpoint)
    quic_endpoint_close(endpoint, on_stopped, node);
  else
    on_stopped(node);
}

static int start(struct node *node, struct error *error) {
  int code =
      state_identity_load(node->state_folder, &node->state, clock_wall(), &node->identity, error);
  if (code)
    return code;
  code = node_endpoint_open(node, error);
  if (code)
    return code;
  struct run_config config = {
      .node = &node->config,
      .endpoint = node->endpoint,
      .lanes = node->lanes,
      .state = &node->state,
      .identity = &node->identity,
      .warnings = &node->warnings,
  };
  code = run_new(&config, &run_handler, node, &node->run, error);
  if (code)
    node->run = NULL;
  return code;
}

static void start_over(uv_timer_t *timer);

void node_start(struct node *node) {
  uv_timer_stop(&node->start_timer);
  if (node->run)
    return;
  node->start_again = node->stopping;
  if (node->stopping)
    return;
  struct error error = {0};
  int code = start(node, &error);
  tell_node(node);
  if (!code)
    return;
  log_error(node->config.log, "start-failed", "error=\"%s\"", error.message);
  node->failure = error;
  node_stop(node);
  if (code == ERROR_SYSTEM || code == ERROR_UNREACHABLE || code == ERROR_NO_MEMORY)
    uv_timer_start(&node->start_timer, start_over, START_RETRY, 0);
  node_up_failed(node, &error);
}

static void start_over(uv_timer_t *timer) {
  node_start(timer->data);
}

static void finish_close(struct node *node);

static void on_stopped(void *context) {
  struct node *node = context;
  node->stopping = false;
  state_identity_clear(&node->identity);
  node_waiters_call(node, &node->waiters_down, 0, NULL);
  if (node->closing) {
    finish_close(node);
  } else if (node->start_again) {
    node->start_again = false;
    node_start(node);
  }
}

void node_want(struct node *node, bool up) {
  if (node->state.wanted_up == up)
    return;
  node->state.wanted_up = up;
  struct error error = {0};
  if (state_save(node->state_folder, &node->state, &error))
    warnings_set(&node->warnings, WARNING_STATE, "that the node is to be %s cannot be kept: %s",
                 up ? "up" : "down", error.message);
  else
    warnings_clear(&node->warnings, WARNING_STATE);
}

/* --- life --- */

static void strings_free(struct node *node) {
  free(node->state_folder);
  free(node->interface_name);
  free(node->qlog_folder);
}

static int strings_copy(struct node *node, const struct node_config *config, struct error *error) {
  node->state_folder = strdup(config->state_folder);
  node->interface_name = strdup(config->interface_name);
  node->qlog_folder = config->qlog_folder ? strdup(config->qlog_folder) : NULL;
  if (!node->state_folder || !node->interface_name || (config->qlog_folder && !node->qlog_folder))
    return error_set(error, ERROR_NO_MEMORY, "no memory for a node");
  node->config.state_folder = node->state_folder;
  node->config.interface_name = node->interface_name;
  node->config.qlog_folder = node->qlog_folder;
  return 0;
}

static void timer_open(struct node *node, uv_timer_t *timer) {
  uv_timer_init(node->config.loop, timer);
  timer->data = node;
  node->timers_open++;
}

int node_new(const struct node_config *config, struct node **out, struct error *error) {
  struct node *node = calloc(1, sizeof *node);
  if (!node)
    return error_set(error, ERROR_NO_MEMORY, "no memory for a node");
  node->config = *config;
  node->warnings.log = config->log;
  int code = strings_copy(node, config, error);
  if (!code) {
    struct error fault = {0};
    code = state_load(node->state_folder, &node->state, &fault);
    node->has_joined = !code;
    if (code == ERROR_NOT_FOUND)
      code = 0;
    else if (code && error)
      *error = fault;
  }
  if (code) {
    strings_free(node);
    free(node);
    return code;
  }
  timer_open(node, &node->up_timer);
  timer_open(node, &node->start_timer);
  if (node->has_joined && node->state.wanted_up)
    uv_timer_start(&node->start_timer, start_over, 0, 0);
  *out = node;
  return 0;
}

static void timer_closed(uv_handle_t *handle) {
  struct node *node = handle->data;
  if (--node->timers_open > 0)
    return;
  void (*closed)(void *context) = node->closed;
  void *context = node->closed_context;
  event_sink_clear(&node->watchers);
  strings_free(node);
  free(node);
  if (closed)
    closed(context);
}

/* The timers close one turn of the loop after the rest, which so has gone before `done` is told. */
static void finish_close(struct node *node) {
  uv_close((uv_handle_t *)&node->up_timer, timer_closed);
  uv_close((uv_handle_t *)&node->start_timer, timer_closed);
}

void node_join_end(struct node *node, int code, const struct error *error) {
  struct waiter *joiner = node->joiner;
  node->joiner = NULL;
  node_waiters_call(node, &joiner, code, error);
}

void node_close(struct node *node, void (*done)(void *context), void *context) {
  node->closing = true;
  node->closed = done;
  node->closed_context = context;
  uv_timer_stop(&node->start_timer);
  struct error error = {0};
  error_set(&error, ERROR_CLOSED, "the daemon stops");
  if (node->sign_up)
    sign_up_cancel(node->sign_up);
  node->sign_up = NULL;
  node_join_end(node, ERROR_CLOSED, &error);
  node_up_failed(node, &error);
  node_stop(node);
}

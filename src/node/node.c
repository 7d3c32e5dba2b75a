#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "node/device.h"
#include "node/event.h"
#include "node/netcheck.h"
#include "node/ping.h"
#include "node/run.h"
#include "node/sign_up.h"
#include "node/status.h"

enum {
  UP_TIMEOUT = 10000, /* milliseconds after which who waits is told; the node goes on trying */
  START_RETRY = 5000, /* after a start that the system did not allow, such as without sockets */
};

struct waiter {
  node_callback callback;
  void *context;
  bool joined; /* it asked to join, and hears that this worked even if registering did not */
  struct waiter *next;
};

struct node {
  struct node_config config;
  char *state_folder, *interface_name, *qlog_folder;
  bool has_joined;
  struct node_state state;
  struct node_identity identity;
  struct warnings warnings;
  struct quic_endpoint *endpoint; /* from the first start or join until the node goes down */
  bool stopping;                  /* the endpoint closes */
  bool start_again;               /* told to go up meanwhile */
  struct run *run;
  struct sign_up *sign_up;
  struct waiter *joiner; /* while sign-up goes on */
  struct waiter *waiters_up, *waiters_down;
  struct netcheck *netcheck;
  node_netcheck_callback checker; /* while the netcheck goes on */
  void *checker_context;
  struct error failure; /* why it is not registered */
  struct event_sink watchers;
  uv_timer_t up_timer, start_timer;
  unsigned timers_open;
  bool closing;
  void (*closed)(void *context);
  void *closed_context;
};

/* --- who watches --- */

static struct status_source status_source(const struct node *node) {
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
  struct status_source source = status_source(node);
  event_node(&node->watchers, &source);
}

void node_observe(struct node *node, node_observer observer, void *context) {
  event_sink_clear(&node->watchers);
  node->watchers = (struct event_sink){.observer = observer, .context = context};
}

void node_tell(struct node *node, node_observer observer, void *context) {
  struct status_source source = status_source(node);
  struct event_sink sink = {.observer = observer, .context = context};
  event_all(&sink, &source);
}

/* --- who waits --- */

static bool waiter_add(struct waiter **list, node_callback callback, void *context, bool joined) {
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

static void waiters_call(struct node *node, struct waiter **list, int code,
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

static void up_failed(struct node *node, const struct error *error) {
  uv_timer_stop(&node->up_timer);
  waiters_call(node, &node->waiters_up, error->code, error);
}

static void up_timed_out(uv_timer_t *timer) {
  struct node *node = timer->data;
  struct error error = {0};
  error_set(&error, ERROR_TIMEOUT, "not registered within %d seconds (still trying)%s%.350s",
            UP_TIMEOUT / 1000, node->failure.message[0] != '\0' ? ": " : "", node->failure.message);
  up_failed(node, &error);
}

/* --- the run's events --- */

static void on_registered(void *context) {
  struct node *node = context;
  node->failure = (struct error){0};
  uv_timer_stop(&node->up_timer);
  tell_node(node);
  waiters_call(node, &node->waiters_up, 0, NULL);
}

/* No waiting mends a certificate; the node goes on trying all the same, since a clock may be set.
 */
static void on_failed(const struct error *error, bool permanent, void *context) {
  struct node *node = context;
  node->failure = *error;
  tell_node(node);
  if (permanent || error->code == ERROR_EXPIRED || error->code == ERROR_CERTIFICATE)
    up_failed(node, &node->failure);
}

static void on_peer(const struct peer *peer, enum peer_news news, void *context) {
  struct node *node = context;
  event_peer(&node->watchers, peer, news);
}

static const struct run_handler run_handler = {
    .registered = on_registered, .failed = on_failed, .peer = on_peer};

/* --- starting and stopping --- */

static int endpoint_open(struct node *node, struct error *error) {
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
  code = quic_endpoint_new(&config, &node->endpoint, &fault);
  if (code && config.port != 0) {
    log_info(node->config.log, "port-taken", "port=%u text=\"any port is used\" error=\"%s\"",
             config.port, fault.message);
    config.port = 0;
    code = quic_endpoint_new(&config, &node->endpoint, &fault);
  }
  explicit_bzero(secret, sizeof secret);
  if (code) {
    node->endpoint = NULL;
    *error = fault;
  }
  return code;
}

static void netcheck_end(struct node *node, int code, json_t *report, const struct error *error) {
  node->netcheck = NULL;
  node->checker(code, report, error, node->checker_context);
}

static void netcheck_stop(struct node *node) {
  if (!node->netcheck)
    return;
  struct error error = {0};
  error_set(&error, ERROR_CLOSED, "the node goes down");
  netcheck_cancel(node->netcheck);
  netcheck_end(node, ERROR_CLOSED, NULL, &error);
}

static void on_stopped(void *context);

/* Everything of a node that is up, or of a join, goes; on_stopped comes from the loop or at once.
 */
static void stop(struct node *node) {
  if (node->stopping)
    return;
  node->stopping = true;
  netcheck_stop(node);
  run_close(node->run);
  node->run = NULL;
  tell_node(node);
  struct quic_endpoint *endpoint = node->endpoint;
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
  code = endpoint_open(node, error);
  if (code)
    return code;
  struct run_config config = {
      .node = &node->config,
      .endpoint = node->endpoint,
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

/* Tells who waits if it fails; what the system may allow later is tried again. */
static void start_now(struct node *node) {
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
  stop(node);
  if (code == ERROR_SYSTEM || code == ERROR_UNREACHABLE || code == ERROR_NO_MEMORY)
    uv_timer_start(&node->start_timer, start_over, START_RETRY, 0);
  up_failed(node, &error);
}

static void start_over(uv_timer_t *timer) {
  start_now(timer->data);
}

static void finish_close(struct node *node);

static void on_stopped(void *context) {
  struct node *node = context;
  node->stopping = false;
  state_identity_clear(&node->identity);
  waiters_call(node, &node->waiters_down, 0, NULL);
  if (node->closing) {
    finish_close(node);
  } else if (node->start_again) {
    node->start_again = false;
    start_now(node);
  }
}

/* Remembers over restarts whether the node is to be up. */
static void want(struct node *node, bool up) {
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

static void join_end(struct node *node, int code, const struct error *error) {
  struct waiter *joiner = node->joiner;
  node->joiner = NULL;
  waiters_call(node, &joiner, code, error);
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
  join_end(node, ERROR_CLOSED, &error);
  up_failed(node, &error);
  stop(node);
}

/* --- verbs --- */

/* Common to what needs a node that has joined; tells the fault. */
static int check_joined(const struct node *node, struct error *error) {
  if (node->closing)
    return error_set(error, ERROR_CLOSED, "the daemon stops");
  if (!node->has_joined)
    return error_set(error, ERROR_NOT_FOUND,
                     "this node has not joined a network: run 'cyphonic join INVITATION'");
  return 0;
}

static int check_up(const struct node *node, struct error *error) {
  int code = check_joined(node, error);
  if (!code && !node->run)
    code = error_set(error, ERROR_CLOSED, "the node is down: run 'cyphonic up'");
  return code;
}

void node_up(struct node *node, node_callback callback, void *context) {
  struct error error = {0};
  int code = check_joined(node, &error);
  if (code) {
    callback(code, &error, context);
    return;
  }
  want(node, true);
  if (node->run && run_is_registered(node->run)) {
    callback(0, NULL, context);
    return;
  }
  if (!waiter_add(&node->waiters_up, callback, context, false))
    return;
  uv_timer_start(&node->up_timer, up_timed_out, UP_TIMEOUT, 0);
  start_now(node);
}

void node_down(struct node *node, node_callback callback, void *context) {
  struct error error = {0};
  int code = check_joined(node, &error);
  if (code) {
    callback(code, &error, context);
    return;
  }
  want(node, false);
  uv_timer_stop(&node->start_timer);
  node->start_again = false;
  if (!waiter_add(&node->waiters_down, callback, context, false))
    return;
  error_set(&error, ERROR_CLOSED, "the node was told to go down");
  up_failed(node, &error);
  stop(node);
}

static void signed_up(int code, const struct error *error, void *context) {
  struct node *node = context;
  struct error fault = {0};
  node->sign_up = NULL;
  if (!code)
    code = state_load(node->state_folder, &node->state, &fault);
  else
    fault = *error;
  if (code) {
    /* The endpoint stays for another attempt, which so need not wait for this one's end. */
    join_end(node, code, &fault);
    return;
  }
  node->has_joined = true;
  log_info(node->config.log, "joined", "fqdn=%s", node->state.fqdn);
  node->waiters_up = node->joiner;
  node->joiner = NULL;
  uv_timer_start(&node->up_timer, up_timed_out, UP_TIMEOUT, 0);
  start_now(node);
}

static int join_begin(struct node *node, const char *text, const char *name, struct error *error) {
  struct invitation invitation;
  char label[LABEL_SIZE];
  struct device device;
  device_describe(&device);
  int code;
  (void)((code = invitation_parse(text, &invitation, error)) ||
         (code = name ? fqdn_label(name, label, error)
                      : fqdn_label_from_host(device.host, label, error)) ||
         (code = file_make_folder(node->state_folder, 0700, error)) ||
         (code = endpoint_open(node, error)));
  if (!code) {
    struct sign_up_config config = {
        .loop = node->config.loop,
        .log = node->config.log,
        .endpoint = node->endpoint,
        .state_folder = node->state_folder,
        .invitation = &invitation,
        .name = label,
    };
    code = sign_up_start(&config, signed_up, node, &node->sign_up, error);
  }
  explicit_bzero(&invitation, sizeof invitation);
  if (code)
    node->sign_up = NULL;
  return code;
}

void node_join(struct node *node, const char *invitation, const char *name, node_callback callback,
               void *context) {
  struct error error = {0};
  int code = 0;
  if (node->closing)
    code = error_set(&error, ERROR_CLOSED, "the daemon stops");
  else if (node->has_joined)
    code = error_set(&error, ERROR_EXISTS, "this node has joined already, as %s", node->state.fqdn);
  else if (node->sign_up)
    code = error_set(&error, ERROR_EXISTS, "a join is under way");
  if (code) {
    callback(code, &error, context);
    return;
  }
  if (!waiter_add(&node->joiner, callback, context, true))
    return;
  code = join_begin(node, invitation, name, &error);
  if (code)
    join_end(node, code, &error);
}

json_t *node_status(struct node *node) {
  struct status_source source = status_source(node);
  return status_json(&source);
}

void node_resolve(struct node *node, const char *name, node_resolve_callback callback,
                  void *context) {
  struct error error = {0};
  int code = check_up(node, &error);
  if (code)
    callback(code, NULL, &error, context);
  else
    names_resolve(run_names(node->run), name, callback, context);
}

void node_ping(struct node *node, const char *name, node_ping_callback callback, void *context) {
  struct error error = {0};
  int code = check_up(node, &error);
  if (code)
    callback(code, NULL, &error, context);
  else
    ping_start(run_names(node->run), name, callback, context);
}

static void on_checked(json_t *report, void *context) {
  struct node *node = context;
  struct error error = {0};
  int code = report ? 0 : error_set(&error, ERROR_NO_MEMORY, "no memory for the netcheck's report");
  netcheck_end(node, code, report, &error);
}

void node_netcheck(struct node *node, node_netcheck_callback callback, void *context) {
  struct error error = {0};
  int code = check_up(node, &error);
  if (!code && node->netcheck)
    code = error_set(&error, ERROR_EXISTS, "a netcheck is under way");
  if (!code) {
    struct relay_list relays = {0};
    struct netcheck_relay checked[RELAY_SURVEY_MAX];
    if (node->run)
      run_list_relays(node->run, &relays);
    for (size_t i = 0; i < relays.count; i++) {
      snprintf(checked[i].name, sizeof checked[i].name, "%s", relays.item[i].name);
      checked[i].addresses = relays.item[i].addresses;
    }
    struct netcheck_config config = {
        .target = {.loop = node->config.loop,
                   .log = node->config.log,
                   .endpoint = node->endpoint,
                   .credentials = node->identity.credentials,
                   .trust = node->identity.trust},
        .as = node->state.as,
        .nms = node->state.nms,
        .relay_count = relays.count,
        .relays = checked,
    };
    code = netcheck_start(&config, on_checked, node, &node->netcheck, &error);
  }
  if (code) {
    callback(code, NULL, &error, context);
    return;
  }
  node->checker = callback;
  node->checker_context = context;
}

/* What a node is told to do: join, up, down, and what is asked of it. */
#include <string.h>

#include "base/file.h"
#include "node/device.h"
#include "node/node_internal.h"
#include "node/ping.h"

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
  node_want(node, true);
  if (node->run && run_is_registered(node->run)) {
    callback(0, NULL, context);
    return;
  }
  if (!node_waiter_add(&node->waiters_up, callback, context, false))
    return;
  node_await_up(node);
  node_start(node);
}

void node_down(struct node *node, node_callback callback, void *context) {
  struct error error = {0};
  int code = check_joined(node, &error);
  if (code) {
    callback(code, &error, context);
    return;
  }
  node_want(node, false);
  uv_timer_stop(&node->start_timer);
  node->start_again = false;
  if (!node_waiter_add(&node->waiters_down, callback, context, false))
    return;
  error_set(&error, ERROR_CLOSED, "the node was told to go down");
  node_up_failed(node, &error);
  node_stop(node);
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
    node_join_end(node, code, &fault);
    return;
  }
  node->has_joined = true;
  log_info(node->config.log, "joined", "fqdn=%s", node->state.fqdn);
  node->waiters_up = node->joiner;
  node->joiner = NULL;
  node_await_up(node);
  node_start(node);
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
         (code = node_endpoint_open(node, error)));
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
  if (!node_waiter_add(&node->joiner, callback, context, true))
    return;
  code = join_begin(node, invitation, name, &error);
  if (code)
    node_join_end(node, code, &error);
}

json_t *node_status(struct node *node) {
  struct status_source source = node_status_source(node);
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
  node_netcheck_end(node, code, report, &error);
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

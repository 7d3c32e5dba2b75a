#include "node/main/node_commands.h"

#include <stdlib.h>

#include "base/clock.h"

struct pending {
  struct ipc_call *call;
  struct node *node;
};

static void fail(struct ipc_call *call, int code, const struct error *error) {
  const char *message =
      error != NULL && error->message[0] != '\0' ? error->message : "the node gave no reason";
  ipc_fail(call, code, message);
}

static json_t *address_text_json(const struct ip_address *ip) {
  char text[ADDRESS_TEXT_SIZE];
  return ip_address_is_set(ip) ? json_string(ip_address_text(ip, text)) : NULL;
}

/* NULL without memory, as the next. */
static json_t *name_json(const struct node_name *name) {
  return json_pack("{s:s, s:o*, s:o*}", "fqdn", name->fqdn, "ipv4", address_text_json(&name->ipv4),
                   "ipv6", address_text_json(&name->ipv6));
}

static json_t *ping_json(const struct node_ping *ping) {
  json_t *data = name_json(&ping->name);
  char remote[ADDRESS_TEXT_SIZE];
  if (data == NULL ||
      json_object_set_new(
          data, "rtt_ms",
          json_real((double)ping->round_trip / (double)NANOSECONDS_PER_MILLISECOND)) != 0 ||
      json_object_set_new(data, "path", json_string(ping->relayed ? "relay" : "direct")) != 0 ||
      json_object_set_new(data, "relay", ping->relayed ? json_string(ping->relay) : json_null()) !=
          0 ||
      json_object_set_new(data, "remote", json_string(address_text(&ping->remote, remote))) != 0) {
    json_decref(data);
    return NULL;
  }
  return data;
}

/* Takes over `data`. */
static void reply(struct ipc_call *call, json_t *data) {
  if (data == NULL) {
    ipc_fail(call, ERROR_NO_MEMORY, "no memory for the answer");
    return;
  }
  ipc_reply(call, data);
}

static void on_done(int code, const struct error *error, void *context) {
  struct pending *pending = context;
  if (code != ERROR_NONE) {
    fail(pending->call, code, error);
  } else {
    reply(pending->call, node_status(pending->node));
  }
  free(pending);
}

static void on_resolved(int code, const struct node_name *name, const struct error *error,
                        void *context) {
  struct pending *pending = context;
  if (code != ERROR_NONE) {
    fail(pending->call, code, error);
  } else {
    reply(pending->call, name_json(name));
  }
  free(pending);
}

static void on_pinged(int code, const struct node_ping *ping, const struct error *error,
                      void *context) {
  struct pending *pending = context;
  if (code != ERROR_NONE) {
    fail(pending->call, code, error);
  } else {
    reply(pending->call, ping_json(ping));
  }
  free(pending);
}

static void on_checked(int code, json_t *report, const struct error *error, void *context) {
  struct pending *pending = context;
  if (code != ERROR_NONE) {
    fail(pending->call, code, error);
  } else {
    reply(pending->call, report);
  }
  free(pending);
}

void node_commands_run(struct ipc_call *call, const struct ipc_request *request, struct node *node,
                       struct watchers *watchers) {
  if (request->command == IPC_WATCH) {
    watchers_add(watchers, node, call);
    return;
  }
  if (request->command == IPC_STATUS) {
    reply(call, node_status(node));
    return;
  }
  if (request->command == IPC_VERSION) {
    reply(call, json_pack("{s:s}", "version", CYPHONIC_VERSION));
    return;
  }
  struct pending *pending = malloc(sizeof(*pending));
  if (pending == NULL) {
    ipc_fail(call, ERROR_NO_MEMORY, "no memory for the request");
    return;
  }
  *pending = (struct pending){.call = call, .node = node};
  switch (request->command) {
  case IPC_JOIN:
    node_join(node, request->invitation, request->name[0] != '\0' ? request->name : NULL, on_done,
              pending);
    break;
  case IPC_UP:
    node_up(node, on_done, pending);
    break;
  case IPC_DOWN:
    node_down(node, on_done, pending);
    break;
  case IPC_RESOLVE:
    node_resolve(node, request->name, on_resolved, pending);
    break;
  case IPC_PING:
    node_ping(node, request->name, on_pinged, pending);
    break;
  case IPC_NETCHECK:
    node_netcheck(node, on_checked, pending);
    break;
  case IPC_STATUS:
  case IPC_WATCH:
  case IPC_VERSION:
    break;
  }
}

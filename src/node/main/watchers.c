#include "node/main/watchers.h"

#include <stdlib.h>

enum { WATCHERS_MAX = IPC_CLIENTS_MAX };

struct watchers {
  struct node *node; /* observed while anybody watches */
  struct ipc_call *calls[WATCHERS_MAX];
  size_t count;
};

struct watchers *watchers_new(void) {
  return calloc(1, sizeof(struct watchers));
}

static void end(struct ipc_call *call) {
  ipc_fail(call, ERROR_CLOSED, "the daemon stops");
}

void watchers_free(struct watchers *watchers) {
  if (watchers == NULL) {
    return;
  }
  for (size_t i = 0; i < watchers->count; i++) {
    end(watchers->calls[i]);
  }
  free(watchers);
}

static void tell(json_t *event, void *context) {
  ipc_stream(context, event);
}

/* Those whose client has gone leave. */
static void prune(struct watchers *watchers) {
  size_t kept = 0;
  for (size_t i = 0; i < watchers->count; i++) {
    if (ipc_is_void(watchers->calls[i])) {
      end(watchers->calls[i]);
    } else {
      watchers->calls[kept++] = watchers->calls[i];
    }
  }
  watchers->count = kept;
}

static void publish(json_t *event, void *context) {
  struct watchers *watchers = context;
  prune(watchers);
  for (size_t i = 0; i < watchers->count; i++) {
    tell(event, watchers->calls[i]);
  }
  if (watchers->count == 0) {
    node_observe(watchers->node, NULL, NULL);
  }
}

void watchers_add(struct watchers *watchers, struct node *node, struct ipc_call *call) {
  prune(watchers);
  if (watchers->count == WATCHERS_MAX) {
    ipc_fail(call, ERROR_LIMIT, "too many programs watch the node at once");
    return;
  }
  node_tell(node, tell, call);
  watchers->calls[watchers->count++] = call;
  watchers->node = node;
  node_observe(node, publish, watchers);
}

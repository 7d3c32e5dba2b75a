/* What the two halves of a node share: node.c, which starts, stops and watches it, and
 * node_verbs.c, which does what it is told. */
#ifndef CYPHONIC_NODE_NODE_INTERNAL_H
#define CYPHONIC_NODE_NODE_INTERNAL_H

#include <uv.h>

#include "node/event.h"
#include "node/netcheck.h"
#include "node/node.h"
#include "node/run.h"
#include "node/sign_up.h"
#include "node/status.h"

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
  struct lanes *lanes;            /* likewise; NULL: there are no threads */
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

struct status_source node_status_source(const struct node *node);

/* Tells `callback` and returns false without memory. */
bool node_waiter_add(struct waiter **list, node_callback callback, void *context, bool joined);
/* Each hears it once; `error` may be NULL when code is 0. */
void node_waiters_call(struct node *node, struct waiter **list, int code,
                       const struct error *error);
/* Who waits for the node to be up hears in a while that it is not, unless it is by then. */
void node_await_up(struct node *node);
void node_up_failed(struct node *node, const struct error *error);
void node_join_end(struct node *node, int code, const struct error *error);
void node_netcheck_end(struct node *node, int code, json_t *report, const struct error *error);

/* One that is there already stays. */
int node_endpoint_open(struct node *node, struct error *error) MUST_CHECK;
/* Tells who waits if it fails; what the system may allow later is tried again. */
void node_start(struct node *node);
/* Everything of a node that is up, or of a join, goes, now or from the loop. */
void node_stop(struct node *node);
/* Remembers over restarts whether the node is to be up. */
void node_want(struct node *node, bool up);

#endif

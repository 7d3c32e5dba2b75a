/* The node's status as JSON: a stable interface (docs/operations.md). */
#ifndef CYPHONIC_NODE_STATUS_H
#define CYPHONIC_NODE_STATUS_H

#include <jansson.h>

#include "node/peer.h"
#include "node/run.h"

struct status_source {
  const struct node_state *state;       /* NULL: not joined */
  const struct node_identity *identity; /* NULL: not loaded */
  const struct run *run;                /* NULL: down */
  const struct warnings *warnings;
  uint16_t port; /* 0: none */
};

/* A new reference each. What is not known is null. */
json_t *status_json(const struct status_source *source);
json_t *status_node_json(const struct status_source *source); /* without its peers */
json_t *status_peer_json(const struct peer *peer);
/* A name that does not exist is no peer, nor is one without a path and without hope of one. */
bool status_shows_peer(const struct peer *peer);

#endif

/* The node's status as JSON: a stable interface (docs/operations.md). */
#ifndef CYPHONIC_NODE_STATUS_H
#define CYPHONIC_NODE_STATUS_H

#include <jansson.h>

#include "node/run.h"

struct status_source {
  const struct node_state *state;       /* NULL: not joined */
  const struct node_identity *identity; /* NULL: not loaded */
  const struct run *run;                /* NULL: down */
  const struct warnings *warnings;
  uint16_t port; /* 0: none */
};

/* A new reference. What is not known is null. */
json_t *status_json(const struct status_source *source);

#endif

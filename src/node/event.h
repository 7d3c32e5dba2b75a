/* What happens to a node, as JSON for those who watch it: a stable interface (docs/operations.md).
 * Nothing is made while nobody watches. */
#ifndef CYPHONIC_NODE_EVENT_H
#define CYPHONIC_NODE_EVENT_H

#include "node/node.h"
#include "node/status.h"

/* Zero: nobody watches. */
struct event_sink {
  node_observer observer;
  void *context;
  json_t *node; /* as it was told last */
};

void event_sink_clear(struct event_sink *sink);

/* If it is otherwise than it was told last. */
void event_node(struct event_sink *sink, const struct status_source *source);
void event_peer(const struct event_sink *sink, const struct peer *peer, enum peer_news news);
/* What is so now, in as many events: the node's, and one for each peer. */
void event_all(struct event_sink *sink, const struct status_source *source);

#endif

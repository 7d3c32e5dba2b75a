#include "node/event.h"

#include "base/clock.h"
#include "node/peers.h"

void event_sink_clear(struct event_sink *sink) {
  json_decref(sink->node);
  *sink = (struct event_sink){0};
}

/* Takes over `subject`. The sink may be another afterwards. */
static void tell(const struct event_sink *sink, const char *event, const char *key,
                 json_t *subject) {
  char time[CLOCK_TEXT_SIZE];
  json_t *object = json_pack("{s:s, s:s, s:o}", "event", event, "time",
                             clock_text(clock_wall(), time), key, subject);
  if (object)
    sink->observer(object, sink->context);
  json_decref(object);
}

void event_node(struct event_sink *sink, const struct status_source *source) {
  if (!sink->observer)
    return;
  json_t *node = status_node_json(source);
  if (!node || json_equal(node, sink->node)) {
    json_decref(node);
    return;
  }
  json_decref(sink->node);
  sink->node = json_incref(node);
  tell(sink, "node", "node", node);
}

void event_peer(const struct event_sink *sink, const struct peer *peer, enum peer_news news) {
  if (sink->observer && peer->entry.fqdn[0] != '\0')
    tell(sink, news == PEER_NEWS_MOVED ? "moved" : "peer", "peer", status_peer_json(peer));
}

void event_all(struct event_sink *sink, const struct status_source *source) {
  tell(sink, "node", "node", status_node_json(source));
  const struct peer *peer = source->run ? peers_first(run_peers(source->run)) : NULL;
  for (; peer; peer = (const struct peer *)peer->entry.next)
    if (status_shows_peer(peer))
      tell(sink, "peer", "peer", status_peer_json(peer));
}

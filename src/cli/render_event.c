#include "cli/render_event.h"

#include <string.h>

#include "cli/render.h"

static void node_line(FILE *stream, const json_t *node) {
  const char *state = render_text(node, "state", "unknown");
  const json_t *nms = json_object_get(node, "nms");
  const char *message = render_text(nms, "message", NULL);
  if (message == NULL) {
    message = render_text(json_object_get(node, "as"), "message", NULL);
  }
  fprintf(stream, "%s: %s", render_text(node, "fqdn", "this node"), state);
  if (strcmp(state, "up") != 0 && message != NULL) {
    fprintf(stream, ": %s", message);
  }
}

static void peer_line(FILE *stream, const json_t *peer) {
  const char *path = render_text(peer, "path", NULL);
  const char *message = render_text(peer, "message", NULL);
  fprintf(stream, "%s: %s", render_text(peer, "fqdn", "(name unknown)"),
          render_text(peer, "state", "unknown"));
  if (path != NULL && strcmp(path, "relay") == 0) {
    fprintf(stream, ", relay %s", render_text(peer, "relay", "(name unknown)"));
  } else if (path != NULL) {
    fprintf(stream, ", %s %s", path, render_text(peer, "remote", ""));
  }
  if (message != NULL) {
    fprintf(stream, ": %s", message);
  }
}

static const char *kind_text(const char *kind) {
  if (strcmp(kind, "own-address") == 0) {
    return "this node's address";
  }
  return strcmp(kind, "peer-address") == 0 ? "the peer's address" : kind;
}

void render_move(FILE *stream, const json_t *move) {
  fprintf(stream, "%s %s -> %s", kind_text(render_text(move, "kind", "path")),
          render_text(move, "from", "none"), render_text(move, "to", "none"));
  const json_t *pause = json_object_get(move, "pause_ms");
  if (json_is_number(pause) && json_number_value(pause) > 0) {
    fprintf(stream, ", %.0f ms without an answer", json_number_value(pause));
  }
}

void render_event(FILE *stream, const json_t *event) {
  const char *kind = render_text(event, "event", "");
  const json_t *peer = json_object_get(event, "peer");
  fprintf(stream, "%s  ", render_text(event, "time", "-"));
  if (strcmp(kind, "node") == 0) {
    node_line(stream, json_object_get(event, "node"));
  } else if (strcmp(kind, "moved") == 0) {
    const json_t *moves = json_object_get(peer, "moves");
    fprintf(stream, "%s moved: ", render_text(peer, "fqdn", "(name unknown)"));
    render_move(stream, json_object_get(moves, "last"));
  } else if (strcmp(kind, "peer") == 0) {
    peer_line(stream, peer);
  } else { /* of a later version */
    fprintf(stream, "%s", kind);
  }
  fputc('\n', stream);
}

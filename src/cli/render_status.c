#include <stdbool.h>
#include <string.h>

#include "cli/render.h"
#include "cli/render_event.h"

enum { CELL_SIZE = 320, LABEL_WIDTH = 13, COLUMN_COUNT = 6 };

static void line(FILE *stream, const char *label, const char *value) {
  fprintf(stream, "%-*s%s\n", LABEL_WIDTH, label, value);
}

static void line_optional(FILE *stream, const char *label, const char *value) {
  if (value != NULL) {
    line(stream, label, value);
  }
}

/* "connected to 192.0.2.1:443: message" */
static void service(FILE *stream, const char *label, const json_t *object) {
  if (!json_is_object(object)) {
    return;
  }
  fprintf(stream, "%-*s%s", LABEL_WIDTH, label, render_text(object, "state", "unknown"));
  const char *address = render_text(object, "address", NULL);
  if (address != NULL) {
    fprintf(stream, " (%s)", address);
  }
  const char *message = render_text(object, "message", NULL);
  if (message != NULL) {
    fprintf(stream, ": %s", message);
  }
  fputc('\n', stream);
}

static void nat(FILE *stream, const json_t *nms) {
  const json_t *behind = json_object_get(nms, "behind_nat");
  const json_t *observed = json_object_get(nms, "observed");
  if (!json_is_boolean(behind) && json_array_size(observed) == 0) {
    return;
  }
  fprintf(stream, "%-*s%s", LABEL_WIDTH, "NAT",
          json_is_boolean(behind) ? (json_is_true(behind) ? "behind a NAT" : "none") : "unknown");
  for (size_t i = 0; i < json_array_size(observed); i++) {
    const char *address = json_string_value(json_array_get(observed, i));
    if (address != NULL) {
      fprintf(stream, "%s%s", i == 0 ? "; seen as " : ", ", address);
    }
  }
  fputc('\n', stream);
}

static void cell_traffic(const json_t *peer, char cell[static CELL_SIZE]) {
  const json_t *sent = json_object_get(peer, "sent_bytes");
  const json_t *received = json_object_get(peer, "received_bytes");
  if (!json_is_integer(sent) && !json_is_integer(received)) {
    snprintf(cell, CELL_SIZE, "-");
    return;
  }
  char out[RENDER_SIZE_SIZE], in[RENDER_SIZE_SIZE];
  snprintf(cell, CELL_SIZE, "%s / %s", render_size(json_integer_value(sent), out),
           render_size(json_integer_value(received), in));
}

static void cell_path(const json_t *peer, char cell[static CELL_SIZE]) {
  const char *path = render_text(peer, "path", "");
  const char *remote = render_text(peer, "remote", "");
  if (strcmp(path, "relay") == 0) {
    snprintf(cell, CELL_SIZE, "relay %s", render_text(peer, "relay", "(name unknown)"));
  } else if (path[0] == '\0' && remote[0] == '\0') {
    snprintf(cell, CELL_SIZE, "-");
  } else if (remote[0] == '\0') {
    snprintf(cell, CELL_SIZE, "%s", path);
  } else {
    snprintf(cell, CELL_SIZE, "%s%s%s", path, path[0] != '\0' ? " " : "", remote);
  }
}

static void row_fill(const json_t *peer, char row[COLUMN_COUNT][CELL_SIZE]) {
  snprintf(row[0], CELL_SIZE, "%s", render_text(peer, "fqdn", "-"));
  snprintf(row[1], CELL_SIZE, "%s", render_text(peer, "ipv4", render_text(peer, "ipv6", "-")));
  snprintf(row[2], CELL_SIZE, "%s", render_text(peer, "state", "-"));
  cell_path(peer, row[3]);
  const json_t *rtt = json_object_get(peer, "rtt_ms");
  if (json_is_number(rtt)) {
    snprintf(row[4], CELL_SIZE, "%.2f ms", json_number_value(rtt));
  } else {
    snprintf(row[4], CELL_SIZE, "-");
  }
  cell_traffic(peer, row[5]);
}

static void explain_moves(FILE *stream, const json_t *moves) {
  json_int_t count = json_integer_value(json_object_get(moves, "count"));
  const json_t *last = json_object_get(moves, "last");
  if (count > 0 && json_is_object(last)) {
    fprintf(stream, "  moved %" JSON_INTEGER_FORMAT " time%s, last at %s: ", count,
            count == 1 ? "" : "s", render_text(last, "time", "an unknown time"));
    render_move(stream, last);
    fputc('\n', stream);
  }
}

/* Why a path is not direct, or a tunnel not there; and since when the path is what it is. */
static void explain(FILE *stream, const json_t *peer) {
  const char *message = render_text(peer, "message", NULL);
  const char *reason = render_text(peer, "reason", NULL);
  const char *since = render_text(peer, "last_change", NULL);
  if (message != NULL) {
    fprintf(stream, "  %s\n", message);
  }
  explain_moves(stream, json_object_get(peer, "moves"));
  if (strcmp(render_text(peer, "path", ""), "relay") != 0) {
    return;
  }
  if (reason != NULL && since != NULL) {
    fprintf(stream, "  not direct since %s: %s\n", since, reason);
  } else if (reason != NULL) {
    fprintf(stream, "  not direct: %s\n", reason);
  }
}

/* The last column is not padded, so that no line ends in blanks. */
static void row_print(FILE *stream, char row[COLUMN_COUNT][CELL_SIZE],
                      const size_t widths[COLUMN_COUNT]) {
  for (size_t i = 0; i < COLUMN_COUNT; i++) {
    if (i + 1 < COLUMN_COUNT) {
      fprintf(stream, "%-*s  ", (int)widths[i], row[i]);
    } else {
      fprintf(stream, "%s\n", row[i]);
    }
  }
}

static void peers(FILE *stream, const json_t *list) {
  char head[COLUMN_COUNT][CELL_SIZE] = {"PEER", "ADDRESS", "STATE",
                                        "PATH", "RTT",     "SENT / RECEIVED"};
  char row[COLUMN_COUNT][CELL_SIZE];
  size_t widths[COLUMN_COUNT];
  for (size_t i = 0; i < COLUMN_COUNT; i++) {
    widths[i] = strlen(head[i]);
  }
  size_t count = json_array_size(list);
  for (size_t peer = 0; peer < count; peer++) {
    row_fill(json_array_get(list, peer), row);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
      widths[i] = strlen(row[i]) > widths[i] ? strlen(row[i]) : widths[i];
    }
  }
  fputc('\n', stream);
  row_print(stream, head, widths);
  for (size_t i = 0; i < count; i++) {
    const json_t *peer = json_array_get(list, i);
    row_fill(peer, row);
    row_print(stream, row, widths);
    explain(stream, peer);
  }
}

static void warnings(FILE *stream, const json_t *list) {
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *text = json_string_value(json_array_get(list, i));
    if (text != NULL) {
      line(stream, "Warning", text);
    }
  }
}

static void advice(FILE *stream, const char *state, bool any_peer) {
  if (strcmp(state, "down") == 0) {
    fprintf(stream, "\nThe node is down. Bring it up with: cyphonic up\n");
  } else if (strcmp(state, "up") == 0 && !any_peer) {
    fprintf(stream, "\nNo tunnels yet. Try: cyphonic ping OTHER\n");
  }
}

void render_status(FILE *stream, const json_t *data) {
  const char *state = render_text(data, "state", "unknown");
  if (strcmp(state, "not-joined") == 0) {
    fprintf(stream, "This node has not joined a network. Get an invitation from its operator "
                    "('cyphonic-server token create'), then: cyphonic join INVITATION\n");
    warnings(stream, json_object_get(data, "warnings"));
    return;
  }
  line(stream, "Node", render_text(data, "fqdn", "(name unknown)"));
  line(stream, "State", state);
  line_optional(stream, "IPv4", render_text(data, "ipv4", NULL));
  line_optional(stream, "IPv6", render_text(data, "ipv6", NULL));
  line_optional(stream, "Interface", render_text(data, "interface", NULL));
  const json_t *port = json_object_get(data, "port");
  if (json_is_integer(port)) {
    fprintf(stream, "%-*s%" JSON_INTEGER_FORMAT "\n", LABEL_WIDTH, "UDP port",
            json_integer_value(port));
  }
  service(stream, "AS", json_object_get(data, "as"));
  service(stream, "NMS", json_object_get(data, "nms"));
  nat(stream, json_object_get(data, "nms"));
  const json_t *certificate = json_object_get(data, "certificate");
  const char *not_after = render_text(certificate, "not_after", NULL);
  if (not_after != NULL) {
    fprintf(stream, "%-*suntil %s\n", LABEL_WIDTH, "Certificate", not_after);
  }
  warnings(stream, json_object_get(data, "warnings"));
  const json_t *list = json_object_get(data, "peers");
  bool any = json_array_size(list) > 0;
  if (any) {
    peers(stream, list);
  }
  advice(stream, state, any);
}

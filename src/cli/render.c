#include "cli/render.h"

#include <string.h>

/* Digits of a time: more would be noise. */
enum { RENDER_PRECISION = 7 };

const char *render_text(const json_t *object, const char *key, const char *otherwise) {
  const char *text = json_string_value(json_object_get(object, key));
  if (text == NULL || text[0] == '\0') {
    return otherwise;
  }
  for (const char *letter = text; *letter != '\0'; letter++) {
    if ((unsigned char)*letter < ' ' || *letter == 0x7f) {
      return otherwise;
    }
  }
  return text;
}

const char *render_size(json_int_t bytes, char text[static RENDER_SIZE_SIZE]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = bytes > 0 ? (double)bytes : 0;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
    value /= 1024;
    unit++;
  }
  snprintf(text, RENDER_SIZE_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

const char *render_duration(json_int_t seconds, char text[static RENDER_SIZE_SIZE]) {
  static const struct {
    json_int_t seconds;
    const char *unit;
  } steps[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    /* From twice a unit on, so that 90 s is not "1 min". */
    if (seconds >= 2 * steps[i].seconds || (steps[i].seconds == 1 && seconds == 1)) {
      snprintf(text, RENDER_SIZE_SIZE, "%" JSON_INTEGER_FORMAT " %s", seconds / steps[i].seconds,
               steps[i].unit);
      return text;
    }
  }
  snprintf(text, RENDER_SIZE_SIZE, "just now");
  return text;
}

/* " (10.1.2.3, fd00::1)" or as much of it as there is. */
static void addresses(FILE *stream, const json_t *data) {
  const char *ipv4 = render_text(data, "ipv4", "");
  const char *ipv6 = render_text(data, "ipv6", "");
  if (ipv4[0] != '\0' || ipv6[0] != '\0') {
    fprintf(stream, " (%s%s%s)", ipv4, ipv4[0] != '\0' && ipv6[0] != '\0' ? ", " : "", ipv6);
  }
}

void render_joined(FILE *stream, const json_t *data) {
  fprintf(stream, "This node is %s", render_text(data, "fqdn", "(name unknown)"));
  addresses(stream, data);
  fprintf(stream, ". Try: cyphonic ping OTHER\n");
}

void render_resolve(FILE *stream, const json_t *data) {
  fprintf(stream, "%s\n", render_text(data, "fqdn", "(name unknown)"));
  const char *ipv4 = render_text(data, "ipv4", NULL);
  const char *ipv6 = render_text(data, "ipv6", NULL);
  if (ipv4 != NULL) {
    fprintf(stream, "  %s\n", ipv4);
  }
  if (ipv6 != NULL) {
    fprintf(stream, "  %s\n", ipv6);
  }
}

void render_ping_head(FILE *stream, const json_t *data) {
  fprintf(stream, "Ping %s", render_text(data, "fqdn", "(name unknown)"));
  addresses(stream, data);
  fprintf(stream, " through its tunnel\n");
}

void render_ping(FILE *stream, unsigned long sequence, const json_t *data) {
  fprintf(stream, "seq=%lu", sequence);
  const json_t *time = json_object_get(data, "rtt_ms");
  if (json_is_number(time)) {
    fprintf(stream, " time=%.2f ms", json_number_value(time));
  }
  const char *path = render_text(data, "path", "");
  if (strcmp(path, "relay") == 0) {
    fprintf(stream, " via relay %s", render_text(data, "relay", "(name unknown)"));
  } else if (path[0] != '\0') {
    fprintf(stream, " %s %s", path, render_text(data, "remote", "(address unknown)"));
  }
  fputc('\n', stream);
}

void render_error(FILE *stream, const struct client_error *error) {
  fprintf(stream, "cyphonic: %s\n", error->message);
}

void render_error_json(FILE *stream, const struct client_error *error) {
  json_t *object =
      json_pack("{s:{s:s, s:s}}", "error", "code", error->code, "message", error->message);
  if (object != NULL) {
    render_json_line(stream, object);
    json_decref(object);
  }
}

void render_json(FILE *stream, const json_t *data) {
  json_dumpf(data, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(RENDER_PRECISION));
  fputc('\n', stream);
}

void render_json_line(FILE *stream, const json_t *data) {
  json_dumpf(data, stream, JSON_COMPACT | JSON_REAL_PRECISION(RENDER_PRECISION));
  fputc('\n', stream);
}

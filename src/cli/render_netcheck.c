#include "cli/render_netcheck.h"

#include <string.h>

#include "cli/render.h"

enum { LABEL_WIDTH = 13, PLACE_MAX = 320 };

bool netcheck_works(const json_t *data) {
  return json_is_true(json_object_get(json_object_get(data, "ipv4"), "works")) ||
         json_is_true(json_object_get(json_object_get(data, "ipv6"), "works"));
}

static const char *meaning(const char *mapping) {
  if (strcmp(mapping, "endpoint-independent") == 0) {
    return "It shows the same port to everyone, so most other nodes can be reached directly.";
  }
  if (strcmp(mapping, "endpoint-dependent") == 0) {
    return "It shows another port to everyone (symmetric NAT), so many nodes behind other NATs are "
           "reached through a relay.";
  }
  return "Only one server address tells what it sees, so how the NAT chooses ports is not known.";
}

/* Why that IP version does not work, if something was tried at all. */
static const char *reason(const json_t *services, int family) {
  for (size_t i = 0; i < json_array_size(services); i++) {
    const json_t *service = json_array_get(services, i);
    const char *message = render_text(service, "message", NULL);
    if (json_integer_value(json_object_get(service, "family")) == family && message != NULL) {
      return message;
    }
  }
  return "no server has an address of this kind";
}

static void family(FILE *stream, const json_t *data, const char *key, const char *label,
                   int version) {
  const json_t *object = json_object_get(data, key);
  fprintf(stream, "%-*s", LABEL_WIDTH, label);
  if (!json_is_true(json_object_get(object, "works"))) {
    fprintf(stream, "does not work: %s\n", reason(json_object_get(data, "services"), version));
    return;
  }
  const char *observed = render_text(object, "observed", NULL);
  fprintf(stream, "works%s%s", observed != NULL ? "; seen from outside as " : "",
          observed != NULL ? observed : "");
  const json_t *behind = json_object_get(object, "behind_nat");
  if (!json_is_boolean(behind)) {
    fputc('\n', stream);
    return;
  }
  fprintf(stream, ", %s\n", json_is_true(behind) ? "behind a NAT" : "no NAT");
  if (json_is_true(behind)) {
    fprintf(stream, "%-*s%s\n", LABEL_WIDTH, "", meaning(render_text(object, "mapping", "")));
  }
}

static size_t service_width(const json_t *services) {
  size_t width = strlen("SERVICE");
  for (size_t i = 0; i < json_array_size(services); i++) {
    size_t length = strlen(render_text(json_array_get(services, i), "service", "-"));
    width = length > width ? length : width;
  }
  return width;
}

static void place(const json_t *service, char text[static PLACE_MAX]) {
  const char *where = render_text(service, "where", "-");
  const char *address = render_text(service, "address", where);
  if (strcmp(where, address) == 0) {
    snprintf(text, PLACE_MAX, "%s", where);
  } else {
    snprintf(text, PLACE_MAX, "%s (%s)", where, address);
  }
}

static void services(FILE *stream, const json_t *list) {
  if (json_array_size(list) == 0) {
    return;
  }
  int first = (int)service_width(list);
  int second = (int)strlen("ADDRESS");
  char text[PLACE_MAX];
  for (size_t i = 0; i < json_array_size(list); i++) {
    place(json_array_get(list, i), text);
    second = (int)strlen(text) > second ? (int)strlen(text) : second;
  }
  fprintf(stream, "\n%-*s  %-*s  OVER  ANSWERS\n", first, "SERVICE", second, "ADDRESS");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *service = json_array_get(list, i);
    place(service, text);
    fprintf(stream, "%-*s  %-*s  IPv%d  ", first, render_text(service, "service", "-"), second,
            text, (int)json_integer_value(json_object_get(service, "family")));
    const json_t *rtt = json_object_get(service, "rtt_ms");
    if (!json_is_true(json_object_get(service, "reachable"))) {
      fprintf(stream, "no: %s\n", render_text(service, "message", "no answer"));
    } else if (json_is_number(rtt)) {
      fprintf(stream, "in %.2f ms\n", json_number_value(rtt));
    } else {
      fprintf(stream, "yes\n");
    }
  }
}

void render_netcheck(FILE *stream, const json_t *data) {
  const json_t *port = json_object_get(data, "port");
  if (json_is_integer(port)) {
    fprintf(stream, "%-*s%" JSON_INTEGER_FORMAT "\n", LABEL_WIDTH, "UDP port",
            json_integer_value(port));
  }
  family(stream, data, "ipv4", "IPv4", 4);
  family(stream, data, "ipv6", "IPv6", 6);
  services(stream, json_object_get(data, "services"));
  if (!netcheck_works(data)) {
    fprintf(stream, "\nNo server answers. This network may be down, or its firewall lets no UDP "
                    "packets out to the servers' port (443 if nothing else was chosen).\n");
  }
}

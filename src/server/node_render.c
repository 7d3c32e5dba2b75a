#include "server/node_render.h"

#include <string.h>

#include "base/clock.h"

enum { COLUMN_COUNT = 5, CELL_SIZE = 300, LABEL_WIDTH = 14, SERIAL_TEXT_SIZE = 41 };

static json_t *time_json(int64_t wall) {
  char text[CLOCK_TEXT_SIZE];
  return wall > 0 ? json_string(clock_text(wall, text)) : NULL;
}

static json_t *ip_json(const struct ip_address *ip) {
  char text[ADDRESS_TEXT_SIZE];
  return ip_address_is_set(ip) ? json_string(ip_address_text(ip, text)) : NULL;
}

/* What nodes say of themselves may be any bytes; JSON takes UTF-8 only. */
static json_t *text_json(const char *text) {
  return text[0] != '\0' ? json_string(text) : NULL;
}

json_t *node_render_device(const struct store_device *device) {
  return json_pack("{s:s, s:s, s:o*, s:o*, s:b, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*}", "name",
                   device->name, "fqdn", device->fqdn, "ipv4", ip_json(&device->ipv4), "ipv6",
                   ip_json(&device->ipv6), "revoked", device->revoked ? 1 : 0, "created",
                   time_json(device->created), "first_seen", time_json(device->first_seen),
                   "last_seen", time_json(device->last_seen), "hardware",
                   text_json(device->hardware), "os", text_json(device->os), "version",
                   text_json(device->version));
}

json_t *node_render_certificate(const struct store_certificate *certificate) {
  char serial[SERIAL_TEXT_SIZE];
  for (size_t i = 0; i < PKI_SERIAL_SIZE; i++) {
    snprintf(serial + 2 * i, 3, "%02x", certificate->serial[i]);
  }
  return json_pack("{s:s, s:o*, s:o*, s:b}", "serial", serial, "not_before",
                   time_json(certificate->not_before), "not_after",
                   time_json(certificate->not_after), "revoked", certificate->revoked ? 1 : 0);
}

json_t *node_render_endpoint(const struct store_endpoint *endpoint) {
  char observed[ADDRESS_TEXT_SIZE];
  return json_pack("{s:s, s:b, s:o*}", "observed", address_text(&endpoint->observed, observed),
                   "behind_nat", endpoint->behind_nat ? 1 : 0, "seen", time_json(endpoint->seen));
}

/* A node's own words must not command the operator's terminal. */
static const char *text_of(const json_t *object, const char *key, const char *otherwise) {
  const char *text = json_string_value(json_object_get(object, key));
  if (text == NULL) {
    return otherwise;
  }
  for (const char *letter = text; *letter != '\0'; letter++) {
    if ((unsigned char)*letter < ' ' || *letter == 0x7f) {
      return "(unprintable)";
    }
  }
  return text;
}

static void row_fill(const json_t *device, char row[COLUMN_COUNT][CELL_SIZE]) {
  snprintf(row[0], CELL_SIZE, "%s", text_of(device, "name", "-"));
  snprintf(row[1], CELL_SIZE, "%s", text_of(device, "ipv4", "-"));
  snprintf(row[2], CELL_SIZE, "%s", text_of(device, "ipv6", "-"));
  snprintf(row[3], CELL_SIZE, "%s", text_of(device, "last_seen", "never"));
  snprintf(row[4], CELL_SIZE, "%s",
           json_is_true(json_object_get(device, "revoked")) ? "revoked" : "valid");
}

static void row_print(FILE *stream, char row[COLUMN_COUNT][CELL_SIZE],
                      const size_t widths[COLUMN_COUNT]) {
  for (size_t i = 0; i + 1 < COLUMN_COUNT; i++) {
    fprintf(stream, "%-*s  ", (int)widths[i], row[i]);
  }
  fprintf(stream, "%s\n", row[COLUMN_COUNT - 1]);
}

void node_render_table(FILE *stream, const json_t *devices) {
  size_t count = json_array_size(devices);
  if (count == 0) {
    fprintf(stream, "The network has no nodes yet. Invite one: cyphonic-server token create\n");
    return;
  }
  char head[COLUMN_COUNT][CELL_SIZE] = {"NAME", "IPV4", "IPV6", "LAST SEEN", "STATE"};
  char row[COLUMN_COUNT][CELL_SIZE];
  size_t widths[COLUMN_COUNT];
  for (size_t i = 0; i < COLUMN_COUNT; i++) {
    widths[i] = strlen(head[i]);
  }
  for (size_t i = 0; i < count; i++) {
    row_fill(json_array_get(devices, i), row);
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
      size_t width = strlen(row[column]);
      widths[column] = width > widths[column] ? width : widths[column];
    }
  }
  row_print(stream, head, widths);
  for (size_t i = 0; i < count; i++) {
    row_fill(json_array_get(devices, i), row);
    row_print(stream, row, widths);
  }
}

static void line(FILE *stream, const char *label, const char *value) {
  if (value != NULL) {
    fprintf(stream, "%-*s%s\n", LABEL_WIDTH, label, value);
  }
}

void node_render_full(FILE *stream, const json_t *device) {
  line(stream, "Node", text_of(device, "fqdn", "-"));
  line(stream, "IPv4", text_of(device, "ipv4", NULL));
  line(stream, "IPv6", text_of(device, "ipv6", NULL));
  line(stream, "State", json_is_true(json_object_get(device, "revoked")) ? "revoked" : "valid");
  line(stream, "Joined", text_of(device, "created", NULL));
  line(stream, "First login", text_of(device, "first_seen", "never"));
  line(stream, "Last login", text_of(device, "last_seen", "never"));
  line(stream, "Hardware", text_of(device, "hardware", NULL));
  line(stream, "System", text_of(device, "os", NULL));
  line(stream, "Version", text_of(device, "version", NULL));
  const json_t *certificate = json_object_get(device, "certificate");
  if (json_is_object(certificate)) {
    fprintf(stream, "%-*suntil %s, serial %s%s\n", LABEL_WIDTH, "Certificate",
            text_of(certificate, "not_after", "-"), text_of(certificate, "serial", "-"),
            json_is_true(json_object_get(certificate, "revoked")) ? ", revoked" : "");
  }
  const json_t *endpoints = json_object_get(device, "endpoints");
  for (size_t i = 0; i < json_array_size(endpoints); i++) {
    const json_t *endpoint = json_array_get(endpoints, i);
    fprintf(stream, "%-*s%s, %s, %s\n", LABEL_WIDTH, "Seen at", text_of(endpoint, "observed", "-"),
            json_is_true(json_object_get(endpoint, "behind_nat")) ? "behind a NAT" : "no NAT",
            text_of(endpoint, "seen", "-"));
  }
}

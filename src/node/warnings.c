#include "node/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[WARNING_COUNT] = {
    [WARNING_CLOCK] = "clock",       [WARNING_CERTIFICATE] = "certificate",
    [WARNING_OVERLAP] = "overlap",   [WARNING_INTERFACE] = "interface",
    [WARNING_RESOLVER] = "resolver", [WARNING_STATE] = "state",
};

void warnings_set(struct warnings *warnings, enum warning kind, const char *format, ...) {
  char text[WARNING_TEXT_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (strcmp(text, warnings->text[kind]) == 0)
    return;
  memcpy(warnings->text[kind], text, sizeof text);
  log_warning(warnings->log, "warning", "kind=%s text=\"%s\"", names[kind], text);
}

void warnings_clear(struct warnings *warnings, enum warning kind) {
  if (warnings->text[kind][0] == '\0')
    return;
  warnings->text[kind][0] = '\0';
  log_info(warnings->log, "warning-over", "kind=%s", names[kind]);
}

json_t *warnings_json(const struct warnings *warnings) {
  json_t *array = json_array();
  for (size_t i = 0; i < WARNING_COUNT; i++)
    if (warnings->text[i][0] != '\0')
      json_array_append_new(array, json_string(warnings->text[i]));
  return array;
}

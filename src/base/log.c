#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_write(const struct log *log, enum log_level level, const char *event, const char *format,
               ...) {
  if (log == NULL || log->stream == NULL || level > log->level) {
    return;
  }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  struct tm calendar;
  gmtime_r(&now.tv_sec, &calendar);
  char when[32], text[1024];
  strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &calendar);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  /* A value that strangers chose must not end the line and begin one of its own. */
  for (char *byte = text; *byte != '\0'; byte++) {
    if ((unsigned char)*byte < ' ' || *byte == 0x7f) {
      *byte = '?';
    }
  }
  fprintf(log->stream, "%s.%03ldZ %s %s%s%s\n", when, now.tv_nsec / 1000000, level_names[level],
          event, text[0] == '\0' ? "" : " ", text);
  fflush(log->stream);
}

int log_limit_allows(struct log_limit *limit, uint64_t now, uint32_t *dropped) {
  *dropped = 0;
  if (limit->used == 0 || now - limit->started >= limit->period) {
    limit->started = now;
    limit->used = 0;
    *dropped = limit->dropped;
    limit->dropped = 0;
  }
  if (limit->used >= limit->burst) {
    limit->dropped++;
    return 0;
  }
  limit->used++;
  return 1;
}

int log_level_parse(const char *text, enum log_level *level) {
  for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
    if (strcmp(text, level_names[i]) == 0) {
      *level = (enum log_level)i;
      return 0;
    }
  }
  return ERROR_INVALID;
}

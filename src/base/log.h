/* Logs for operators: one event a line, `time level event key=value ...`, on a stream of the
 * caller's. Never a key or a secret; names and addresses of users only at LOG_LEVEL_DEBUG beyond
 * need. */
#ifndef CYPHONIC_BASE_LOG_H
#define CYPHONIC_BASE_LOG_H

#include <stdint.h>
#include <stdio.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Plain data; the owner fills it and passes its address to whoever logs. */
struct log {
  FILE *stream;
  enum log_level level; /* lines above it are dropped */
};

/* At most `burst` lines a period for an event that strangers can cause at will. Zero-initialise,
 * then set period and burst; the line that ends a silence says how many were dropped. */
struct log_limit {
  uint64_t period; /* nanoseconds */
  uint32_t burst;
  uint32_t used;
  uint32_t dropped;
  uint64_t started; /* nanoseconds of the caller's clock */
};

void log_write(const struct log *log, enum log_level level, const char *event, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* True if a line may be written at `now`; adds `*dropped` lines that were held back before it. */
int log_limit_allows(struct log_limit *limit, uint64_t now, uint32_t *dropped);

/* Parses "error", "warning", "info", "debug"; returns 0 or ERROR_INVALID. */
int log_level_parse(const char *text, enum log_level *level) __attribute__((warn_unused_result));

#define log_error(log, event, ...)   log_write(log, LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(log, event, ...) log_write(log, LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_info(log, event, ...)    log_write(log, LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(log, event, ...)   log_write(log, LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif

#include "base/clock.h"

#include <stdio.h>

static uint64_t clock_read(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t clock_now(void) {
  return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_boot(void) {
  return clock_read(CLOCK_BOOTTIME);
}

int64_t clock_wall(void) {
  return (int64_t)time(NULL);
}

const char *clock_text(int64_t wall, char text[static CLOCK_TEXT_SIZE]) {
  time_t seconds = (time_t)wall;
  struct tm calendar;
  if (gmtime_r(&seconds, &calendar) == NULL ||
      strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &calendar) == 0) {
    snprintf(text, CLOCK_TEXT_SIZE, "%lld", (long long)wall);
  }
  return text;
}

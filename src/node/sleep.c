#include "node/sleep.h"

static int64_t ahead_of(uint64_t boot, uint64_t monotonic) {
  return (int64_t)(boot - monotonic);
}

struct sleep sleep_begin(uint64_t boot, uint64_t monotonic) {
  return (struct sleep){.ahead = ahead_of(boot, monotonic)};
}

uint64_t sleep_since(struct sleep *sleep, uint64_t boot, uint64_t monotonic) {
  int64_t ahead = ahead_of(boot, monotonic), before = sleep->ahead;
  sleep->ahead = ahead;
  return ahead > before ? (uint64_t)(ahead - before) : 0;
}

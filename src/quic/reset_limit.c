#include "quic/reset_limit.h"

#include <string.h>

/* The last bytes are the random ones. */
static uint64_t tail(const uint8_t *id, size_t size) {
  uint64_t value = 0;
  size_t used = size < sizeof(value) ? size : sizeof(value);
  memcpy(&value, id + size - used, used);
  return value;
}

bool reset_limit_allows(struct reset_limit *limit, const uint8_t *id, size_t size, uint64_t now) {
  uint64_t window = now / RESET_LIMIT_WINDOW;
  if (window != limit->window) {
    *limit = (struct reset_limit){.window = window};
  }
  uint64_t value = tail(id, size);
  uint64_t *slot = &limit->answered[value % RESET_LIMIT_REMEMBERED];
  if (limit->count >= RESET_LIMIT_COUNT || *slot == value) {
    return false;
  }
  *slot = value;
  limit->count++;
  return true;
}

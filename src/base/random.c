#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *data, size_t size) {
  uint8_t *next = data;
  while (size > 0) {
    ssize_t got = getrandom(next, size, 0);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      abort();
    }
    next += got;
    size -= (size_t)got;
  }
}

uint32_t random_below(uint32_t bound) {
  /* The values above the largest multiple of bound would favour the small ones. */
  uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
  uint32_t value;
  do {
    random_bytes(&value, sizeof(value));
  } while (value >= limit);
  return value % bound;
}

#include "tunnel/codel.h"

static uint64_t square_root(uint64_t of) {
  if (of < 2) {
    return of;
  }
  uint64_t root = UINT64_C(1) << 32, next = root;
  do { /* Newton, from above */
    root = next;
    next = (root + of / root) / 2;
  } while (next < root);
  return root;
}

static uint64_t next_drop(uint64_t after, uint32_t count) {
  return after + square_root(CODEL_INTERVAL * CODEL_INTERVAL / count);
}

static bool is_standing(struct codel *codel, uint64_t now, uint64_t waited, size_t backlog) {
  if (waited < CODEL_TARGET || backlog <= CODEL_BYTES_MIN) {
    codel->first_above = 0;
    return false;
  }
  if (codel->first_above == 0) {
    codel->first_above = now + CODEL_INTERVAL;
    return false;
  }
  return now >= codel->first_above;
}

bool codel_drops(struct codel *codel, uint64_t now, uint64_t waited, size_t backlog) {
  bool standing = is_standing(codel, now, waited, backlog);
  if (!codel->dropping) {
    if (!standing) {
      return false;
    }
    codel->dropping = true;
    /* Soon after the last time, with the rate that was right then. */
    uint32_t drops = codel->count - codel->last_count;
    bool soon = codel->drop_next != 0 && now < codel->drop_next + 16 * CODEL_INTERVAL;
    codel->count = drops > 1 && soon ? drops : 1;
    codel->last_count = codel->count;
    codel->drop_next = next_drop(now, codel->count);
    return true;
  }
  if (!standing) {
    codel->dropping = false;
    return false;
  }
  if (now < codel->drop_next) {
    return false;
  }
  codel->count++;
  codel->drop_next = next_drop(codel->drop_next, codel->count);
  return true;
}

void codel_empty(struct codel *codel) {
  codel->first_above = 0;
  codel->dropping = false;
}

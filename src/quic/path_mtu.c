#include "quic/path_mtu.h"

#include "quic/limits.h"

/* The first is right for nearly all paths, and one probe finds it; the others are 40 bytes apart.
 */
const uint16_t path_mtu_sizes[PATH_MTU_PROBES] = {UDP_PAYLOAD_MAX, 1412, 1372, 1332, 1292, 1252};

void path_mtu_init(struct path_mtu *mtu, uint64_t now) {
  *mtu = (struct path_mtu){.limit = path_mtu_sizes[0], .lowered = now};
}

void path_mtu_sent(struct path_mtu *mtu, uint64_t id, size_t size, uint64_t now) {
  uint64_t bit = UINT64_C(1) << id % 64;
  uint64_t *word = &mtu->large[id % PATH_MTU_REMEMBERED / 64];
  if (size <= PATH_MTU_BASE) {
    *word &= ~bit;
    return;
  }
  *word |= bit;
  if (mtu->missing++ == 0) {
    mtu->since = now;
  }
}

void path_mtu_arrived(struct path_mtu *mtu, uint64_t id) {
  if ((mtu->large[id % PATH_MTU_REMEMBERED / 64] >> id % 64 & 1) != 0) {
    mtu->missing = 0;
  }
}

void path_mtu_heard(struct path_mtu *mtu, uint64_t now, uint64_t patience) {
  if (mtu->missing >= PATH_MTU_MISSING && now > mtu->since + patience) {
    mtu->limit = PATH_MTU_BASE;
    mtu->missing = 0;
    mtu->lowered = now;
  }
}

size_t path_mtu_limit(struct path_mtu *mtu, uint64_t now) {
  if (mtu->limit != path_mtu_sizes[0] && now > mtu->lowered + PATH_MTU_RAISE) {
    path_mtu_init(mtu, now);
  }
  return mtu->limit;
}

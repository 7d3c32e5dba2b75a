/* How many stateless resets an endpoint sends (RFC 9000 section 10.3.3): few, and not all of them
 * to one. A TRS that was restarted is flooded by the tunnels it carried, to which its resets say
 * nothing, while the connections of their nodes ask with a packet now and then. Pure. */
#ifndef CYPHONIC_QUIC_RESET_LIMIT_H
#define CYPHONIC_QUIC_RESET_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  RESET_LIMIT_COUNT = 25,      /* in each window, of which there are four a second */
  RESET_LIMIT_REMEMBERED = 64, /* Connection IDs that were answered in it; a power of two */
};
#define RESET_LIMIT_WINDOW UINT64_C(250000000) /* nanoseconds */

/* Zero-initialise. */
struct reset_limit {
  uint64_t window;
  unsigned count;
  uint64_t answered[RESET_LIMIT_REMEMBERED];
};

/* Whether a packet for this Connection ID may be answered now; counts it if so. Each at most once
 * in a window. */
bool reset_limit_allows(struct reset_limit *limit, const uint8_t *id, size_t size, uint64_t now);

#endif

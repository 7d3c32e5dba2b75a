/* Controlled delay (RFC 8289): which packets of a queue are to be dropped so that it stays short in
 * time, however fast or slow it empties, while bursts pass. Pure. */
#ifndef CYPHONIC_TUNNEL_CODEL_H
#define CYPHONIC_TUNNEL_CODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nanoseconds: a wait that is fine, and for how long a longer one may last (RFC 8289 section 4). */
#define CODEL_TARGET   (UINT64_C(5) * 1000 * 1000)
#define CODEL_INTERVAL (UINT64_C(100) * 1000 * 1000)
enum { CODEL_BYTES_MIN = 1500 /* a queue this short is none */ };

/* Zero-initialise. */
struct codel {
  uint64_t first_above, drop_next; /* nanoseconds; 0: not set */
  uint32_t count, last_count;      /* drops since it began, now and the last time */
  bool dropping;
};

/* Whether the packet at the front, which has waited for `waited` nanoseconds with `backlog` bytes
 * in the queue, is to be dropped. Ask again about the next one. An empty queue: codel_empty. */
bool codel_drops(struct codel *codel, uint64_t now, uint64_t waited, size_t backlog);
void codel_empty(struct codel *codel);

#endif

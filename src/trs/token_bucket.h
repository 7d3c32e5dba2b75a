/* A bound on bytes a second that allows short bursts. Pure; zero-initialise: a new bucket is full.
 */
#ifndef CYPHONIC_TRS_TOKEN_BUCKET_H
#define CYPHONIC_TRS_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  /* What may come at once: a train of packets as the kernel joins them, at the least. */
  TOKEN_BUCKET_BURST_MIN = 65536,
  TOKEN_BUCKET_BURST_MILLISECONDS = 250,
};
/* Bytes a second; far above what a host can carry, and low enough to reckon with. */
#define TOKEN_BUCKET_RATE_MAX UINT64_C(1000000000000)

struct token_bucket {
  uint64_t missing; /* from a full bucket, in thousandths of bytes */
  uint64_t updated; /* milliseconds */
};

/* Takes `size` bytes at `now` milliseconds of a clock that never goes back, if they are there.
 * `rate` is in bytes a second, 1 to TOKEN_BUCKET_RATE_MAX. */
bool token_bucket_take(struct token_bucket *bucket, uint64_t rate, size_t size, uint64_t now);

#endif

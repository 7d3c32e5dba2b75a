#include "trs/token_bucket.h"

enum { PARTS = 1000 }; /* a byte's: what a rate of one byte a second brings in a millisecond */

static uint64_t capacity(uint64_t rate) {
  uint64_t burst = rate * TOKEN_BUCKET_BURST_MILLISECONDS / 1000;
  return (burst < TOKEN_BUCKET_BURST_MIN ? TOKEN_BUCKET_BURST_MIN : burst) * PARTS;
}

bool token_bucket_take(struct token_bucket *bucket, uint64_t rate, size_t size, uint64_t now) {
  uint64_t elapsed = now - bucket->updated;
  uint64_t until_full = (bucket->missing + rate - 1) / rate; /* milliseconds */
  bucket->missing = elapsed >= until_full ? 0 : bucket->missing - elapsed * rate;
  bucket->updated = now;
  uint64_t wanted = (uint64_t)size * PARTS;
  if (bucket->missing + wanted > capacity(rate)) {
    return false;
  }
  bucket->missing += wanted;
  return true;
}

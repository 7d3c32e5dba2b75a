#include "node/backoff.h"

uint64_t backoff_next(struct backoff *backoff, uint32_t random) {
  uint64_t step = backoff->first;
  for (unsigned i = 0; i < backoff->attempt && step < backoff->limit; i++)
    step *= 2;
  if (step >= backoff->limit)
    step = backoff->limit; /* and no more counting: `attempt` would wrap in the end */
  else
    backoff->attempt++;
  uint64_t half = step / 2;
  /* A 32-bit fraction scales without overflow: waits are far below 2^32 milliseconds. */
  return step - half + ((half + 1) * random >> 32);
}

void backoff_reset(struct backoff *backoff) {
  backoff->attempt = 0;
}

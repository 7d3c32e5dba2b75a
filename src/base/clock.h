/* The two clocks. Code below the programs is passed `now`; only loops and programs ask. */
#ifndef CYPHONIC_BASE_CLOCK_H
#define CYPHONIC_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NANOSECONDS_PER_SECOND      UINT64_C(1000000000)
#define NANOSECONDS_PER_MILLISECOND UINT64_C(1000000)

/* Monotonic nanoseconds, for timers. */
uint64_t clock_now(void);

/* The same, but counting the time for which the host was asleep. */
uint64_t clock_boot(void);

/* Seconds since the epoch, for certificates, invitations and records. */
int64_t clock_wall(void);

/* "2026-11-24T15:04:05Z" */
enum { CLOCK_TEXT_SIZE = 32 };
const char *clock_text(int64_t wall, char text[static CLOCK_TEXT_SIZE]);

#endif

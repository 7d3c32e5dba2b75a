/* What the kernel refuses to send, told to people: one line when it begins and one a minute while
 * it goes on, however many packets it is; and one when it turns out that it cuts no trains. */
#ifndef CYPHONIC_QUIC_SEND_REPORT_H
#define CYPHONIC_QUIC_SEND_REPORT_H

#include "base/log.h"
#include "net/udp.h"

/* Of one socket. Zero-initialise. */
struct send_report {
  uint64_t barred; /* of these it has been told */
  uint64_t due;    /* nanoseconds, when more may be told */
  bool uncut;
};

/* After each batch. `family` is 4 or 6, `now` in nanoseconds. Returns how many lines it wrote. */
unsigned send_report_look(struct send_report *report, const struct udp_counters *counters,
                          unsigned family, uint64_t now, const struct log *log);

#endif

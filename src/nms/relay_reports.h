/* What a node found out about the TRSs: a round trip for each that it measured. */
#ifndef CYPHONIC_NMS_RELAY_REPORTS_H
#define CYPHONIC_NMS_RELAY_REPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "cyphonic.pb-c.h"
#include "pki/identity.h"

enum {
  RELAY_REPORTS_MAX = 16, /* of one node; those beyond it are ignored */
  /* Microseconds that stand for "never measured", and for "does not answer": the latter is worse
   * than any path on Earth, and still better than no relay at all. */
  RELAY_ROUND_TRIP_UNKNOWN = 100000,
  RELAY_ROUND_TRIP_SILENT = 10000000,
};

struct relay_report {
  char name[PKI_NAME_SIZE];
  uint32_t round_trip; /* microseconds; 0: does not answer */
};

/* Zero-initialise. */
struct relay_reports {
  size_t count;
  struct relay_report *report;
};

/* In place of those before. Without memory, and for a name that is none, nothing is known: the
 * choice of a relay is then worse, but there is one. */
void relay_reports_set(struct relay_reports *reports, Cyphonic__RelayReport *const *messages,
                       size_t count);
void relay_reports_clear(struct relay_reports *reports);

/* Microseconds to the TRS, as far as known; at most RELAY_ROUND_TRIP_SILENT. */
uint32_t relay_reports_round_trip(const struct relay_reports *reports, const char *name);

#endif

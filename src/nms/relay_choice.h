/* Which TRS a pair of nodes gets, as a pure function. */
#ifndef CYPHONIC_NMS_RELAY_CHOICE_H
#define CYPHONIC_NMS_RELAY_CHOICE_H

#include "nms/relay_registry.h"
#include "nms/relay_reports.h"

/* Of the list that begins with `relays` (NULL: empty), the one with the least sum of both nodes'
 * round trips, as relay_reports_round_trip has them; of those with the same, the least loaded; then
 * the first. Never one of the `failed`. NULL: none is left. */
const struct relay *relay_choose(const struct relay *relays, const struct relay_reports *one,
                                 const struct relay_reports *other, char *const *failed,
                                 size_t failed_count);

#endif

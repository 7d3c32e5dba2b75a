#include "nms/relay_choice.h"

#include <stdbool.h>
#include <string.h>

static bool is_among(const char *name, char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) {
      return true;
    }
  }
  return false;
}

const struct relay *relay_choose(const struct relay *relays, const struct relay_reports *one,
                                 const struct relay_reports *other, char *const *failed,
                                 size_t failed_count) {
  const struct relay *best = NULL;
  uint32_t least = 0; /* two times RELAY_ROUND_TRIP_SILENT fit */
  for (const struct relay *relay = relays; relay != NULL; relay = relay->next) {
    if (is_among(relay->name, failed, failed_count)) {
      continue;
    }
    uint32_t sum =
        relay_reports_round_trip(one, relay->name) + relay_reports_round_trip(other, relay->name);
    if (best == NULL || sum < least || (sum == least && relay->pairs < best->pairs)) {
      best = relay;
      least = sum;
    }
  }
  return best;
}

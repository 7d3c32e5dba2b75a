#include "nms/relay_reports.h"

#include <stdlib.h>
#include <string.h>

void relay_reports_clear(struct relay_reports *reports) {
  free(reports->report);
  *reports = (struct relay_reports){0};
}

void relay_reports_set(struct relay_reports *reports, Cyphonic__RelayReport *const *messages,
                       size_t count) {
  relay_reports_clear(reports);
  if (count > RELAY_REPORTS_MAX) {
    count = RELAY_REPORTS_MAX;
  }
  if (count == 0) {
    return;
  }
  reports->report = calloc(count, sizeof(*reports->report));
  if (reports->report == NULL) {
    return;
  }
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(messages[i]->name);
    if (size == 0 || size >= PKI_NAME_SIZE) {
      continue;
    }
    struct relay_report *report = &reports->report[reports->count++];
    memcpy(report->name, messages[i]->name, size + 1);
    report->round_trip = messages[i]->round_trip;
  }
}

uint32_t relay_reports_round_trip(const struct relay_reports *reports, const char *name) {
  for (size_t i = 0; i < reports->count; i++) {
    const struct relay_report *report = &reports->report[i];
    if (strcmp(report->name, name) == 0) {
      return report->round_trip == 0 || report->round_trip > RELAY_ROUND_TRIP_SILENT
                 ? RELAY_ROUND_TRIP_SILENT
                 : report->round_trip;
    }
  }
  return RELAY_ROUND_TRIP_UNKNOWN;
}

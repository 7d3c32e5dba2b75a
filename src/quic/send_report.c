#include "quic/send_report.h"

#include <string.h>

#include "base/clock.h"

#define REPORT_INTERVAL (60 * NANOSECONDS_PER_SECOND)

unsigned send_report_look(struct send_report *report, const struct udp_counters *counters,
                          unsigned family, uint64_t now, const struct log *log) {
  unsigned lines = 0;
  if (counters->segmentation_off && !report->uncut) {
    report->uncut = true;
    lines++;
    log_info(log, "udp-segmentation-off",
             "family=IPv%u text=\"this kernel or device cuts no trains of packets: throughput is "
             "lower\"",
             family);
  }
  uint64_t barred = counters->barred - report->barred;
  if (barred > 0 && now >= report->due) {
    report->barred = counters->barred;
    report->due = now + REPORT_INTERVAL;
    lines++;
    log_info(log, "udp-refused", "family=IPv%u packets=%llu error=\"%s\"", family,
             (unsigned long long)barred, strerror(counters->barred_errno));
  }
  return lines;
}

#include "cli/ping_statistics.h"

void ping_statistics_add(struct ping_statistics *statistics, double milliseconds) {
  if (statistics->answered == 0 || milliseconds < statistics->minimum) {
    statistics->minimum = milliseconds;
  }
  if (statistics->answered == 0 || milliseconds > statistics->maximum) {
    statistics->maximum = milliseconds;
  }
  statistics->sum += milliseconds;
  statistics->answered++;
}

void ping_statistics_print(FILE *stream, const char *name,
                           const struct ping_statistics *statistics) {
  unsigned long lost = statistics->sent - statistics->answered;
  fprintf(stream, "%s: %lu sent, %lu answered, %.0f %% lost", name, statistics->sent,
          statistics->answered,
          statistics->sent > 0 ? 100.0 * (double)lost / (double)statistics->sent : 0.0);
  if (statistics->answered > 0) {
    fprintf(stream, ", rtt min/avg/max %.2f/%.2f/%.2f ms", statistics->minimum,
            statistics->sum / (double)statistics->answered, statistics->maximum);
  }
  fputc('\n', stream);
}

json_t *ping_statistics_json(const struct ping_statistics *statistics) {
  if (statistics->answered == 0) {
    return json_pack("{s:{s:I, s:I}}", "statistics", "sent", (json_int_t)statistics->sent,
                     "answered", (json_int_t)0);
  }
  return json_pack("{s:{s:I, s:I, s:f, s:f, s:f}}", "statistics", "sent",
                   (json_int_t)statistics->sent, "answered", (json_int_t)statistics->answered,
                   "min_ms", statistics->minimum, "avg_ms",
                   statistics->sum / (double)statistics->answered, "max_ms", statistics->maximum);
}

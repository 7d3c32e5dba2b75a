/* The figures at the end of `cyphonic ping`. Pure. */
#ifndef CYPHONIC_CLI_PING_STATISTICS_H
#define CYPHONIC_CLI_PING_STATISTICS_H

#include <jansson.h>
#include <stdio.h>

/* Zero-initialise. Times in milliseconds. */
struct ping_statistics {
  unsigned long sent, answered;
  double minimum, maximum, sum;
};

void ping_statistics_add(struct ping_statistics *statistics, double milliseconds);
void ping_statistics_print(FILE *stream, const char *name,
                           const struct ping_statistics *statistics);
/* {"statistics":{"sent","answered","min_ms","avg_ms","max_ms"}}; a new reference. */
json_t *ping_statistics_json(const struct ping_statistics *statistics);

#endif

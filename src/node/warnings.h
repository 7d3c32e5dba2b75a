/* What the operator should know although the node goes on: one text a kind, logged when it changes,
 * shown in the status until it is mended. */
#ifndef CYPHONIC_NODE_WARNINGS_H
#define CYPHONIC_NODE_WARNINGS_H

#include <jansson.h>

#include "base/log.h"

enum warning {
  WARNING_CLOCK,       /* this host's clock differs, or a certificate is outside its time */
  WARNING_CERTIFICATE, /* our own certificate ends soon or has ended */
  WARNING_OVERLAP,     /* a local network overlaps the virtual IPv4 range */
  WARNING_INTERFACE,   /* no TUN device */
  WARNING_RESOLVER,    /* no resolver */
  WARNING_STATE,       /* the state folder cannot be written */
  WARNING_COUNT
};

enum { WARNING_TEXT_SIZE = 512 };

/* Zero-initialise and set `log`. */
struct warnings {
  const struct log *log;
  char text[WARNING_COUNT][WARNING_TEXT_SIZE];
};

void warnings_set(struct warnings *warnings, enum warning kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void warnings_clear(struct warnings *warnings, enum warning kind);
/* A new array of texts. */
json_t *warnings_json(const struct warnings *warnings);

#endif

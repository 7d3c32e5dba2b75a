/* Why AS does not do what it was asked: a code and a text for the node, the cause for the operator.
 */
#ifndef CYPHONIC_AS_REFUSAL_H
#define CYPHONIC_AS_REFUSAL_H

#include <stdbool.h>

#include "base/error.h"
#include "cyphonic.pb-c.h"

struct as_refusal {
  Cyphonic__Error__Code code;
  char message[256];  /* for the person at the node: what failed and what to do */
  struct error cause; /* set when the fault is ours (UNAVAILABLE); never sent */
};

/* Fills `refusal`; returns false, so that a function refuses in one line. */
bool as_refuse(struct as_refusal *refusal, Cyphonic__Error__Code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* UNAVAILABLE, with the cause kept; returns false. */
bool as_refuse_fault(struct as_refusal *refusal, const struct error *cause);

#endif

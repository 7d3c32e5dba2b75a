#include "as/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool as_refuse(struct as_refusal *refusal, Cyphonic__Error__Code code, const char *format, ...) {
  memset(refusal, 0, sizeof(*refusal));
  refusal->code = code;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(refusal->message, sizeof(refusal->message), format, arguments);
  va_end(arguments);
  return false;
}

bool as_refuse_fault(struct as_refusal *refusal, const struct error *cause) {
  as_refuse(refusal, CYPHONIC__ERROR__CODE__UNAVAILABLE,
            "the service cannot do this just now; try again, and if it stays so, tell whoever runs "
            "the network");
  refusal->cause = *cause;
  return false;
}

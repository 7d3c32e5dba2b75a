/* Names that a device may have: one DNS label (RFC 1035 section 2.3.1, RFC 1123 section 2.1). */
#ifndef CYPHONIC_AS_DEVICE_NAME_H
#define CYPHONIC_AS_DEVICE_NAME_H

#include "base/error.h"
#include "store/store.h"

/* Writes the name in lower case. ERROR_INVALID, with what is wrong and what is allowed, unless it
 * has 1 to 63 of a-z, 0-9 and '-', no '-' at an end, and is not a name that services bear. */
int as_device_name(const char *wished, char name[static STORE_NAME_SIZE],
                   struct error *error) MUST_CHECK;

#endif

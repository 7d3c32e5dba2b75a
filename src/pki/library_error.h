/* What GnuTLS says when it refuses, in our terms. For pki/ alone. */
#ifndef CYPHONIC_PKI_LIBRARY_ERROR_H
#define CYPHONIC_PKI_LIBRARY_ERROR_H

#include "base/error.h"

/* Fills `error` with the message and the text of `status`, a negative GnuTLS code. Returns `code`,
 * or ERROR_NO_MEMORY where that is what GnuTLS met. */
int pki_library_error(struct error *error, enum error_code code, int status, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

#endif

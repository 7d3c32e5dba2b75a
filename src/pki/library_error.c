#include "pki/library_error.h"

#include <gnutls/gnutls.h>
#include <stdarg.h>
#include <stdio.h>

int pki_library_error(struct error *error, enum error_code code, int status, const char *format,
                      ...) {
  char message[sizeof(error->message)];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  return error_set(error, status == GNUTLS_E_MEMORY_ERROR ? ERROR_NO_MEMORY : code, "%s: %s",
                   message, gnutls_strerror(status));
}

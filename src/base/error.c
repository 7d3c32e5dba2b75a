#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, enum error_code code, const char *format, ...) {
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
  }
  return code;
}

static enum error_code code_of_errno(int errno_value) {
  switch (errno_value) {
  case EACCES:
  case EPERM:
    return ERROR_PERMISSION;
  case ENOENT:
    return ERROR_NOT_FOUND;
  case EEXIST:
  case EADDRINUSE:
    return ERROR_EXISTS;
  case ENOMEM:
    return ERROR_NO_MEMORY;
  case ENETUNREACH:
  case EHOSTUNREACH:
    return ERROR_UNREACHABLE;
  default:
    return ERROR_SYSTEM;
  }
}

int error_set_errno(struct error *error, int errno_value, const char *format, ...) {
  enum error_code code = code_of_errno(errno_value);
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    /* The reason is worth more than the end of a long message. */
    char reason[128];
    snprintf(reason, sizeof(reason), ": %s", strerror(errno_value));
    size_t reason_size = strlen(reason), size = strlen(error->message);
    if (size + reason_size >= sizeof(error->message)) {
      size = sizeof(error->message) - reason_size - 1;
    }
    memcpy(error->message + size, reason, reason_size + 1);
  }
  return code;
}

int error_prefix(struct error *error, const char *format, ...) {
  if (error == NULL) {
    return ERROR_SYSTEM;
  }
  char prefix[sizeof(error->message)];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(prefix, sizeof(prefix), format, arguments);
  va_end(arguments);
  size_t prefix_size = strlen(prefix);
  size_t room = sizeof(error->message) - prefix_size - 1;
  size_t size = strlen(error->message);
  if (size > room) {
    size = room;
  }
  memmove(error->message + prefix_size, error->message, size);
  memcpy(error->message, prefix, prefix_size);
  error->message[prefix_size + size] = '\0';
  return error->code;
}

const char *error_name(int code) {
  switch ((enum error_code)code) {
  case ERROR_NONE:
    return "none";
  case ERROR_NO_MEMORY:
    return "no-memory";
  case ERROR_INVALID:
    return "invalid";
  case ERROR_CONFIG:
    return "config";
  case ERROR_NOT_FOUND:
    return "not-found";
  case ERROR_EXISTS:
    return "exists";
  case ERROR_PERMISSION:
    return "permission";
  case ERROR_EXPIRED:
    return "expired";
  case ERROR_CERTIFICATE:
    return "certificate";
  case ERROR_TLS:
    return "tls";
  case ERROR_PROTOCOL:
    return "protocol";
  case ERROR_DATABASE:
    return "database";
  case ERROR_SYSTEM:
    return "system";
  case ERROR_UNREACHABLE:
    return "unreachable";
  case ERROR_TIMEOUT:
    return "timeout";
  case ERROR_CLOSED:
    return "closed";
  case ERROR_LIMIT:
    return "limit";
  case ERROR_AGAIN:
    return "again";
  case ERROR_RELAY:
    return "relay";
  }
  return "unknown";
}

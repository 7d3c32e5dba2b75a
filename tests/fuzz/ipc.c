/* A line on the daemon's local socket. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/main/ipc_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size >= IPC_LINE_MAX) {
    return 0;
  }
  struct ipc_request request;
  struct error error = {0};
  char *line;
  if (ipc_request_parse((const char *)data, size, &request, &error) == ERROR_NONE) {
    if (request.command == IPC_JOIN && request.invitation[0] == '\0') {
      abort();
    }
    line = ipc_success(NULL);
  } else {
    line = ipc_failure(error.code, error.message);
  }
  if (line == NULL || strchr(line, '\n') != line + strlen(line) - 1) {
    abort();
  }
  free(line);
  return 0;
}

#include "server/server_paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char *const names[SERVER_FILE_COUNT] = {
    [SERVER_ROOT_CERTIFICATE] = "ca/root.crt",
    [SERVER_ROOT_KEY] = "ca/root.key",
    [SERVER_INTERMEDIATE_CERTIFICATE] = "ca/intermediate.crt",
    [SERVER_INTERMEDIATE_KEY] = "ca/intermediate.key",
    [SERVER_AS_CERTIFICATE] = "service/as.crt",
    [SERVER_AS_KEY] = "service/as.key",
    [SERVER_NMS_CERTIFICATE] = "service/nms.crt",
    [SERVER_NMS_KEY] = "service/nms.key",
    [SERVER_TRS_CERTIFICATE] = "service/trs.crt",
    [SERVER_TRS_KEY] = "service/trs.key",
    [SERVER_SECRET] = "quic.secret",
    [SERVER_DATABASE] = "network.db",
    [SERVER_CA_FOLDER] = "ca",
    [SERVER_SERVICE_FOLDER] = "service",
};

int server_paths_make(const char *state, struct server_paths *paths, struct error *error) {
  memset(paths, 0, sizeof(*paths));
  for (size_t i = 0; i < SERVER_FILE_COUNT; i++) {
    paths->path[i] = file_path(state, names[i]);
    if (paths->path[i] == NULL) {
      server_paths_clear(paths);
      return error_set(error, ERROR_NO_MEMORY, "no memory for the paths of the state folder");
    }
  }
  return ERROR_NONE;
}

void server_paths_clear(struct server_paths *paths) {
  for (size_t i = 0; i < SERVER_FILE_COUNT; i++) {
    free(paths->path[i]);
  }
  memset(paths, 0, sizeof(*paths));
}

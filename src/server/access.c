#include "server/access.h"

#include <string.h>

int server_access_open(const char *config, bool read_only, struct server_access *access,
                       struct error *error) {
  memset(access, 0, sizeof(*access));
  int code = server_config_load(config, &access->config, error);
  if (code == ERROR_NOT_FOUND) {
    return error_set(error, ERROR_NOT_FOUND,
                     "there is no configuration %s; make a network with 'cyphonic-server init', or "
                     "name its file with --config",
                     config);
  }
  if (code == ERROR_NONE) {
    code = server_paths_make(access->config.state, &access->paths, error);
  }
  if (code == ERROR_NONE) {
    code = store_open(access->paths.path[SERVER_DATABASE], read_only, &access->store, error);
  }
  if (code != ERROR_NONE) {
    server_access_close(access);
  }
  return code;
}

void server_access_close(struct server_access *access) {
  if (access->store != NULL) {
    store_close(access->store);
  }
  server_paths_clear(&access->paths);
  server_config_clear(&access->config);
  memset(access, 0, sizeof(*access));
}

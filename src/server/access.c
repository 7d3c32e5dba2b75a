#include "server/access.h"

#include <string.h>

static int files_open(const char *config, struct server_access *access, struct error *error) {
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
  return code;
}

static bool is_relay_alone(const struct server_access *access) {
  return !access->config.as_enabled && !access->config.nms_enabled;
}

static int database_open(bool read_only, struct server_access *access, struct error *error) {
  int code = store_open(access->paths.path[SERVER_DATABASE], read_only, &access->store, error);
  if (code == ERROR_NOT_FOUND && is_relay_alone(access)) {
    code = error_set(error, ERROR_NOT_FOUND,
                     "this server is a relay alone, and has no database of the network; do this on "
                     "the host of its AS");
  }
  return code;
}

int server_access_open(const char *config, bool read_only, struct server_access *access,
                       struct error *error) {
  int code = files_open(config, access, error);
  if (code == ERROR_NONE) {
    code = database_open(read_only, access, error);
  }
  if (code != ERROR_NONE) {
    server_access_close(access);
  }
  return code;
}

int server_access_open_to_run(const char *config, struct server_access *access,
                              struct error *error) {
  int code = files_open(config, access, error);
  if (code == ERROR_NONE && !is_relay_alone(access)) {
    code = database_open(false, access, error);
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

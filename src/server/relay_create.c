#include "server/relay_create.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "pki/ca.h"
#include "server/made.h"
#include "server/quic_secret.h"
#include "server/server_config.h"

enum { STATE_MODE = 0700, FILE_MODE = 0644, CERTIFICATE_MAX = 65536 };

static int path_free(const char *path, struct error *error) {
  struct stat status;
  if (lstat(path, &status) == 0) {
    return error_set(error, ERROR_EXISTS,
                     "%s exists already, and nothing is overwritten; use another --out", path);
  }
  if (errno != ENOENT) {
    return error_set_errno(error, errno, "cannot look at %s", path);
  }
  return ERROR_NONE;
}

static int all_free(const struct server_paths *paths, const char *config, struct error *error) {
  for (size_t i = 0; i < SERVER_CA_FOLDER; i++) {
    int code = path_free(paths->path[i], error);
    if (code != ERROR_NONE) {
      return code;
    }
  }
  return path_free(config, error);
}

static int folders_make(const struct relay_plan *plan, const struct server_paths *paths,
                        struct made *made, struct error *error) {
  const char *const folders[] = {plan->folder, paths->path[SERVER_CA_FOLDER],
                                 paths->path[SERVER_SERVICE_FOLDER]};
  for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
    int code = made_folder(made, folders[i], STATE_MODE, error);
    if (code != ERROR_NONE) {
      return code;
    }
  }
  return ERROR_NONE;
}

static int root_load(const struct relay_plan *plan, struct pki_ca **root, struct error *error) {
  const char *key = plan->network->path[SERVER_ROOT_KEY];
  int code = pki_ca_load(plan->network->path[SERVER_ROOT_CERTIFICATE], key, root, error);
  struct stat status;
  if (code != ERROR_NONE && stat(key, &status) != 0 && errno == ENOENT) {
    return error_set(error, ERROR_NOT_FOUND,
                     "the root's key %s is not here, and a relay's certificate needs it: bring it "
                     "back for this, and take it away again afterwards",
                     key);
  }
  return code;
}

static int certificate_make(const struct relay_plan *plan, const struct server_paths *paths,
                            const struct pki_ca *root, struct made *made, struct error *error) {
  int code = made_file(made, paths->path[SERVER_TRS_CERTIFICATE], error);
  if (code == ERROR_NONE) {
    code = made_file(made, paths->path[SERVER_TRS_KEY], error);
  }
  if (code == ERROR_NONE) {
    code = pki_issue_service(root, PKI_TRS, plan->name, plan->now,
                             paths->path[SERVER_SERVICE_FOLDER], error);
  }
  return code;
}

static int root_copy(const struct relay_plan *plan, const struct server_paths *paths,
                     struct made *made, struct error *error) {
  uint8_t *data;
  size_t size;
  int code =
      file_read(plan->network->path[SERVER_ROOT_CERTIFICATE], CERTIFICATE_MAX, &data, &size, error);
  if (code != ERROR_NONE) {
    return code;
  }
  code = made_file(made, paths->path[SERVER_ROOT_CERTIFICATE], error);
  if (code == ERROR_NONE) {
    code = file_create(paths->path[SERVER_ROOT_CERTIFICATE], data, size, FILE_MODE, error);
  }
  free(data);
  return code;
}

static int config_make(const struct relay_plan *plan, const char *path, struct made *made,
                       struct error *error) {
  char *text = server_config_relay_text(plan->state, plan->public_hosts, plan->public_count,
                                        plan->port, plan->nms, plan->nms_count);
  if (text == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for the configuration");
  }
  /* Read back before it is written: what the server would refuse must not be left to it. */
  struct server_config config;
  int code = server_config_parse(path, text, &config, error);
  if (code == ERROR_NONE && strcmp(config.state, plan->state) != 0) {
    code = error_set(error, ERROR_CONFIG,
                     "the path '%s' has characters that a configuration file cannot hold",
                     plan->state);
  }
  server_config_clear(&config);
  if (code == ERROR_NONE) {
    code = made_file(made, path, error);
  }
  if (code == ERROR_NONE) {
    code = file_create(path, text, strlen(text), FILE_MODE, error);
  }
  free(text);
  return code;
}

static int all_make(const struct relay_plan *plan, const struct server_paths *paths,
                    const char *config, struct made *made, struct error *error) {
  struct pki_ca *root = NULL;
  int code = all_free(paths, config, error);
  if (code == ERROR_NONE) {
    code = root_load(plan, &root, error);
  }
  if (code == ERROR_NONE) {
    code = folders_make(plan, paths, made, error);
  }
  if (code == ERROR_NONE) {
    code = certificate_make(plan, paths, root, made, error);
  }
  if (code == ERROR_NONE) {
    code = root_copy(plan, paths, made, error);
  }
  if (code == ERROR_NONE) {
    code = quic_secret_make(paths->path[SERVER_SECRET], made, error);
  }
  if (code == ERROR_NONE) {
    code = config_make(plan, config, made, error);
  }
  pki_ca_free(root);
  return code;
}

int relay_create(const struct relay_plan *plan, struct error *error) {
  struct server_paths paths;
  int code = server_paths_make(plan->folder, &paths, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct made made = {0};
  char *config = file_path(plan->folder, RELAY_CONFIG_NAME);
  if (config == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "no memory for a path");
  } else {
    code = all_make(plan, &paths, config, &made, error);
  }
  if (code != ERROR_NONE) {
    made_undo(&made);
  }
  made_clear(&made);
  free(config);
  server_paths_clear(&paths);
  return code;
}

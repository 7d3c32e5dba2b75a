#include "server/network_create.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "pki/ca.h"
#include "server/made.h"
#include "server/quic_secret.h"
#include "server/server_config.h"
#include "server/server_paths.h"

enum { STATE_MODE = 0700, CONFIG_FOLDER_MODE = 0755, CONFIG_MODE = 0644 };

static int path_free(const char *path, struct error *error) {
  struct stat status;
  if (lstat(path, &status) == 0) {
    return error_set(error, ERROR_EXISTS,
                     "%s exists already: a network has been made here, and nothing of it is "
                     "overwritten. Use another --state and --config for a second one",
                     path);
  }
  if (errno != ENOENT) {
    return error_set_errno(error, errno, "cannot look at %s", path);
  }
  return ERROR_NONE;
}

static int all_free(const struct network_plan *plan, const struct server_paths *paths,
                    struct error *error) {
  for (size_t i = 0; i < SERVER_CA_FOLDER; i++) {
    int code = path_free(paths->path[i], error);
    if (code != ERROR_NONE) {
      return code;
    }
  }
  return path_free(plan->config, error);
}

static int folders_make(const struct network_plan *plan, const struct server_paths *paths,
                        struct made *made, struct error *error) {
  const char *const folders[] = {plan->state, paths->path[SERVER_CA_FOLDER],
                                 paths->path[SERVER_SERVICE_FOLDER]};
  for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
    int code = made_folder(made, folders[i], STATE_MODE, error);
    if (code != ERROR_NONE) {
      return code;
    }
  }
  char *folder = strdup(plan->config);
  if (folder == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a path");
  }
  int code = ERROR_NONE;
  char *slash = strrchr(folder, '/');
  if (slash != NULL && slash != folder) {
    *slash = '\0';
    code = made_folder(made, folder, CONFIG_FOLDER_MODE, error);
  }
  free(folder);
  return code;
}

/* Notes two files that are about to be made. */
static int note_pair(struct made *made, const struct server_paths *paths, size_t first,
                     struct error *error) {
  int code = made_file(made, paths->path[first], error);
  return code != ERROR_NONE ? code : made_file(made, paths->path[first + 1], error);
}

static int service_make(const struct network_plan *plan, const struct server_paths *paths,
                        const struct pki_ca *root, enum pki_purpose purpose, const char *label,
                        size_t file, struct made *made, struct error *error) {
  char name[PKI_NAME_SIZE];
  int size = snprintf(name, sizeof(name), "%s.%s", label, plan->network.domain);
  if (size < 0 || (size_t)size >= sizeof(name)) {
    return error_set(error, ERROR_CONFIG, "the domain '%s' is too long", plan->network.domain);
  }
  int code = note_pair(made, paths, file, error);
  if (code == ERROR_NONE) {
    code = pki_issue_service(root, purpose, name, plan->now, paths->path[SERVER_SERVICE_FOLDER],
                             error);
  }
  return code;
}

static int authorities_make(const struct network_plan *plan, const struct server_paths *paths,
                            struct made *made, struct error *error) {
  struct pki_ca *root = NULL, *intermediate = NULL;
  int code = pki_root_new(plan->network.domain, plan->now, &root, error);
  if (code != ERROR_NONE) {
    return code;
  }
  code = note_pair(made, paths, SERVER_ROOT_CERTIFICATE, error);
  if (code == ERROR_NONE) {
    code = pki_ca_save(root, paths->path[SERVER_ROOT_CERTIFICATE], paths->path[SERVER_ROOT_KEY],
                       error);
  }
  if (code == ERROR_NONE) {
    code = pki_intermediate_new(root, plan->network.domain, plan->now, &intermediate, error);
  }
  if (code == ERROR_NONE) {
    code = note_pair(made, paths, SERVER_INTERMEDIATE_CERTIFICATE, error);
  }
  if (code == ERROR_NONE) {
    code = pki_ca_save(intermediate, paths->path[SERVER_INTERMEDIATE_CERTIFICATE],
                       paths->path[SERVER_INTERMEDIATE_KEY], error);
  }
  if (code == ERROR_NONE) {
    code = service_make(plan, paths, root, PKI_AS, "as", SERVER_AS_CERTIFICATE, made, error);
  }
  if (code == ERROR_NONE) {
    code = service_make(plan, paths, root, PKI_NMS, "nms", SERVER_NMS_CERTIFICATE, made, error);
  }
  if (code == ERROR_NONE) {
    code = service_make(plan, paths, root, PKI_TRS, "trs", SERVER_TRS_CERTIFICATE, made, error);
  }
  pki_ca_free(intermediate);
  pki_ca_free(root);
  return code;
}

static int database_make(const struct network_plan *plan, const struct server_paths *paths,
                         struct made *made, struct error *error) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  const char *path = paths->path[SERVER_DATABASE];
  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
    char *name = NULL;
    if (asprintf(&name, "%s%s", path, suffixes[i]) < 0) {
      return error_set(error, ERROR_NO_MEMORY, "no memory for a path");
    }
    int code = made_file(made, name, error);
    free(name);
    if (code != ERROR_NONE) {
      return code;
    }
  }
  struct store *store;
  int code = store_create(path, &plan->network, &store, error);
  if (code == ERROR_NONE) {
    store_close(store);
  }
  return code;
}

static int config_make(const struct network_plan *plan, struct made *made, struct error *error) {
  char *text = server_config_text(plan->state, plan->public_hosts, plan->public_count, plan->port);
  if (text == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for the configuration");
  }
  /* Read back before it is written: what the server would refuse must not be left to it. */
  struct server_config config;
  int code = server_config_parse(plan->config, text, &config, error);
  if (code == ERROR_NONE && strcmp(config.state, plan->state) != 0) {
    code = error_set(error, ERROR_CONFIG,
                     "the path '%s' has characters that a configuration file cannot hold",
                     plan->state);
  }
  server_config_clear(&config);
  if (code == ERROR_NONE) {
    code = made_file(made, plan->config, error);
  }
  if (code == ERROR_NONE) {
    code = file_create(plan->config, text, strlen(text), CONFIG_MODE, error);
  }
  free(text);
  return code;
}

int network_create(const struct network_plan *plan, struct error *error) {
  struct server_paths paths;
  int code = server_paths_make(plan->state, &paths, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct made made = {0};
  code = all_free(plan, &paths, error);
  if (code != ERROR_NONE) {
    goto out;
  }
  code = folders_make(plan, &paths, &made, error);
  if (code == ERROR_NONE) {
    code = authorities_make(plan, &paths, &made, error);
  }
  if (code == ERROR_NONE) {
    code = quic_secret_make(paths.path[SERVER_SECRET], &made, error);
  }
  if (code == ERROR_NONE) {
    code = database_make(plan, &paths, &made, error);
  }
  if (code == ERROR_NONE) {
    code = made_give_away(&made, plan->state, error);
  }
  if (code == ERROR_NONE) {
    /* Last: where it is, the network is whole. */
    code = config_make(plan, &made, error);
  }
  if (code != ERROR_NONE) {
    made_undo(&made);
  }
out:
  made_clear(&made);
  server_paths_clear(&paths);
  return code;
}

/* Where a server keeps what: the files of its state folder. */
#ifndef CYPHONIC_SERVER_SERVER_PATHS_H
#define CYPHONIC_SERVER_SERVER_PATHS_H

#include "base/error.h"
#include "pki/identity.h"

#define SERVER_CONFIG_PATH  "/etc/cyphonic/server.conf"
#define SERVER_STATE_FOLDER "/var/lib/cyphonic-server"

enum server_file {
  SERVER_ROOT_CERTIFICATE,
  SERVER_ROOT_KEY,
  SERVER_INTERMEDIATE_CERTIFICATE,
  SERVER_INTERMEDIATE_KEY,
  SERVER_AS_CERTIFICATE,
  SERVER_AS_KEY,
  SERVER_NMS_CERTIFICATE,
  SERVER_NMS_KEY,
  SERVER_TRS_CERTIFICATE,
  SERVER_TRS_KEY,
  SERVER_SECRET,
  SERVER_DATABASE,
  SERVER_CA_FOLDER,
  SERVER_SERVICE_FOLDER,
  SERVER_FILE_COUNT,
};

/* All paths of a state folder; each string is owned. */
struct server_paths {
  char *path[SERVER_FILE_COUNT];
};

int server_paths_make(const char *state, struct server_paths *paths,
                      struct error *error) MUST_CHECK;
void server_paths_clear(struct server_paths *paths);

#endif

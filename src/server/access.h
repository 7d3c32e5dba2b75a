/* How the operator's commands reach the network: configuration and database of this host. A running
 * server and they use the database at the same time. */
#ifndef CYPHONIC_SERVER_ACCESS_H
#define CYPHONIC_SERVER_ACCESS_H

#include <stdbool.h>

#include "base/error.h"
#include "server/server_config.h"
#include "server/server_paths.h"
#include "store/store.h"

struct server_access {
  struct server_config config;
  struct server_paths paths;
  struct store *store;
};

/* A missing configuration says how to make one. On failure nothing stays open. */
int server_access_open(const char *config, bool read_only, struct server_access *access,
                       struct error *error) MUST_CHECK;
/* For a server that is to run: a TRS alone has no database, and `store` is NULL. */
int server_access_open_to_run(const char *config, struct server_access *access,
                              struct error *error) MUST_CHECK;
void server_access_close(struct server_access *access);

#endif

/* qlog: one file a connection, named by its first Connection ID, for debugging
 * (docs/operations.md). */
#include <stdio.h>

#include "quic/connection_internal.h"

static void qlog_write(void *user_data, uint32_t flags UNUSED, const void *data, size_t size) {
  struct quic_connection *connection = user_data;
  if (connection->qlog != NULL) {
    fwrite(data, 1, size, connection->qlog);
  }
}

void qlog_open(struct quic_connection *connection, const ngtcp2_cid *id,
               ngtcp2_settings *settings) {
  const char *folder = connection->endpoint->qlog_folder;
  if (folder == NULL) {
    return;
  }
  char name[2 * NGTCP2_MAX_CIDLEN + 1] = "";
  for (size_t i = 0; i < id->datalen; i++) {
    snprintf(name + 2 * i, 3, "%02x", id->data[i]);
  }
  char path[4096];
  if (snprintf(path, sizeof(path), "%s/%s-%s.sqlog", folder, name,
               connection->is_client ? "client" : "server") >= (int)sizeof(path)) {
    return;
  }
  connection->qlog = fopen(path, "we");
  if (connection->qlog == NULL) {
    log_warning(connection->endpoint->log, "qlog-not-written", "path=%s", path);
    return;
  }
  settings->qlog_write = qlog_write;
}

void qlog_close(struct quic_connection *connection) {
  if (connection->qlog != NULL) {
    fclose(connection->qlog);
    connection->qlog = NULL;
  }
}

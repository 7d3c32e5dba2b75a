#include <string.h>

#include "store/internal.h"

int store_connection_put(struct store *store, int64_t device_id,
                         const struct store_connection *connection, struct error *error) {
  struct sql_statement *statement;
  /* The WHERE spares the disk a synchronisation when a node registers again unchanged. */
  int code = sql_prepare(
      store->sql,
      "INSERT INTO connections (device_id, ip, port, connection_id) VALUES (?1, ?2, ?3, ?4) "
      "ON CONFLICT (device_id) DO UPDATE SET ip = excluded.ip, port = excluded.port, "
      "connection_id = excluded.connection_id "
      "WHERE connections.ip <> excluded.ip OR connections.port <> excluded.port "
      "OR connections.connection_id <> excluded.connection_id",
      &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, device_id);
  store_bind_ip(statement, 2, &connection->remote.ip);
  sql_bind_integer(statement, 3, connection->remote.port);
  sql_bind_bytes(statement, 4, connection->id, connection->id_size);
  return sql_run(statement, error);
}

static int read_row(struct store *store, struct sql_statement *statement,
                    struct store_connection *connection, struct error *error) {
  memset(connection, 0, sizeof(*connection));
  int code = store_read_ip(store, statement, 0, &connection->remote.ip, error);
  struct span id = sql_bytes(statement, 2);
  if (code == 0 && (id.size == 0 || id.size > sizeof(connection->id))) {
    code = error_set(error, ERROR_DATABASE, "%s: a connection has an id of %zu bytes",
                     sql_path(store->sql), id.size);
  }
  if (code == 0) {
    connection->remote.port = (uint16_t)sql_integer(statement, 1);
    memcpy(connection->id, id.data, id.size);
    connection->id_size = id.size;
  }
  return code;
}

int store_connections_take(struct store *store, store_connection_visitor visitor, void *context,
                           struct error *error) {
  struct sql_statement *statement;
  int code =
      sql_prepare(store->sql, "SELECT ip, port, connection_id FROM connections", &statement, error);
  if (code != 0) {
    return code;
  }
  while ((code = sql_step(statement, error)) > 0) {
    struct store_connection connection;
    code = read_row(store, statement, &connection, error);
    if (code == 0) {
      code = visitor(&connection, context);
    }
    if (code != 0) {
      break;
    }
  }
  sql_reset(statement);
  return code != 0 ? code : store_connections_clear(store, error);
}

int store_connections_clear(struct store *store, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql, "DELETE FROM connections", &statement, error);
  return code != 0 ? code : sql_run(statement, error);
}

int store_connection_remove(struct store *store, int64_t device_id, struct error *error) {
  struct sql_statement *statement;
  int code =
      sql_prepare(store->sql, "DELETE FROM connections WHERE device_id = ?1", &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, device_id);
  return sql_run(statement, error);
}

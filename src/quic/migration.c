/* A client that moves its connection to another route (RFC 9000 section 9; design 4). */
#include "base/clock.h"
#include "quic/connection_internal.h"

int quic_connection_migrate(struct quic_connection *connection, const struct address *remote,
                            bool immediately) {
  if (!connection->is_client) {
    return ERROR_INVALID;
  }
  if (connection->state != CONNECTION_ESTABLISHED) {
    return connection->state == CONNECTION_HANDSHAKE ? ERROR_AGAIN : ERROR_CLOSED;
  }
  if (connection->in_library || (connection->moving != 0 && !immediately)) {
    return ERROR_AGAIN;
  }
  uint64_t now = clock_now();
  if (now > connection->time) {
    connection->time = now;
  }
  struct route *route =
      route_table_move(&connection->routes, remote, connection->current_route, connection->time);
  if (route == NULL) { /* it is there already */
    return ERROR_EXISTS;
  }
  struct virtual_path path;
  route_path(route, &path);
  int status =
      immediately
          ? ngtcp2_conn_initiate_immediate_migration(connection->conn, &path.path, connection->time)
          : ngtcp2_conn_initiate_migration(connection->conn, &path.path, connection->time);
  if (status != 0) {
    route->number = 0;
    return ERROR_AGAIN;
  }
  connection->moving = route->number;
  connection->moved = MOVE_UNDECIDED;
  connection->unanswered = 0;
  endpoint_mark_ready(connection->endpoint, connection);
  return 0;
}

void migration_settle(struct quic_connection *connection) {
  if (connection->moving == 0 || connection->moved == MOVE_UNDECIDED) {
    return;
  }
  bool success = connection->moved == MOVE_DONE;
  connection->moving = 0;
  connection->moved = MOVE_UNDECIDED;
  if (connection->state == CONNECTION_ESTABLISHED && connection->handler.migrated != NULL) {
    connection->handler.migrated(connection, success, connection->context);
  }
}

uint64_t quic_connection_silence(const struct quic_connection *connection, uint64_t now) {
  return connection->unanswered == 0 || now < connection->unanswered ? 0
                                                                     : now - connection->unanswered;
}

uint64_t quic_connection_probe_timeout(const struct quic_connection *connection) {
  return ngtcp2_conn_get_pto(connection->conn);
}

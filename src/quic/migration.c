/* A client that moves its connection to another route (RFC 9000 section 9; design 4). */
#include "base/clock.h"
#include "net/source.h"
#include "quic/connection_internal.h"

/* That of a move made in this turn of the loop, of which current_route does not know yet. */
static uint16_t present_route(const struct quic_connection *connection) {
  return route_number(ngtcp2_conn_get_path(connection->conn));
}

static int begin_move(struct quic_connection *connection, const struct address *remote,
                      bool immediately) {
  if (connection->in_library) {
    return ERROR_AGAIN;
  }
  uint64_t now = clock_now();
  if (now > connection->time) {
    connection->time = now;
  }
  struct route_table before = connection->routes;
  struct route *route =
      route_table_move(&connection->routes, remote, present_route(connection), connection->time);
  if (route == NULL) { /* it is there already */
    return ERROR_EXISTS;
  }
  struct virtual_path path;
  route_path(route, &path);
  uint64_t probe_timeout = quic_connection_probe_timeout(connection);
  int status =
      immediately
          ? ngtcp2_conn_initiate_immediate_migration(connection->conn, &path.path, connection->time)
          : ngtcp2_conn_initiate_migration(connection->conn, &path.path, connection->time);
  if (status != 0) {
    connection->routes = before;
    return ERROR_AGAIN;
  }
  if (immediately) {
    connection->probe_timeout = probe_timeout;
  }
  connection->moving = route->number;
  connection->moved = MOVE_UNDECIDED;
  connection->unanswered = 0;
  endpoint_mark_ready(connection->endpoint, connection);
  return 0;
}

/* The trial of another address of ours is over. One that failed leaves us where we were. */
static void end_trial(struct quic_connection *connection, uint16_t tried, bool stay) {
  struct route *held = route_table_by_number(&connection->routes, connection->held);
  struct route *other = route_table_by_number(&connection->routes, tried);
  connection->held = 0;
  if (held != NULL) {
    held->pinned = stay;
    held->left = !stay;
  }
  if (other != NULL && other->number != connection->current_route &&
      other->number != connection->moving) {
    other->number = 0;
  }
}

int quic_connection_migrate(struct quic_connection *connection, const struct address *remote,
                            bool immediately) {
  if (!connection->is_client) {
    return ERROR_INVALID;
  }
  if (connection->state != CONNECTION_ESTABLISHED) {
    return connection->state == CONNECTION_HANDSHAKE ? ERROR_AGAIN : ERROR_CLOSED;
  }
  if (connection->moving != 0 && !immediately) {
    return ERROR_AGAIN;
  }
  uint16_t tried = connection->moving;
  int code = begin_move(connection, remote, immediately);
  if (code == 0 && connection->held != 0) {
    end_trial(connection, tried, false);
  }
  return code;
}

bool quic_connection_can_hold(const struct quic_connection *connection) {
  const struct route *route = connection_route(connection);
  if (route == NULL || route->local.family == 0) {
    return false;
  }
  struct ip_address source = source_towards(&route->remote, route->interface);
  return ip_address_equal(&source, &route->local);
}

bool quic_connection_is_holding(const struct quic_connection *connection) {
  const struct route *route = connection_route(connection);
  return route != NULL && route->pinned;
}

void quic_connection_hold(struct quic_connection *connection) {
  struct route *route = route_table_by_number(&connection->routes, connection->current_route);
  if (!connection->is_client && route != NULL) {
    route->pinned = quic_connection_can_hold(connection);
  }
}

int quic_connection_readdress(struct quic_connection *connection, bool hold) {
  struct route_table *routes = &connection->routes;
  if (connection->state != CONNECTION_ESTABLISHED) {
    return connection->state == CONNECTION_HANDSHAKE ? ERROR_AGAIN : ERROR_CLOSED;
  }
  if (!connection->is_client) {
    route_table_forget_local(routes);
    return 0;
  }
  struct route *present = route_table_by_number(routes, present_route(connection));
  if (present == NULL || (hold && connection->moving != 0 && connection->held == 0)) {
    return ERROR_AGAIN;
  }
  if (connection->in_library) {
    return ERROR_AGAIN;
  }
  if (!hold && !present->pinned) {
    /* The peer may have heard us from the new address already, and ask there whether it is ours:
     * the library drops its answers for a path that is left, and the peer asks again after a
     * second. */
    (void)connection_write_due(connection, clock_now());
    if (connection->state != CONNECTION_ESTABLISHED) {
      return ERROR_CLOSED;
    }
  }
  /* The same remote by a new route, which ngtcp2 sees as a new path. */
  struct address remote = present->remote;
  struct route before = *present;
  present->left = true;
  present->pinned = hold;
  int code = begin_move(connection, &remote, !hold);
  if (code != 0) {
    present->left = before.left;
    present->pinned = before.pinned;
  } else {
    connection->held = hold ? before.number : 0;
  }
  return code;
}

void migration_settle(struct quic_connection *connection) {
  if (connection->moving == 0 || connection->moved == MOVE_UNDECIDED) {
    return;
  }
  bool success = connection->moved == MOVE_DONE;
  uint16_t tried = connection->moving;
  connection->moving = 0;
  connection->moved = MOVE_UNDECIDED;
  if (connection->held != 0) {
    end_trial(connection, tried, !success);
  }
  if (connection->state == CONNECTION_ESTABLISHED && connection->handler.migrated != NULL) {
    connection->handler.migrated(connection, success, connection->context);
  }
}

bool quic_connection_is_moving(const struct quic_connection *connection) {
  return connection->moving != 0;
}

uint64_t quic_connection_silence(const struct quic_connection *connection, uint64_t now) {
  return connection->unanswered == 0 || now < connection->unanswered ? 0
                                                                     : now - connection->unanswered;
}

void quic_connection_await_answer(struct quic_connection *connection) {
  connection->answer_awaited = true;
}

static uint64_t present_wait(const struct quic_connection *connection, uint64_t now) {
  return connection->asked == 0 || now < connection->asked ? 0 : now - connection->asked;
}

static bool has_waited_lately(const struct quic_connection *connection, uint64_t now) {
  return connection->waited_until != 0 && now < connection->waited_until + NANOSECONDS_PER_SECOND;
}

void connection_begin_wait(struct quic_connection *connection, uint64_t now) {
  if (connection->unanswered == 0) {
    connection->unanswered = now;
  }
  if (connection->asked == 0) {
    connection->asked = now;
  }
}

void connection_end_wait(struct quic_connection *connection, uint64_t now) {
  uint64_t waited = present_wait(connection, now);
  connection->unanswered = connection->asked = 0;
  if (waited > 0 && (waited >= connection->waited || !has_waited_lately(connection, now))) {
    connection->waited = waited;
    connection->waited_until = now;
  }
}

uint64_t quic_connection_take_wait(struct quic_connection *connection, uint64_t now) {
  uint64_t longest = present_wait(connection, now);
  if (has_waited_lately(connection, now) && connection->waited > longest) {
    longest = connection->waited;
  }
  connection->waited = connection->waited_until = 0;
  if (connection->asked != 0) {
    connection->asked = now;
  }
  return longest;
}

uint64_t quic_connection_probe_timeout(const struct quic_connection *connection) {
  return connection->probe_timeout != 0 ? connection->probe_timeout
                                        : ngtcp2_conn_get_pto(connection->conn);
}

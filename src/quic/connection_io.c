/* Packets in and out of one connection. */
#include "quic/connection_internal.h"

enum { PIECES_MAX = 8 };

uint64_t connection_time(struct quic_connection *connection, uint64_t now) {
  if (now > connection->time) {
    connection->time = now;
  }
  return connection->time;
}

/* A server follows a peer whose address changes (RFC 9000 section 9); a client's peer stays where
 * the route leads, so that elsewhere it is heard only when the owner wants to know. */
static struct route *connection_route_of(struct quic_connection *connection,
                                         const struct udp_packet *packet, uint64_t now) {
  struct route *route = route_table_arrival(&connection->routes, &packet->remote, &packet->local);
  if (route == NULL && endpoint_in_overlay(connection->endpoint, &packet->remote.ip)) {
    return NULL;
  }
  if (route == NULL && connection->state == CONNECTION_HANDSHAKE &&
      (!connection->is_client || race_has(connection, &packet->remote))) {
    /* During the handshake every way to the peer is the same path, and the last that brought
     * something is the one to answer by. */
    route = route_table_by_number(&connection->routes, connection->current_route);
    route->remote = packet->remote;
    connection->remote_unproven = !connection->is_client;
  }
  if (route == NULL && !connection->is_client && connection->state == CONNECTION_ESTABLISHED) {
    route = route_table_add(&connection->routes, &packet->remote, connection->current_route, now);
  }
  if (route != NULL) {
    route->heard = now;
    if (!route->pinned || !connection->is_client) {
      route->local = packet->local;
      route->interface = packet->interface;
    }
  }
  return route;
}

static bool hears_elsewhere(const struct quic_connection *connection,
                            const struct udp_packet *packet) {
  return connection->is_client && connection->state == CONNECTION_ESTABLISHED &&
         connection->handler.spoke_elsewhere != NULL &&
         !endpoint_in_overlay(connection->endpoint, &packet->remote.ip);
}

void connection_validated(struct quic_connection *connection, uint16_t number) {
  const struct route *route = route_table_by_number(&connection->routes, number);
  if (route != NULL) {
    connection->validated_remote = route->remote;
    connection->validated_local = route->local;
    connection->remote_news = true;
  }
}

static void connection_note_path(struct quic_connection *connection) {
  uint16_t number = route_number(ngtcp2_conn_get_path(connection->conn));
  if (number != connection->current_route) {
    bool holding = quic_connection_is_holding(connection);
    if (!connection->is_client) {
      route_table_leave(&connection->routes, connection->current_route);
    }
    connection->current_route = number;
    if (holding) {
      quic_connection_hold(connection);
    }
    connection->path_since = connection->time;
    if (connection->mtu != NULL) {
      path_mtu_init(connection->mtu, connection->time);
    }
    connection->remote_news = true;
  }
  if (connection->remote_news) {
    connection->remote_news = false;
    if (connection->state == CONNECTION_ESTABLISHED && connection->handler.remote_changed != NULL) {
      connection->handler.remote_changed(connection, connection->context);
    }
  }
}

static struct quic_stream *next_unsent_stream(struct quic_connection *connection) {
  for (struct quic_stream *stream = connection->streams; stream != NULL; stream = stream->next) {
    if (!stream->blocked && stream_has_unsent(stream)) {
      return stream;
    }
  }
  return NULL;
}

/* After a packet with a datagram, which so rarely asks for more than an acknowledgement that this
 * may wait for company. */
static bool may_wait(struct quic_connection *connection, const struct udp_packet *packet) {
  return connection->state == CONNECTION_ESTABLISHED && !connection->datagram_waiting &&
         connection->unacknowledged < ACKNOWLEDGE_AFTER && packet->ecn != NGTCP2_ECN_CE &&
         next_unsent_stream(connection) == NULL;
}

static void wait_to_acknowledge(struct quic_connection *connection, uint64_t now) {
  uint64_t due = now + ACKNOWLEDGE_WITHIN;
  const struct timer *timer = &connection->timer;
  if (timer->position != 0 && timer->expiry <= due) {
    return;
  }
  if (timer_set_put(connection->endpoint->timers, &connection->timer, due) != 0) {
    connection_fail(connection, NGTCP2_ERR_NOMEM);
  }
}

/* Only when ngtcp2 is off the stack: the owner sends. */
static void tell_answered(struct quic_connection *connection) {
  if (connection->answer_awaited && connection->state == CONNECTION_ESTABLISHED) {
    connection->answer_awaited = false;
    if (connection->datagram_handler.answered != NULL) {
      connection->datagram_handler.answered(connection, connection->datagram_context);
    }
  }
}

void connection_receive(struct quic_connection *connection, const struct udp_packet *packet,
                        uint64_t now) {
  if (connection->state == CONNECTION_CLOSED) {
    closing_receive(connection, packet);
    return;
  }
  if (connection->state == CONNECTION_ENDING) {
    return;
  }
  struct route *route = connection_route_of(connection, packet, now);
  bool elsewhere = route == NULL && hears_elsewhere(connection, packet);
  if (elsewhere) {
    route = route_table_by_number(&connection->routes, connection->current_route);
  }
  if (route == NULL) {
    connection->endpoint->counters.dropped++;
    return;
  }
  now = connection_time(connection, now);
  uint16_t number = route->number; /* its slot may go to another remote meanwhile */
  struct virtual_path path;
  route_path(route, &path);
  ngtcp2_pkt_info info = {.ecn = packet->ecn};
  connection->received_packets++;
  connection->received_bytes += packet->size;
  uint64_t datagrams = connection->received_datagrams, news = connection->news;
  connection->in_library = true;
  connection->receiving = packet;
  int status =
      ngtcp2_conn_read_pkt(connection->conn, &path.path, &info, packet->data, packet->size, now);
  connection->receiving = NULL;
  connection->in_library = false;
  if (status != 0) {
    connection_fail(connection, status);
  } else {
    connection->answered = true;
    /* A path that was left still brings the server's questions whether it works. */
    bool heard = !elsewhere && number == connection->current_route;
    if (heard) {
      connection_end_wait(connection, now);
      connection->probe_timeout = 0;
    }
    if (connection->mtu != NULL) {
      path_mtu_heard(connection->mtu, now, 3 * ngtcp2_conn_get_pto(connection->conn));
    }
    if (connection->state == CONNECTION_ESTABLISHED) {
      race_end(connection);
    }
    if (connection->confirmed && connection->tls.session != NULL) {
      tls_clear(&connection->tls);
    }
    connection_note_path(connection);
    migration_settle(connection);
    if (heard) {
      tell_answered(connection);
    }
    if (elsewhere && connection->news != news && connection->state == CONNECTION_ESTABLISHED) {
      connection->handler.spoke_elsewhere(connection, &packet->remote, connection->context);
    }
    if (connection->received_datagrams != datagrams) {
      connection->unacknowledged++;
      if (may_wait(connection, packet)) {
        wait_to_acknowledge(connection, now);
        return;
      }
    }
  }
  endpoint_mark_ready(connection->endpoint, connection);
}

void connection_commit(struct quic_connection *connection, const ngtcp2_path *path,
                       const ngtcp2_pkt_info *info, size_t size) {
  const struct route *route = route_table_by_number(&connection->routes, route_number(path));
  if (route == NULL) { /* its slot went to another remote: lost on the way */
    return;
  }
  /* A server answers from the address it was asked at; a client lets the kernel choose, which goes
   * on working when the host's addresses change, unless it holds on to an address. */
  struct ip_address local = {0};
  if (!connection->is_client || route->pinned) {
    local = route->local;
  }
  struct transmit *transmit = &connection->endpoint->transmit;
  transmit_commit(transmit, &route->remote, &local, info->ecn, size);
  struct udp_packet *packet = &transmit->packets[transmit->count - 1];
  packet->interface = route->pinned ? route->interface : 0;
  race_sent(connection, packet->data, size);
  connection->sent_packets++;
  connection->sent_bytes += size;
  connection->unacknowledged = 0;
}

/* One packet. 1: written, 0: nothing more to write now, negative: the connection failed. */
static int connection_write_packet(struct quic_connection *connection, uint8_t *slot,
                                   uint64_t now) {
  size_t limit = connection->mtu == NULL ? UDP_PAYLOAD_MAX : path_mtu_limit(connection->mtu, now);
  for (;;) {
    struct quic_stream *stream = next_unsent_stream(connection);
    ngtcp2_vec pieces[PIECES_MAX];
    size_t count = 0;
    bool fin = false;
    if (stream != NULL) {
      count = stream_unsent(stream, pieces, PIECES_MAX, &fin);
    }
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info = {0};
    ngtcp2_ssize taken = -1;
    ngtcp2_ssize size =
        ngtcp2_conn_writev_stream(connection->conn, &path.path, &info, slot, limit, &taken,
                                  fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0,
                                  stream == NULL ? -1 : stream->id, pieces, count, now);
    if (stream != NULL && taken >= 0) {
      stream_sent(stream, (size_t)taken, fin);
    }
    if (size > 0) {
      connection_commit(connection, &path.path, &info, (size_t)size);
      if (taken > 0) {
        connection_begin_wait(connection, now);
      }
      return 1;
    }
    if (size == 0) {
      return 0;
    }
    if (stream != NULL && size == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
      stream->blocked = true; /* until the next flush: the window may have grown by then */
      continue;
    }
    if (stream != NULL &&
        (size == NGTCP2_ERR_STREAM_SHUT_WR || size == NGTCP2_ERR_STREAM_NOT_FOUND)) {
      stream->unsent = NULL;
      stream->fin_sent = true;
      continue;
    }
    connection_fail(connection, (int)size);
    return (int)size;
  }
}

void connection_arm(struct quic_connection *connection) {
  if (timer_set_put(connection->endpoint->timers, &connection->timer,
                    ngtcp2_conn_get_expiry(connection->conn)) != 0) {
    connection_fail(connection, NGTCP2_ERR_NOMEM);
  }
}

/* All that is due beside datagrams. False: there is no room for more packets. */
static bool connection_write(struct quic_connection *connection, uint64_t now) {
  for (struct quic_stream *stream = connection->streams; stream != NULL; stream = stream->next) {
    stream->blocked = false;
  }
  while (connection->state != CONNECTION_ENDING) {
    uint8_t *slot = transmit_slot(&connection->endpoint->transmit);
    if (slot == NULL) {
      return false;
    }
    connection->in_library = true;
    int written = connection_write_packet(connection, slot, now);
    connection->in_library = false;
    if (written <= 0) {
      break;
    }
  }
  return true;
}

bool connection_write_due(struct quic_connection *connection, uint64_t now) {
  connection->expired = !connection_write(connection, connection_time(connection, now));
  return !connection->expired;
}

bool connection_flush(struct quic_connection *connection, uint64_t now) {
  /* What streams carry is little, and datagrams leave no room where there is little of it. */
  if ((connection->expired || next_unsent_stream(connection) != NULL) &&
      !connection_write_due(connection, now)) {
    return false;
  }
  if (connection->datagram_waiting && connection->state == CONNECTION_ESTABLISHED) {
    connection->datagram_waiting = false;
    if (connection->datagram_handler.writable != NULL) {
      connection->datagram_handler.writable(connection, connection->datagram_context);
    }
  }
  if (!connection_write(connection, connection_time(connection, now))) {
    return false;
  }
  if (connection->state == CONNECTION_ENDING) {
    return true;
  }
  connection_note_path(connection);
  migration_settle(connection);
  if (connection->state == CONNECTION_ENDING) {
    return true;
  }
  /* ngtcp2 is never told when packets left, so that it does not pace them: what a tunnel carries is
   * paced by its own senders. After a trickle of echoes BBR takes that trickle for the path's
   * speed, and a burst would have had to wait for seconds at it. */
  connection_arm(connection);
  return true;
}

void connection_expire(struct quic_connection *connection, uint64_t now) {
  if (connection->state == CONNECTION_CLOSED) {
    connection_free(connection);
    return;
  }
  if (connection->state == CONNECTION_ENDING) {
    return;
  }
  now = connection_time(connection, now);
  connection->in_library = true;
  int status = ngtcp2_conn_handle_expiry(connection->conn, now);
  connection->in_library = false;
  if (status != 0) {
    connection_fail(connection, status);
  } else {
    connection->expired = true;
    migration_settle(connection);
  }
  endpoint_mark_ready(connection->endpoint, connection);
}

void connection_write_close(struct quic_connection *connection, uint64_t now) {
  uint8_t *slot = transmit_slot(&connection->endpoint->transmit);
  if (slot == NULL) {
    return; /* the peer learns it by a stateless reset when it speaks next */
  }
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info = {0};
  ngtcp2_ssize size = ngtcp2_conn_write_connection_close(connection->conn, &path.path, &info, slot,
                                                         UDP_PAYLOAD_MAX, &connection->close_error,
                                                         connection_time(connection, now));
  if (size > 0) {
    connection_commit(connection, &path.path, &info, (size_t)size);
    closing_keep_words(connection, slot, (size_t)size);
  }
}

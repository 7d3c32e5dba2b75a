/* Datagrams of one connection (RFC 9221): how large they may be, and sending them. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "quic/connection_internal.h"

size_t quic_connection_datagram_room(const struct quic_connection *connection) {
  if (connection->state != CONNECTION_ESTABLISHED) {
    return 0;
  }
  const ngtcp2_transport_params *peer = ngtcp2_conn_get_remote_transport_params(connection->conn);
  if (peer == NULL || peer->max_datagram_frame_size <= 3) {
    return 0;
  }
  size_t payload = ngtcp2_conn_get_path_max_tx_udp_payload_size(connection->conn);
  if (connection->mtu != NULL && connection->mtu->limit < payload) {
    payload = connection->mtu->limit;
  }
  size_t room = payload - DATAGRAM_OVERHEAD;
  size_t peer_room = (size_t)peer->max_datagram_frame_size - 3;
  return room < peer_room ? room : peer_room;
}

bool quic_connection_path_mtu_settled(const struct quic_connection *connection) {
  if (ngtcp2_conn_get_path_max_tx_udp_payload_size(connection->conn) >= UDP_PAYLOAD_MAX) {
    return true;
  }
  /* A probe is given up after three losses, one to three PTOs apart, and there are six sizes. */
  uint64_t due =
      connection->path_since + NANOSECONDS_PER_SECOND + 30 * ngtcp2_conn_get_pto(connection->conn);
  return clock_now() > due;
}

/* Whether more may be under way. Asked of the library only when what it granted last has been sent.
 */
static bool flight_has_room(struct quic_connection *connection) {
  if (connection->flight_room > 0) {
    return true;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(connection->conn, &info);
  connection->flight_room = FLIGHT_MAX;
  if (info.min_rtt < FLIGHT_SHORT_PATH) {
    connection->flight_room -= (int64_t)info.bytes_in_flight;
  }
  return connection->flight_room > 0;
}

int quic_connection_send_datagram(struct quic_connection *connection, struct span head,
                                  struct span body) {
  if (connection->state == CONNECTION_ENDING) {
    return ERROR_CLOSED;
  }
  if (connection->state == CONNECTION_HANDSHAKE || connection->in_library) {
    connection->datagram_waiting = true;
    endpoint_mark_ready(connection->endpoint, connection);
    return ERROR_AGAIN;
  }
  if (connection->expired) {
    /* Without room for what is due there is none for the datagram either, which says so below. */
    (void)connection_write_due(connection, endpoint_time(connection->endpoint));
    if (connection->state == CONNECTION_ENDING) {
      return ERROR_CLOSED;
    }
  }
  if (connection->mtu == NULL) {
    connection->mtu = malloc(sizeof(*connection->mtu));
    if (connection->mtu == NULL) {
      return ERROR_NO_MEMORY;
    }
    path_mtu_init(connection->mtu, endpoint_time(connection->endpoint));
  }
  if (head.size + body.size > quic_connection_datagram_room(connection)) {
    return ERROR_LIMIT;
  }
  if (!flight_has_room(connection)) {
    connection->datagram_waiting = true;
    connection_arm(connection);
    return ERROR_AGAIN;
  }
  ngtcp2_vec pieces[2];
  size_t count = 0;
  if (head.size > 0) {
    pieces[count++] = (ngtcp2_vec){.base = (uint8_t *)(uintptr_t)head.data, .len = head.size};
  }
  pieces[count++] = (ngtcp2_vec){.base = (uint8_t *)(uintptr_t)body.data, .len = body.size};
  uint64_t now = connection_time(connection, endpoint_time(connection->endpoint));
  size_t limit = path_mtu_limit(connection->mtu, now);
  for (;;) {
    uint8_t *slot = transmit_slot(&connection->endpoint->transmit);
    if (slot == NULL) {
      connection->datagram_waiting = true;
      endpoint_mark_ready(connection->endpoint, connection);
      return ERROR_AGAIN;
    }
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info = {0};
    int accepted = 0;
    ngtcp2_ssize size =
        ngtcp2_conn_writev_datagram(connection->conn, &path.path, &info, slot, limit, &accepted, 0,
                                    connection->next_datagram_id, pieces, count, now);
    if (size < 0) {
      connection_fail(connection, (int)size);
      return ERROR_CLOSED;
    }
    if (size > 0) {
      connection_commit(connection, &path.path, &info, (size_t)size);
      endpoint_mark_ready(connection->endpoint, connection);
    }
    if (accepted) {
      path_mtu_sent(connection->mtu, connection->next_datagram_id, (size_t)size, now);
      connection->flight_room -= size;
      connection->next_datagram_id++;
      connection_begin_wait(connection, now);
      return 0;
    }
    if (size == 0) { /* congestion control: an ACK or the timer brings the flush, which must not be
                        asked for here or it would never end */
      connection->datagram_waiting = true;
      connection_arm(connection);
      return ERROR_AGAIN;
    }
  }
}

void datagram_keep(struct quic_connection *connection, struct span data) {
  if (connection->early_taken || data.size > UDP_PAYLOAD_MAX) {
    return;
  }
  if (connection->early == NULL) {
    connection->early = malloc(sizeof(*connection->early));
    if (connection->early == NULL) {
      return;
    }
    connection->early->count = 0;
  }
  struct early_datagrams *early = connection->early;
  if (early->count < EARLY_DATAGRAMS) {
    memcpy(early->data[early->count], data.data, data.size);
    early->sizes[early->count++] = data.size;
  }
}

void quic_connection_take_early_datagrams(struct quic_connection *connection) {
  struct early_datagrams *early = connection->early;
  connection->early = NULL;
  connection->early_taken = true;
  for (size_t i = 0; early != NULL && i < early->count; i++) {
    if (connection->datagram_handler.received != NULL) {
      connection->datagram_handler.received(
          connection, (struct span){early->data[i], early->sizes[i]}, connection->datagram_context);
    }
  }
  free(early);
}

uint64_t quic_connection_time(const struct quic_connection *connection) {
  return endpoint_time(connection->endpoint);
}

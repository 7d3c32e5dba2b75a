/* What ngtcp2 asks and tells, for one connection. Inside these, ngtcp2 may not be called to read or
 * write: connection->in_library is set, and what must be sent waits for the flush. */
#include <ngtcp2/ngtcp2_crypto.h>

#include "base/clock.h"
#include "base/random.h"
#include "quic/connection_internal.h"

static void fill_random(uint8_t *data, size_t size, const ngtcp2_rand_ctx *context UNUSED) {
  random_bytes(data, size);
}

static int new_connection_id(ngtcp2_conn *conn UNUSED, ngtcp2_cid *cid, uint8_t *token,
                             size_t cid_size, void *user_data) {
  struct quic_connection *connection = user_data;
  struct quic_endpoint *endpoint = connection->endpoint;
  endpoint_new_id(endpoint, cid->data, cid_size);
  cid->datalen = cid_size;
  if (ngtcp2_crypto_generate_stateless_reset_token(token, endpoint->secret,
                                                   sizeof(endpoint->secret), cid) != 0 ||
      cid_table_add(endpoint->cids, cid->data, cid->datalen, connection, &connection->ids) != 0) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  return 0;
}

static int remove_connection_id(ngtcp2_conn *conn UNUSED, const ngtcp2_cid *cid, void *user_data) {
  struct quic_connection *connection = user_data;
  cid_table_remove(connection->endpoint->cids, cid->data, cid->datalen, &connection->ids);
  return 0;
}

static int peer_connection_id_status(ngtcp2_conn *conn UNUSED,
                                     ngtcp2_connection_id_status_type type,
                                     uint64_t sequence UNUSED, const ngtcp2_cid *cid UNUSED,
                                     const uint8_t *token, void *user_data) {
  struct quic_connection *connection = user_data;
  struct cid_table *cids = connection->endpoint->cids;
  if (token == NULL) {
    return 0;
  }
  if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_DEACTIVATE) {
    cid_table_remove_token(cids, token, &connection->ids);
    return 0;
  }
  int code = cid_table_add_token(cids, token, connection, &connection->ids);
  return code == 0 || code == ERROR_EXISTS ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int handshake_confirmed(ngtcp2_conn *conn UNUSED, void *user_data) {
  struct quic_connection *connection = user_data;
  connection->confirmed = true;
  return 0;
}

/* Once TLS is gone, what a server may still say is a session ticket (RFC 8446 section 4.6.1), which
 * nobody wants here. */
static int crypto_data(ngtcp2_conn *conn, ngtcp2_encryption_level level, uint64_t offset,
                       const uint8_t *data, size_t size, void *user_data) {
  const struct quic_connection *connection = user_data;
  if (connection->tls.session == NULL) {
    return 0;
  }
  return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user_data);
}

static int handshake_completed(ngtcp2_conn *conn, void *user_data) {
  struct quic_connection *connection = user_data;
  if (connection->state != CONNECTION_HANDSHAKE) {
    return 0;
  }
  if (!tls_accepts(&connection->tls)) {
    connection_fail(connection, NGTCP2_ERR_CRYPTO);
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  connection->state = CONNECTION_ESTABLISHED;
  connection->path_since = clock_now();
  if (connection->is_client) {
    if (connection->handler.established != NULL) {
      connection->handler.established(connection, connection->context);
    }
    return 0;
  }
  if (connection->remote_unproven) {
    route_table_leave(&connection->routes, connection->current_route);
  } else {
    connection_validated(connection, connection->current_route);
    connection->remote_news = false;
  }
  connection->endpoint->counters.half_open--;
  connection->confirmed = true;
  connection->known = true;
  const struct quic_service *service = connection->tls.service;
  if (service->parameters.keep_alive != 0) {
    ngtcp2_conn_set_keep_alive_timeout(conn, service->parameters.keep_alive);
  }
  service->accepted(connection, service->context);
  if (connection->handler.closed == NULL) {
    quic_connection_close(connection, 0, "not served");
  }
  return 0;
}

static int stream_opened(ngtcp2_conn *conn, int64_t stream_id, void *user_data) {
  struct quic_connection *connection = user_data;
  struct quic_stream *stream = stream_new(connection, stream_id);
  if (stream == NULL || ngtcp2_conn_set_stream_user_data(conn, stream_id, stream) != 0) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  if (connection->state == CONNECTION_ESTABLISHED && connection->stream_handler.opened != NULL) {
    connection->stream_handler.opened(connection, stream, connection->stream_context);
  }
  return 0;
}

static int stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t stream_id, uint64_t offset UNUSED,
                       const uint8_t *data, size_t size, void *user_data, void *stream_user_data) {
  struct quic_connection *connection = user_data;
  struct quic_stream *stream = stream_user_data;
  connection->news++;
  /* What is handed up is consumed: a slow reader above bounds itself by the messages it accepts. */
  ngtcp2_conn_extend_max_stream_offset(conn, stream_id, size);
  ngtcp2_conn_extend_max_offset(conn, size);
  if (stream != NULL && !stream->reset && connection->state == CONNECTION_ESTABLISHED &&
      connection->stream_handler.received != NULL) {
    connection->stream_handler.received(stream, (struct span){data, size},
                                        (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0,
                                        connection->stream_context);
  }
  return 0;
}

static int stream_data_acknowledged(ngtcp2_conn *conn UNUSED, int64_t stream_id UNUSED,
                                    uint64_t offset, uint64_t size, void *user_data UNUSED,
                                    void *stream_user_data) {
  if (stream_user_data != NULL) {
    stream_acknowledged(stream_user_data, offset + size);
  }
  return 0;
}

static int stream_closed(ngtcp2_conn *conn, uint32_t flags, int64_t stream_id,
                         uint64_t application_code UNUSED, void *user_data UNUSED,
                         void *stream_user_data) {
  if (!ngtcp2_conn_is_local_stream(conn, stream_id)) {
    ngtcp2_conn_extend_max_streams_bidi(conn, 1);
  }
  if (stream_user_data != NULL) {
    ngtcp2_conn_set_stream_user_data(conn, stream_id, NULL);
    stream_close(stream_user_data, (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0);
  }
  return 0;
}

static int streams_extended(ngtcp2_conn *conn UNUSED, uint64_t max UNUSED, void *user_data) {
  struct quic_connection *connection = user_data;
  if (connection->stream_refused && connection->state == CONNECTION_ESTABLISHED &&
      connection->stream_handler.room != NULL) {
    connection->stream_refused = false;
    connection->stream_handler.room(connection, connection->stream_context);
  }
  return 0;
}

/* The peer broke off the direction towards us: a request or response that will never be whole, so
 * the other direction is of no use either. */
static int stream_reset(ngtcp2_conn *conn UNUSED, int64_t stream_id UNUSED,
                        uint64_t final_size UNUSED, uint64_t application_code,
                        void *user_data UNUSED, void *stream_user_data) {
  if (stream_user_data != NULL) {
    quic_stream_reset(stream_user_data, application_code);
  }
  return 0;
}

static int datagram_received(ngtcp2_conn *conn UNUSED, uint32_t flags UNUSED, const uint8_t *data,
                             size_t size, void *user_data) {
  struct quic_connection *connection = user_data;
  connection->received_datagrams++;
  connection->news++;
  if (connection->state != CONNECTION_ESTABLISHED) {
    return 0;
  }
  if (connection->datagram_handler.received != NULL) {
    connection->datagram_handler.received(connection, (struct span){data, size},
                                          connection->datagram_context);
  } else {
    datagram_keep(connection, (struct span){data, size});
  }
  return 0;
}

static int datagram_acknowledged(ngtcp2_conn *conn UNUSED, uint64_t id, void *user_data) {
  struct quic_connection *connection = user_data;
  path_mtu_arrived(connection->mtu, id);
  return 0;
}

static int datagram_lost(ngtcp2_conn *conn UNUSED, uint64_t id UNUSED, void *user_data) {
  struct quic_connection *connection = user_data;
  connection->lost_packets++;
  return 0;
}

/* Told to the owner when ngtcp2 is off the stack: he may want to move again at once. */
static int path_validated(ngtcp2_conn *conn UNUSED, uint32_t flags UNUSED, const ngtcp2_path *path,
                          const ngtcp2_path *old_path UNUSED, ngtcp2_path_validation_result result,
                          void *user_data) {
  struct quic_connection *connection = user_data;
  if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) {
    connection_validated(connection, route_number(path));
  }
  if (connection->moving != 0 && route_number(path) == connection->moving) {
    connection->moved = result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS ? MOVE_DONE : MOVE_FAILED;
  }
  return 0;
}

static int stateless_reset_received(ngtcp2_conn *conn UNUSED,
                                    const ngtcp2_pkt_stateless_reset *reset UNUSED,
                                    void *user_data) {
  struct quic_connection *connection = user_data;
  connection->close.reset = true;
  return 0;
}

static int update_keys(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret,
                       ngtcp2_crypto_aead_ctx *rx_aead_ctx, uint8_t *rx_iv,
                       ngtcp2_crypto_aead_ctx *tx_aead_ctx, uint8_t *tx_iv,
                       const uint8_t *current_rx_secret, const uint8_t *current_tx_secret,
                       size_t secretlen, void *user_data) {
  const struct quic_connection *connection = user_data;
  if (connection->tls.protection == NULL) {
    return ngtcp2_crypto_update_key_cb(conn, rx_secret, tx_secret, rx_aead_ctx, rx_iv, tx_aead_ctx,
                                       tx_iv, current_rx_secret, current_tx_secret, secretlen,
                                       user_data);
  }
  return packet_protection_update(connection->tls.protection, conn, rx_secret, tx_secret,
                                  rx_aead_ctx, rx_iv, tx_aead_ctx, tx_iv, current_rx_secret,
                                  current_tx_secret, secretlen) == 0
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

#define COMMON_CALLBACKS                                                                           \
  .recv_crypto_data = crypto_data, .encrypt = packet_protection_encrypt,                           \
  .decrypt = packet_protection_decrypt, .hp_mask = packet_protection_mask,                         \
  .update_key = update_keys, .delete_crypto_aead_ctx = packet_protection_delete_key,               \
  .delete_crypto_cipher_ctx = packet_protection_delete_header_key,                                 \
  .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,                             \
  .version_negotiation = ngtcp2_crypto_version_negotiation_cb, .rand = fill_random,                \
  .get_new_connection_id = new_connection_id, .remove_connection_id = remove_connection_id,        \
  .dcid_status = peer_connection_id_status, .handshake_completed = handshake_completed,            \
  .stream_open = stream_opened, .recv_stream_data = stream_data,                                   \
  .acked_stream_data_offset = stream_data_acknowledged, .stream_close = stream_closed,             \
  .stream_reset = stream_reset, .extend_max_local_streams_bidi = streams_extended,                 \
  .recv_datagram = datagram_received, .lost_datagram = datagram_lost,                              \
  .ack_datagram = datagram_acknowledged, .recv_stateless_reset = stateless_reset_received,         \
  .path_validation = path_validated

const ngtcp2_callbacks connection_client_callbacks = {
    COMMON_CALLBACKS,
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .handshake_confirmed = handshake_confirmed,
};

const ngtcp2_callbacks connection_server_callbacks = {
    COMMON_CALLBACKS,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
};

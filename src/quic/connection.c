#include <ngtcp2/ngtcp2_crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "quic/connection_internal.h"

static ngtcp2_conn *connection_of_reference(ngtcp2_crypto_conn_ref *reference) {
  struct quic_connection *connection = reference->user_data;
  return connection->conn;
}

/* All that only a connection in use needs. */
static void connection_strip(struct quic_connection *connection) {
  if (connection->conn != NULL) {
    ngtcp2_conn_del(connection->conn);
    connection->conn = NULL;
  }
  tls_clear(&connection->tls);
  race_end(connection);
  free(connection->mtu);
  connection->mtu = NULL;
  free(connection->early);
  connection->early = NULL;
  qlog_close(connection);
}

/* From the list of those in use, or of those closed. */
static void connection_unlink(struct quic_connection *connection, struct quic_connection **first) {
  if (connection->previous != NULL) {
    connection->previous->next = connection->next;
  } else {
    *first = connection->next;
  }
  if (connection->next != NULL) {
    connection->next->previous = connection->previous;
  }
}

static void connection_link(struct quic_connection *connection, struct quic_connection **first) {
  connection->previous = NULL;
  connection->next = *first;
  if (connection->next != NULL) {
    connection->next->previous = connection;
  }
  *first = connection;
}

static struct quic_connection *connection_new(struct quic_endpoint *endpoint, bool is_client) {
  struct quic_connection *connection = calloc(1, sizeof(*connection));
  if (connection == NULL) {
    return NULL;
  }
  connection->endpoint = endpoint;
  connection->is_client = connection->known = is_client;
  connection->tls.endpoint = endpoint;
  connection->tls.reference.get_conn = connection_of_reference;
  connection->tls.reference.user_data = connection;
  connection_link(connection, &endpoint->connections);
  endpoint->counters.connections++;
  return connection;
}

void connection_free(struct quic_connection *connection) {
  struct quic_endpoint *endpoint = connection->endpoint;
  endpoint_unmark_ready(endpoint, connection);
  timer_set_clear(endpoint->timers, &connection->timer);
  cid_table_remove_all(endpoint->cids, &connection->ids);
  connection_strip(connection);
  if (connection->state == CONNECTION_CLOSED) {
    connection_unlink(connection, &endpoint->closed);
    endpoint->closed_count--;
  } else {
    connection_unlink(connection, &endpoint->connections);
    endpoint->counters.connections--;
  }
  free(connection->last_words);
  free(connection);
}

void connection_destroy(struct quic_connection *connection) {
  while (connection->streams != NULL) {
    struct quic_stream *stream = connection->streams;
    ngtcp2_conn_set_stream_user_data(connection->conn, stream->id, NULL);
    stream_close(stream, true);
  }
  if (connection->handler.closed != NULL) {
    connection->handler.closed(connection, &connection->close, connection->context);
  }
  if (!closing_begin(connection)) {
    connection_free(connection);
    return;
  }
  struct quic_endpoint *endpoint = connection->endpoint;
  endpoint_unmark_ready(endpoint, connection);
  connection_strip(connection);
  connection_unlink(connection, &endpoint->connections);
  connection_link(connection, &endpoint->closed);
  endpoint->counters.connections--;
  endpoint->closed_count++;
}

/* A Connection ID of ours, in the table. */
static int connection_new_id(struct quic_connection *connection, ngtcp2_cid *id) {
  id->datalen = CONNECTION_ID_SIZE;
  endpoint_new_id(connection->endpoint, id->data, id->datalen);
  return cid_table_add(connection->endpoint->cids, id->data, id->datalen, connection,
                       &connection->ids);
}

static void connection_need_protection(struct quic_endpoint *endpoint) {
  if (endpoint->protection == NULL) {
    endpoint->protection = packet_protection_new();
  }
}

static void connection_settings(struct quic_connection *connection, const ngtcp2_cid *id,
                                uint64_t handshake_timeout, uint64_t now,
                                ngtcp2_settings *settings) {
  ngtcp2_settings_default(settings);
  settings->initial_ts = now;
  connection->time = now;
  settings->handshake_timeout =
      handshake_timeout == 0 ? HANDSHAKE_TIMEOUT_DEFAULT : handshake_timeout;
  settings->max_tx_udp_payload_size = UDP_PAYLOAD_MAX;
  /* What a tunnel carries has a congestion control of its own, with which ours must not compete for
   * the same losses: BBR takes a path's speed and not each loss for the measure
   * (docs/performance.md has the comparison with CUBIC). */
  settings->cc_algo = NGTCP2_CC_ALGO_BBR;
  /* Each packet of ours acknowledges all that came: when one is written for nothing else is decided
   * here (connection_receive), since the library's own wait, an eighth of the round trip, is over
   * before an application has answered. */
  settings->ack_thresh = 1;
  settings->pmtud_probes = path_mtu_sizes;
  settings->pmtud_probeslen = PATH_MTU_PROBES;
  qlog_open(connection, id, settings);
}

static void connection_transport_parameters(const struct quic_parameters *parameters,
                                            ngtcp2_transport_params *params) {
  ngtcp2_transport_params_default(params);
  params->initial_max_data = CONNECTION_WINDOW;
  params->initial_max_stream_data_bidi_local = STREAM_WINDOW;
  params->initial_max_stream_data_bidi_remote = STREAM_WINDOW;
  params->initial_max_streams_bidi = STREAMS_MAX;
  params->max_idle_timeout = parameters->idle_timeout;
  params->max_udp_payload_size = UDP_PACKET_SIZE;
  params->active_connection_id_limit = 7;
  params->max_datagram_frame_size = parameters->datagrams ? 65535 : 0;
}

int quic_connect(struct quic_endpoint *endpoint, const struct quic_target *target,
                 struct quic_connection **out, struct error *error) {
  char text[ADDRESS_TEXT_SIZE];
  address_text(&target->remote, text);
  if (endpoint->closing) {
    return error_set(error, ERROR_CLOSED, "the endpoint is closing");
  }
  int code = endpoint_check_route(endpoint, &target->remote, error);
  if (code != 0) {
    return code;
  }
  struct quic_connection *connection = connection_new(endpoint, true);
  if (connection == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a connection to %s", text);
  }
  uint64_t now = clock_now();
  ngtcp2_cid id, first_destination;
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  struct virtual_path path;
  struct route *route = route_table_add(&connection->routes, &target->remote, 0, now);
  connection->current_route = route->number;
  route_path(route, &path);
  const struct tls_client client = {
      .alpn = target->alpn,
      .credentials = target->credentials,
      .trust = target->trust,
      .peer_purpose = target->peer_purpose,
      .peer_name = target->peer_name,
      .datagrams = target->parameters.datagrams,
  };
  if (client.datagrams) {
    connection_need_protection(endpoint);
  }
  code = tls_client_init(&connection->tls, &client, endpoint->anonymous, error);
  if (code == 0) {
    code = connection_new_id(connection, &id);
  }
  if (code == 0) {
    code = race_begin(connection, &target->remote);
  }
  if (code == 0) {
    /* RFC 9000 section 7.2: at least 8 unpredictable bytes; a route id before them is none. */
    first_destination.datalen = 18;
    random_bytes(first_destination.data, first_destination.datalen);
    if (target->peer_route_id != 0) {
      struct writer writer = writer_init(first_destination.data, ROUTE_ID_SIZE);
      writer_u32(&writer, target->peer_route_id);
    }
    connection_settings(connection, &id, target->parameters.handshake_timeout, now, &settings);
    connection_transport_parameters(&target->parameters, &params);
    if (ngtcp2_conn_client_new(&connection->conn, &first_destination, &id, &path.path,
                               NGTCP2_PROTO_VER_V1, &connection_client_callbacks, &settings,
                               &params, NULL, connection) != 0) {
      connection->conn = NULL;
      code = error_set(error, ERROR_NO_MEMORY, "out of memory for a connection to %s", text);
    }
  }
  if (code != 0) {
    connection_free(connection);
    return code;
  }
  ngtcp2_conn_set_tls_native_handle(connection->conn, connection->tls.session);
  if (target->parameters.keep_alive != 0) {
    ngtcp2_conn_set_keep_alive_timeout(connection->conn, target->parameters.keep_alive);
  }
  quic_connection_set_handler(connection, target->handler, target->context);
  endpoint_mark_ready(endpoint, connection);
  *out = connection;
  return 0;
}

struct quic_connection *connection_accept(struct quic_endpoint *endpoint,
                                          const ngtcp2_pkt_hd *header,
                                          const ngtcp2_cid *token_odcid,
                                          const struct udp_packet *packet, uint64_t now) {
  struct quic_connection *connection = connection_new(endpoint, false);
  if (connection == NULL) {
    return NULL;
  }
  endpoint->counters.half_open++;
  ngtcp2_cid id;
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  struct virtual_path path;
  struct route *route = route_table_add(&connection->routes, &packet->remote, 0, now);
  route->local = packet->local;
  route->interface = packet->interface;
  connection->current_route = route->number;
  route_path(route, &path);
  /* Before ALPN has chosen the service its parameters are not known; the most patient and the most
   * capable of those served here bound them. */
  struct quic_parameters parameters = {0};
  for (size_t i = 0; i < endpoint->service_count; i++) {
    const struct quic_parameters *service = &endpoint->services[i].parameters;
    if (service->idle_timeout > parameters.idle_timeout) {
      parameters.idle_timeout = service->idle_timeout;
    }
    parameters.datagrams = parameters.datagrams || service->datagrams;
  }
  if (parameters.datagrams) {
    connection_need_protection(endpoint);
  }
  bool ok = tls_server_init(&connection->tls, NULL) == 0 &&
            connection_new_id(connection, &id) == 0 &&
            cid_table_add(endpoint->cids, header->dcid.data, header->dcid.datalen, connection,
                          &connection->ids) == 0;
  if (ok) {
    connection_settings(connection, &id, 0, now, &settings);
    connection_transport_parameters(&parameters, &params);
    params.original_dcid = header->dcid;
    params.original_dcid_present = 1;
    if (token_odcid != NULL) {
      settings.token = header->token;
      settings.tokenlen = header->tokenlen;
      settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
      params.original_dcid = *token_odcid;
      params.retry_scid = header->dcid;
      params.retry_scid_present = 1;
    }
    params.stateless_reset_token_present = 1;
    ok = ngtcp2_crypto_generate_stateless_reset_token(
             params.stateless_reset_token, endpoint->secret, sizeof(endpoint->secret), &id) == 0 &&
         ngtcp2_conn_server_new(&connection->conn, &header->scid, &id, &path.path, header->version,
                                &connection_server_callbacks, &settings, &params, NULL,
                                connection) == 0;
  }
  if (!ok) {
    endpoint->counters.half_open--;
    connection_free(connection);
    return NULL;
  }
  ngtcp2_conn_set_tls_native_handle(connection->conn, connection->tls.session);
  return connection;
}

/* --- what the owner may ask --- */

void quic_connection_set_handler(struct quic_connection *connection,
                                 const struct quic_handler *handler, void *context) {
  connection->handler = handler == NULL ? (struct quic_handler){0} : *handler;
  connection->context = context;
}

void quic_connection_set_stream_handler(struct quic_connection *connection,
                                        const struct quic_stream_handler *handler, void *context) {
  connection->stream_handler = handler == NULL ? (struct quic_stream_handler){0} : *handler;
  connection->stream_context = context;
}

void quic_connection_set_datagram_handler(struct quic_connection *connection,
                                          const struct quic_datagram_handler *handler,
                                          void *context) {
  connection->datagram_handler = handler == NULL ? (struct quic_datagram_handler){0} : *handler;
  connection->datagram_context = context;
}

const struct pki_identity *quic_connection_peer(const struct quic_connection *connection) {
  return connection->tls.verified ? &connection->tls.peer : NULL;
}

const char *quic_connection_alpn(const struct quic_connection *connection) {
  return connection->tls.alpn;
}

const struct route *connection_route(const struct quic_connection *connection) {
  for (size_t i = 0; i < ROUTES_MAX; i++) {
    if (connection->routes.slots[i].number == connection->current_route) {
      return &connection->routes.slots[i];
    }
  }
  return NULL;
}

struct address quic_connection_remote(const struct quic_connection *connection) {
  const struct route *route = connection_route(connection);
  return route == NULL ? (struct address){0} : route->remote;
}

void quic_connection_set_keep_alive(struct quic_connection *connection, uint64_t nanoseconds) {
  if (connection->state == CONNECTION_ESTABLISHED) {
    ngtcp2_conn_set_keep_alive_timeout(connection->conn, nanoseconds);
    endpoint_mark_ready(connection->endpoint, connection);
  }
}

size_t quic_connection_called_by(const struct quic_connection *connection,
                                 uint8_t id[static QUIC_CONNECTION_ID_MAX]) {
  const struct udp_packet *packet = connection->receiving;
  if (packet == NULL || connection->state != CONNECTION_ESTABLISHED) {
    return 0;
  }
  /* Its first packet may come behind the last of the handshake, which bears the same one. */
  struct reader reader = reader_init(packet->data, packet->size);
  size_t size = CONNECTION_ID_SIZE;
  if ((reader_u8(&reader) & 0x80) != 0) {
    (void)reader_u32(&reader);
    size = reader_u8(&reader);
  }
  struct span dcid = reader_bytes(&reader, size);
  if (reader.failed || dcid.size > QUIC_CONNECTION_ID_MAX) {
    return 0;
  }
  memcpy(id, dcid.data, dcid.size);
  return dcid.size;
}

struct address quic_connection_heard_from(const struct quic_connection *connection) {
  return connection->receiving != NULL ? connection->receiving->remote
                                       : quic_connection_remote(connection);
}

bool quic_connection_validated_path(const struct quic_connection *connection,
                                    struct address *remote, struct ip_address *local) {
  *remote = connection->validated_remote;
  *local = connection->validated_local;
  return connection->validated_remote.port != 0;
}

struct address quic_connection_local(const struct quic_connection *connection) {
  const struct route *route = connection_route(connection);
  struct address local = {0};
  if (route != NULL && route->local.family != 0) {
    local.ip = route->local;
    local.port = quic_endpoint_port(connection->endpoint, route->local.family);
  }
  return local;
}

bool quic_connection_is_client(const struct quic_connection *connection) {
  return connection->is_client;
}

uv_loop_t *quic_connection_loop(const struct quic_connection *connection) {
  return connection->endpoint->loop;
}

const struct log *quic_connection_log(const struct quic_connection *connection) {
  return connection->endpoint->log;
}

void quic_connection_counters(const struct quic_connection *connection,
                              struct quic_connection_counters *counters) {
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(connection->conn, &info);
  *counters = (struct quic_connection_counters){
      .sent_packets = connection->sent_packets,
      .sent_bytes = connection->sent_bytes,
      .received_packets = connection->received_packets,
      .received_bytes = connection->received_bytes,
      .lost_packets = connection->lost_packets,
      /* Without a sample of the present path ngtcp2 has a guess there. */
      .smoothed_rtt = info.latest_rtt != 0 ? info.smoothed_rtt : 0,
      .minimum_rtt = info.min_rtt == UINT64_MAX ? 0 : info.min_rtt,
      .congestion_window = info.cwnd,
      .in_flight = info.bytes_in_flight,
  };
}

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/span.h"
#include "quic/connection_internal.h"
#include "quic/lane.h"

/* Read before the loop turns, so that timers, answers and other sockets get their time. */
enum { RECEIVE_BATCHES = 16, RECEIVE_PACKETS = 1024 };

/* --- services --- */

const struct quic_service *endpoint_service(const struct quic_endpoint *endpoint,
                                            const char *alpn) {
  for (size_t i = 0; i < endpoint->service_count; i++) {
    if (strcmp(endpoint->services[i].alpn, alpn) == 0) {
      return &endpoint->services[i];
    }
  }
  return NULL;
}

unsigned endpoint_alpns(const struct quic_endpoint *endpoint, gnutls_datum_t alpn[SERVICES_MAX]) {
  for (size_t i = 0; i < endpoint->service_count; i++) {
    const char *name = endpoint->services[i].alpn;
    alpn[i].data = (unsigned char *)(uintptr_t)name;
    alpn[i].size = (unsigned)strlen(name);
  }
  return (unsigned)endpoint->service_count;
}

int quic_endpoint_serve(struct quic_endpoint *endpoint, const struct quic_service *service,
                        struct error *error) {
  if (endpoint_service(endpoint, service->alpn) != NULL) {
    return error_set(error, ERROR_EXISTS, "%s is served already", service->alpn);
  }
  if (endpoint->service_count == SERVICES_MAX) {
    return error_set(error, ERROR_LIMIT, "more than %d services", SERVICES_MAX);
  }
  endpoint->services[endpoint->service_count++] = *service;
  return 0;
}

void quic_endpoint_withdraw(struct quic_endpoint *endpoint, const char *alpn) {
  for (size_t i = 0; i < endpoint->service_count; i++) {
    if (strcmp(endpoint->services[i].alpn, alpn) == 0) {
      memmove(&endpoint->services[i], &endpoint->services[i + 1],
              (endpoint->service_count - i - 1) * sizeof(endpoint->services[0]));
      endpoint->service_count--;
      break;
    }
  }
  /* A handshake that has chosen a service points into the table: those are few and can begin again.
   */
  for (struct quic_connection *connection = endpoint->connections; connection != NULL;
       connection = connection->next) {
    if (!connection->is_client && connection->state == CONNECTION_HANDSHAKE) {
      quic_connection_close(connection, 0, "the service is withdrawn");
    }
    connection->tls.service = NULL;
  }
}

/* --- relaying --- */

void endpoint_new_id(const struct quic_endpoint *endpoint, uint8_t *id, size_t size) {
  random_bytes(id, size);
  if (endpoint->route_id != 0) {
    struct writer writer = writer_init(id, size);
    writer_u32(&writer, endpoint->route_id);
  }
  if (endpoint->lanes > 1) {
    lane_mark(id, endpoint->lane, endpoint->lanes);
  }
}

void quic_endpoint_set_route_id(struct quic_endpoint *endpoint, uint32_t route_id) {
  endpoint->route_id = route_id;
}

uint32_t quic_endpoint_route_id(const struct quic_endpoint *endpoint) {
  return endpoint->route_id;
}

void quic_endpoint_set_overlay(struct quic_endpoint *endpoint, const struct ip_prefix *ipv4,
                               const struct ip_prefix *ipv6) {
  endpoint->overlay[0] = *ipv4;
  endpoint->overlay[1] = *ipv6;
}

bool endpoint_in_overlay(const struct quic_endpoint *endpoint, const struct ip_address *ip) {
  const struct ip_prefix *prefix = &endpoint->overlay[ip->family == 6 ? 1 : 0];
  return prefix->length > 0 && ip_prefix_contains(prefix, ip);
}

int endpoint_check_route(const struct quic_endpoint *endpoint, const struct address *remote,
                         struct error *error) {
  char text[ADDRESS_TEXT_SIZE];
  struct ip_address local;
  if (quic_endpoint_port(endpoint, remote->ip.family) == 0) {
    return error_set(error, ERROR_UNREACHABLE, "cannot reach %s: this host has no IPv%u socket",
                     address_text(remote, text), remote->ip.family);
  }
  int code = udp_socket_route_check(remote, &local, error);
  if (code == 0 && endpoint_in_overlay(endpoint, &local)) {
    code = error_set(error, ERROR_UNREACHABLE,
                     "cannot reach %s: this host has no IPv%u address but its virtual one",
                     address_text(remote, text), remote->ip.family);
  }
  return code;
}

void quic_endpoint_set_forwarder(struct quic_endpoint *endpoint,
                                 const struct quic_forwarder *forwarder) {
  endpoint->forwarder = forwarder == NULL ? (struct quic_forwarder){0} : *forwarder;
}

void quic_endpoint_punch(struct quic_endpoint *endpoint, const struct address *remote) {
  /* A Handshake packet of version 1 to a Connection ID of nobody: whoever looks on sees QUIC, and
   * no endpoint answers it (RFC 9000 section 10.3 resets short headers alone). */
  enum { PUNCH_CID_SIZE = 8, PUNCH_LENGTH = 32, PUNCH_START = 6 };
  enum { PUNCH_SIZE = PUNCH_START + PUNCH_CID_SIZE + 2 + PUNCH_LENGTH };
  static const uint8_t start[PUNCH_START] = {0xe0, 0, 0, 0, 1, PUNCH_CID_SIZE};
  uint8_t *slot = transmit_slot(&endpoint->transmit);
  if (slot == NULL) {
    return;
  }
  random_bytes(slot, PUNCH_SIZE);
  uint8_t low = slot[0] & 0x0f;
  memcpy(slot, start, sizeof(start));
  slot[0] |= low;
  slot[sizeof(start) + PUNCH_CID_SIZE] = 0; /* no Source Connection ID */
  slot[sizeof(start) + PUNCH_CID_SIZE + 1] = PUNCH_LENGTH;
  const struct ip_address any = {0};
  transmit_commit(&endpoint->transmit, remote, &any, 0, PUNCH_SIZE);
}

uv_loop_t *quic_endpoint_loop(const struct quic_endpoint *endpoint) {
  return endpoint->loop;
}

/* --- the ready list --- */

void endpoint_mark_ready(struct quic_endpoint *endpoint, struct quic_connection *connection) {
  if (connection->ready_link != NULL) {
    return;
  }
  connection->ready_next = NULL;
  connection->ready_link = endpoint->ready_last;
  *endpoint->ready_last = connection;
  endpoint->ready_last = &connection->ready_next;
}

void endpoint_unmark_ready(struct quic_endpoint *endpoint, struct quic_connection *connection) {
  if (connection->ready_link == NULL) {
    return;
  }
  *connection->ready_link = connection->ready_next;
  if (connection->ready_next != NULL) {
    connection->ready_next->ready_link = connection->ready_link;
  } else {
    endpoint->ready_last = connection->ready_link;
  }
  connection->ready_link = NULL;
  connection->ready_next = NULL;
}

/* --- sending --- */

static void endpoint_poll(uv_poll_t *poll, int status, int events);

static void endpoint_await_writable(struct quic_endpoint *endpoint, int index) {
  for (int i = 0; i < 2; i++) {
    if (endpoint->sockets[i].udp != NULL) {
      uv_poll_start(&endpoint->sockets[i].poll, UV_READABLE | (i == index ? UV_WRITABLE : 0),
                    endpoint_poll);
    }
  }
}

static void endpoint_turned(uv_idle_t *turn) {
  uv_idle_stop(turn);
}

static void endpoint_report(struct quic_endpoint *endpoint, uint64_t now) {
  for (int i = 0; i < 2; i++) {
    struct endpoint_socket *socket = &endpoint->sockets[i];
    if (socket->udp != NULL) {
      struct udp_counters counters;
      udp_socket_counters(socket->udp, &counters);
      send_report_look(&socket->report, &counters, i == 0 ? 4 : 6, now, endpoint->log);
    }
  }
}

static void endpoint_finish(struct quic_endpoint *endpoint, struct quic_connection *connection) {
  connection->waits = false;
  connection_destroy(connection);
  /* What its owner did about it may concern handles that had their turn already. */
  uv_idle_start(&endpoint->turn, endpoint_turned);
}

void quic_connection_finish(struct quic_connection *connection) {
  if (connection->waits) {
    endpoint_finish(connection->endpoint, connection);
  }
}

/* Says the last words, and tells the owner; or that he is to be told. */
static void endpoint_end(struct quic_endpoint *endpoint, struct quic_connection *connection,
                         uint64_t now) {
  if (connection->close_send) {
    connection->close_send = false;
    connection_write_close(connection, now);
  }
  if (endpoint->ending == NULL || endpoint->closing || !connection->known) {
    endpoint_finish(endpoint, connection);
  } else if (!connection->waits) {
    connection->waits = true;
    endpoint->ending(connection, endpoint->context);
  }
}

static void endpoint_flush(struct quic_endpoint *endpoint) {
  uint64_t now = clock_now();
  while (endpoint->ready_first != NULL && !endpoint->transmit.blocked) {
    struct quic_connection *connection = endpoint->ready_first;
    endpoint_unmark_ready(endpoint, connection);
    if (connection->state != CONNECTION_ENDING && !connection_flush(connection, now)) {
      endpoint_mark_ready(endpoint, connection);
      break;
    }
    if (connection->state == CONNECTION_ENDING) {
      endpoint_end(endpoint, connection, now);
    }
  }
  bool was_blocked = endpoint->transmit.blocked;
  int index = transmit_flush(&endpoint->transmit);
  endpoint_report(endpoint, now);
  if (index >= 0) {
    endpoint_await_writable(endpoint, index);
  } else if (was_blocked) {
    endpoint_await_writable(endpoint, -1);
  }
  timer_set_arm(endpoint->timers);
}

uint64_t endpoint_time(struct quic_endpoint *endpoint) {
  if (endpoint->time == 0 || ++endpoint->time_uses >= TIME_SHARED) {
    endpoint->time = clock_now();
    endpoint->time_uses = 0;
  }
  return endpoint->time;
}

static void endpoint_prepare(uv_prepare_t *prepare) {
  struct quic_endpoint *endpoint = prepare->data;
  endpoint_flush(endpoint);
  endpoint->time = 0; /* the loop is going to wait */
}

/* --- receiving --- */

/* What was forwarded lies in the socket's storage, which the next batch overwrites. */
static void endpoint_send_forwarded(struct quic_endpoint *endpoint) {
  int index = transmit_keep(&endpoint->transmit);
  if (index >= 0) {
    endpoint_await_writable(endpoint, index);
  }
}

static void endpoint_receive(struct endpoint_socket *socket) {
  struct quic_endpoint *endpoint = socket->endpoint;
  size_t taken = 0;
  for (int batch = 0; batch < RECEIVE_BATCHES && taken < RECEIVE_PACKETS; batch++) {
    const struct udp_packet *packets;
    size_t count = 0;
    struct error error;
    if (udp_socket_receive(socket->udp, &packets, &count, &error) != 0) {
      log_error(endpoint->log, "udp-receive-failed", "reason=\"%s\"", error.message);
      return;
    }
    uint64_t now = clock_now();
    for (size_t i = 0; i < count; i++) {
      endpoint->counters.received_packets++;
      endpoint->counters.received_bytes += packets[i].size;
      endpoint_dispatch(endpoint, &packets[i], now, false);
    }
    if (endpoint->forwarder.forward != NULL) {
      endpoint_send_forwarded(endpoint);
    }
    if (!udp_socket_has_more(socket->udp)) {
      return;
    }
    taken += count;
  }
}

void quic_endpoint_take(struct quic_endpoint *endpoint, const struct udp_packet *packet) {
  if (endpoint->closing) {
    return;
  }
  endpoint->counters.taken++;
  endpoint_dispatch(endpoint, packet, endpoint_time(endpoint), true);
}

static void endpoint_poll(uv_poll_t *poll, int status UNUSED, int events) {
  struct endpoint_socket *socket = poll->data;
  if ((events & UV_WRITABLE) != 0) {
    endpoint_flush(socket->endpoint);
  }
  if ((events & UV_READABLE) != 0) {
    endpoint_receive(socket);
  }
}

static void endpoint_timer(struct timer *timer, uint64_t now, void *context UNUSED) {
  connection_expire((struct quic_connection *)timer, now);
}

/* --- life --- */

static int endpoint_open_socket(struct quic_endpoint *endpoint, int index,
                                const struct ip_address *ip, uint16_t port, struct error *error) {
  struct udp_socket **socket = &endpoint->sockets[index].udp;
  struct address bind = {.ip = *ip, .port = port};
  bind.ip.family = index == 0 ? 4 : 6;
  int code = endpoint->lanes > 1 ? udp_socket_open_shared(&bind, endpoint->lane > 0, socket, error)
                                 : udp_socket_open(&bind, socket, error);
  if (code != 0) {
    *socket = NULL;
  }
  return code;
}

static int endpoint_watch_socket(struct quic_endpoint *endpoint, int index, struct error *error) {
  struct endpoint_socket *socket = &endpoint->sockets[index];
  if (socket->udp == NULL) {
    return 0;
  }
  socket->endpoint = endpoint;
  int status = uv_poll_init(endpoint->loop, &socket->poll, udp_socket_descriptor(socket->udp));
  if (status != 0) {
    return error_set(error, ERROR_SYSTEM, "cannot watch a UDP socket: %s", uv_strerror(status));
  }
  socket->polled = true;
  socket->poll.data = socket;
  uv_poll_start(&socket->poll, UV_READABLE, endpoint_poll);
  endpoint->transmit.sockets[index] = socket->udp;
  return 0;
}

/* Both IP versions, on one port number where the kernel lets us. */
static int endpoint_open_both(struct quic_endpoint *endpoint,
                              const struct quic_endpoint_config *config, struct error *error) {
  int code = endpoint_open_socket(endpoint, 0, &config->ipv4, config->port, error);
  if (code != 0 && code != ERROR_UNREACHABLE) {
    return code;
  }
  bool have_ipv4 = code == 0;
  uint16_t port = config->port;
  if (port == 0 && have_ipv4) {
    port = udp_socket_port(endpoint->sockets[0].udp);
  }
  code = endpoint_open_socket(endpoint, 1, &config->ipv6, port, error);
  if (code == ERROR_EXISTS && config->port == 0 && endpoint->lanes <= 1) {
    code = endpoint_open_socket(endpoint, 1, &config->ipv6, 0, error);
  }
  if (code == ERROR_UNREACHABLE && have_ipv4) {
    return 0;
  }
  return code;
}

static void endpoint_steer(struct quic_endpoint *endpoint) {
  struct sock_filter program[LANE_INSTRUCTIONS];
  lane_program(endpoint->lanes, program);
  for (int i = 0; i < 2; i++) {
    struct error error;
    if (endpoint->sockets[i].udp != NULL &&
        udp_socket_steer(endpoint->sockets[i].udp, program, LANE_INSTRUCTIONS, &error) != 0) {
      log_info(endpoint->log, "udp-steering-off",
               "reason=\"%s\" text=\"threads hand packets to each other: throughput is lower\"",
               error.message);
      return;
    }
  }
}

static int endpoint_open_sockets(struct quic_endpoint *endpoint,
                                 const struct quic_endpoint_config *config, struct error *error) {
  int code = endpoint_open_both(endpoint, config, error);
  if (endpoint->lanes > 1 && config->port == 0) {
    /* The other lanes are told one number. */
    for (int attempt = 1; code == ERROR_EXISTS && attempt < SHARED_PORT_ATTEMPTS; attempt++) {
      udp_socket_close(endpoint->sockets[0].udp);
      endpoint->sockets[0].udp = NULL;
      code = endpoint_open_both(endpoint, config, error);
    }
  }
  for (int i = 0; code == 0 && i < 2; i++) {
    code = endpoint_watch_socket(endpoint, i, error);
  }
  if (code == 0 && endpoint->lanes > 1 && endpoint->lane == endpoint->lanes - 1) {
    endpoint_steer(endpoint);
  }
  return code;
}

static void endpoint_handle_closed(void *context) {
  struct quic_endpoint *endpoint = context;
  if (--endpoint->open_handles > 0) {
    return;
  }
  for (int i = 0; i < 2; i++) {
    if (endpoint->sockets[i].udp != NULL) {
      udp_socket_close(endpoint->sockets[i].udp);
    }
  }
  void (*done)(void *) = endpoint->done;
  void *done_context = endpoint->done_context;
  cid_table_free(endpoint->cids);
  packet_protection_free(endpoint->protection);
  if (endpoint->anonymous != NULL) {
    gnutls_certificate_free_credentials(endpoint->anonymous);
  }
  if (endpoint->priority != NULL) {
    gnutls_priority_deinit(endpoint->priority);
  }
  free(endpoint->transmit.storage);
  free(endpoint->qlog_folder);
  explicit_bzero(endpoint->secret, sizeof(endpoint->secret));
  free(endpoint);
  if (done != NULL) {
    done(done_context);
  }
}

static void endpoint_socket_closed(uv_handle_t *handle) {
  struct endpoint_socket *socket = handle->data;
  endpoint_handle_closed(socket->endpoint);
}

static void endpoint_uv_closed(uv_handle_t *handle) {
  endpoint_handle_closed(handle->data);
}

static int endpoint_check_lane(const struct quic_endpoint_config *config, struct error *error) {
  if (config->lanes <= 1 ? config->lane == 0
                         : config->lanes <= LANES_MAX && config->lane < config->lanes &&
                               (config->lane == 0 || config->port != 0)) {
    return 0;
  }
  return error_set(error, ERROR_INVALID, "no lane %u of %u on UDP port %u", config->lane,
                   config->lanes, config->port);
}

int quic_endpoint_new(const struct quic_endpoint_config *config, struct quic_endpoint **out,
                      struct error *error) {
  int code = endpoint_check_lane(config, error);
  if (code != 0) {
    return code;
  }
  struct quic_endpoint *endpoint = calloc(1, sizeof(*endpoint));
  if (endpoint == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a QUIC endpoint");
  }
  endpoint->loop = config->loop;
  endpoint->log = config->log;
  memcpy(endpoint->secret, config->secret, sizeof(endpoint->secret));
  endpoint->retry_threshold =
      config->retry_threshold == 0 ? QUIC_RETRY_THRESHOLD : config->retry_threshold;
  endpoint->half_open_max = config->half_open_max == 0 ? QUIC_HALF_OPEN_MAX : config->half_open_max;
  endpoint->connections_max =
      config->connections_max == 0 ? QUIC_CONNECTIONS_MAX : config->connections_max;
  endpoint->lane = config->lane;
  endpoint->lanes = config->lanes <= 1 ? 1 : config->lanes;
  endpoint->foreign = config->foreign;
  endpoint->ending = config->ending;
  endpoint->context = config->context;
  endpoint->ready_last = &endpoint->ready_first;
  endpoint->open_handles = 2; /* these two cannot fail */
  uv_prepare_init(endpoint->loop, &endpoint->prepare);
  uv_idle_init(endpoint->loop, &endpoint->turn);
  endpoint->prepare.data = endpoint->turn.data = endpoint;

  endpoint->cids = cid_table_new();
  endpoint->transmit.storage = calloc(TRANSMIT_BATCH, sizeof(endpoint->transmit.storage[0]));
  if (config->qlog_folder != NULL) {
    endpoint->qlog_folder = strdup(config->qlog_folder);
  }
  if (endpoint->cids == NULL || endpoint->transmit.storage == NULL ||
      (config->qlog_folder != NULL && endpoint->qlog_folder == NULL) ||
      gnutls_certificate_allocate_credentials(&endpoint->anonymous) != 0) {
    code = error_set(error, ERROR_NO_MEMORY, "out of memory for a QUIC endpoint");
  }
  if (code == 0) {
    code = tls_priority_new(&endpoint->priority, error);
  }
  if (code == 0) {
    code = timer_set_new(endpoint->loop, endpoint_timer, endpoint, &endpoint->timers, error);
  }
  if (code == 0) {
    code = endpoint_open_sockets(endpoint, config, error);
  }
  if (code != 0) {
    quic_endpoint_close(endpoint, NULL, NULL);
    return code;
  }
  uv_prepare_start(&endpoint->prepare, endpoint_prepare);
  *out = endpoint;
  return 0;
}

void quic_endpoint_close(struct quic_endpoint *endpoint, void (*done)(void *context),
                         void *context) {
  if (endpoint->closing) {
    return;
  }
  endpoint->closing = true;
  endpoint->done = done;
  endpoint->done_context = context;
  for (struct quic_connection *connection = endpoint->connections; connection != NULL;
       connection = connection->next) {
    quic_connection_close(connection, 0, "going away");
    endpoint_mark_ready(endpoint, connection); /* also one that waits to be finished */
  }
  if (endpoint->timers != NULL) {
    /* The last words go out now; what a full socket does not take is lost, as on a network. */
    endpoint->transmit.blocked = false;
    while (endpoint->connections != NULL) {
      endpoint->transmit.count = endpoint->transmit.blocked ? 0 : endpoint->transmit.count;
      endpoint->transmit.sent = endpoint->transmit.blocked ? 0 : endpoint->transmit.sent;
      endpoint->transmit.blocked = false;
      endpoint_flush(endpoint);
    }
    while (endpoint->closed != NULL) {
      connection_free(endpoint->closed);
    }
    endpoint->open_handles++;
    timer_set_close(endpoint->timers, endpoint_handle_closed, endpoint);
  }
  for (int i = 0; i < 2; i++) {
    if (endpoint->sockets[i].polled) {
      endpoint->open_handles++;
      uv_close((uv_handle_t *)&endpoint->sockets[i].poll, endpoint_socket_closed);
    }
  }
  uv_close((uv_handle_t *)&endpoint->turn, endpoint_uv_closed);
  uv_close((uv_handle_t *)&endpoint->prepare, endpoint_uv_closed);
}

uint16_t quic_endpoint_port(const struct quic_endpoint *endpoint, int family) {
  const struct endpoint_socket *socket = &endpoint->sockets[family == 6 ? 1 : 0];
  return socket->udp == NULL ? 0 : udp_socket_port(socket->udp);
}

void quic_endpoint_counters(const struct quic_endpoint *endpoint,
                            struct quic_endpoint_counters *counters) {
  *counters = endpoint->counters;
  counters->sent_packets = endpoint->transmit.sent_packets;
  counters->sent_bytes = endpoint->transmit.sent_bytes;
}

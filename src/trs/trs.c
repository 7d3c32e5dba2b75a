#include "trs/trs.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "control/control.h"
#include "trs/grant.h"
#include "trs/registration.h"
#include "trs/relay_table.h"
#include "trs/waiting_room.h"
#include "trs/xdp/forward.h"

enum {
  /* A node keeps its connection alive each 15 s while it needs us. */
  IDLE_TIMEOUT_SECONDS = 60,
  HANDSHAKE_TIMEOUT_SECONDS = 10,
  TICK_MILLISECONDS = 1000,
  REFUSALS_LOGGED = 10, /* lines a minute that nodes can cause */
  REFUSALS_PERIOD_SECONDS = 60,
};

/* A node's connection. */
struct client {
  struct trs_service *trs;
  struct quic_connection *connection;
  struct control *control;
  struct relay_node *node; /* NULL: the node has come again over another connection */
  struct client *prev, *next;
};

struct trs_service {
  struct trs_config config;
  char name[PKI_NAME_SIZE];
  struct relay_table *table;
  struct xdp_forward *xdp; /* NULL: all is forwarded in user space */
  struct waiting_room waiting;
  struct trs_registration *registration;
  uv_timer_t tick;
  struct client *clients;
  struct log_limit refusals;
  uint64_t refused_grants;
  unsigned open; /* what the loop still has of ours */
};

static int64_t wall(const struct trs_service *trs) {
  return trs->config.wall != NULL ? trs->config.wall() : clock_wall();
}

/* --- packets --- */

static bool forward(const struct address *source, uint32_t route_id, size_t size,
                    struct address *remote, struct ip_address *local, void *context) {
  struct trs_service *trs = context;
  struct relay_place place;
  switch (
      relay_table_forward(trs->table, source, route_id, size, uv_now(trs->config.loop), &place)) {
  case RELAY_FORWARD:
    *remote = place.remote;
    *local = place.local;
    return true;
  case RELAY_OVER_LIMIT:
    /* It is the relay's, and lost: the endpoint must not take it for a packet of its own, and
     * answer it. */
    *remote = (struct address){0};
    *local = (struct ip_address){0};
    return true;
  case RELAY_NOT_OURS:
    break;
  }
  return false;
}

/* --- what nodes ask --- */

static Cyphonic__Error__Code refusal_code(int code) {
  switch (code) {
  case ERROR_INVALID:
  case ERROR_CERTIFICATE:
    return CYPHONIC__ERROR__CODE__GRANT_INVALID;
  case ERROR_EXPIRED:
    return CYPHONIC__ERROR__CODE__GRANT_EXPIRED;
  default:
    return CYPHONIC__ERROR__CODE__UNAVAILABLE;
  }
}

static void refuse(struct client *client, struct control_exchange *exchange, int code,
                   const struct error *cause) {
  struct trs_service *trs = client->trs;
  uint32_t dropped = 0;
  if (log_limit_allows(&trs->refusals, clock_now(), &dropped)) {
    log_warning(trs->config.log, "relay-refused", "device=%s not_logged=%u cause=\"%s\"",
                quic_connection_peer(client->connection)->name, dropped, cause->message);
  }
  control_refuse(exchange, refusal_code(code), "%s", cause->message);
}

static void answer_relay(struct client *client, struct control_exchange *exchange,
                         const Cyphonic__RelayRequest *request) {
  struct trs_service *trs = client->trs;
  if (client->node == NULL) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNAVAILABLE,
                   "this node has connected again; ask over the newer connection");
    return;
  }
  const struct span data = {.data = request->grant.data, .size = request->grant.len};
  struct trs_grant grant;
  struct error error = {0};
  int code =
      trs_grant_read(data, trs->config.trust, trs->name,
                     quic_connection_peer(client->connection)->name, wall(trs), &grant, &error);
  if (code != 0) {
    trs->refused_grants++;
    refuse(client, exchange, code, &error);
    return;
  }
  struct relay_pair *pair;
  code = relay_table_ask(trs->table, client->node, &grant, &pair, &error);
  if (code != 0) {
    refuse(client, exchange, code, &error);
  } else if (relay_pair_is_bound(pair)) {
    waiting_room_welcome(exchange);
  } else {
    waiting_room_add(&trs->waiting, pair, client, exchange);
  }
}

static void answer_observation(struct client *client, struct control_exchange *exchange) {
  struct address remote = quic_connection_heard_from(client->connection);
  Cyphonic__Endpoint observed = CYPHONIC__ENDPOINT__INIT;
  observed.ip.data = remote.ip.bytes;
  observed.ip.len = ip_address_size(&remote.ip);
  observed.port = remote.port;
  Cyphonic__ObservationResponse response = CYPHONIC__OBSERVATION_RESPONSE__INIT;
  response.observed = &observed;
  Cyphonic__Message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE;
  reply.observation_response = &response;
  control_reply(exchange, &reply);
}

static void answer(struct control *control UNUSED, struct control_exchange *exchange,
                   const control_message *message, void *context) {
  struct client *client = context;
  switch (message->body_case) {
  case CYPHONIC__MESSAGE__BODY_RELAY_REQUEST:
    answer_relay(client, exchange, message->relay_request);
    break;
  case CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST:
    answer_observation(client, exchange);
    break;
  default:
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "TRS does not know this request");
  }
}

/* --- connections --- */

static const struct control_handler control_handler = {.request = answer};

static struct relay_place place_of(const struct client *client) {
  struct relay_place place;
  quic_connection_validated_path(client->connection, &place.remote, &place.local);
  return place;
}

static void forget(struct client *client) {
  struct trs_service *trs = client->trs;
  DL_DELETE(trs->clients, client);
  waiting_room_leave(&trs->waiting, client);
  if (client->node != NULL) {
    relay_table_disconnect(trs->table, client->node);
  }
  control_free(client->control);
  free(client);
}

static void connection_closed(struct quic_connection *connection, const struct quic_close *close,
                              void *context) {
  struct client *client = context;
  log_debug(client->trs->config.log, "node-gone", "device=%s cause=\"%s\"",
            quic_connection_peer(connection)->name, close->message);
  forget(client);
}

static void connection_remote_changed(struct quic_connection *connection UNUSED, void *context) {
  struct client *client = context;
  if (client->node != NULL) {
    struct relay_place place = place_of(client);
    relay_table_move(client->trs->table, client->node, &place);
  }
}

static const struct quic_handler connection_handler = {.closed = connection_closed,
                                                       .remote_changed = connection_remote_changed};

static int client_enter(struct client *client, struct error *error) {
  struct trs_service *trs = client->trs;
  const char *name = quic_connection_peer(client->connection)->name;
  struct relay_place place = place_of(client);
  void *replaced;
  int code = relay_table_connect(trs->table, name, &place, client, &client->node, &replaced, error);
  if (code != 0) {
    return code;
  }
  if (replaced != NULL) {
    struct client *former = replaced;
    former->node = NULL;
    quic_connection_close(former->connection, TRS_CLOSE_REPLACED,
                          "the node has connected over a newer connection");
  }
  log_debug(trs->config.log, "node-connected", "device=%s replaced=%s", name,
            replaced != NULL ? "yes" : "no");
  return 0;
}

/* A connection that gets no handlers is closed by the endpoint. */
static void accepted(struct quic_connection *connection, void *context) {
  struct trs_service *trs = context;
  struct client *client = calloc(1, sizeof(*client));
  if (client == NULL) {
    return;
  }
  client->trs = trs;
  client->connection = connection;
  client->control = control_new(connection, &control_handler, client);
  if (client->control == NULL) {
    free(client);
    return;
  }
  struct error error = {0};
  if (client_enter(client, &error) != 0) {
    uint32_t dropped = 0;
    if (log_limit_allows(&trs->refusals, clock_now(), &dropped)) {
      log_warning(trs->config.log, "node-refused", "not_logged=%u cause=\"%s\"", dropped,
                  error.message);
    }
    control_free(client->control);
    free(client);
    return;
  }
  DL_APPEND(trs->clients, client);
  quic_connection_set_handler(connection, &connection_handler, client);
}

/* --- pairs --- */

static void pair_bound(struct relay_pair *pair, void *context) {
  struct trs_service *trs = context;
  struct relay_pair_counters counters;
  relay_pair_counters(pair, &counters);
  log_debug(trs->config.log, "pair-bound", "first=%s second=%s", counters.fqdn[0],
            counters.fqdn[1]);
  waiting_room_admit(&trs->waiting, pair);
}

static void pair_removed(struct relay_pair *pair, void *context) {
  struct trs_service *trs = context;
  struct relay_pair_counters counters;
  relay_pair_counters(pair, &counters);
  log_debug(trs->config.log, "pair-ended",
            "first=%s second=%s first_packets=%llu first_bytes=%llu second_packets=%llu "
            "second_bytes=%llu",
            counters.fqdn[0], counters.fqdn[1], (unsigned long long)counters.packets[0],
            (unsigned long long)counters.bytes[0], (unsigned long long)counters.packets[1],
            (unsigned long long)counters.bytes[1]);
}

static void tick(uv_timer_t *timer) {
  struct trs_service *trs = timer->data;
  relay_table_set_time(trs->table, wall(trs));
  struct relay_table_counters counters;
  relay_table_counters(trs->table, &counters);
  trs_registration_set_load(trs->registration, counters.bound);
}

/* --- life --- */

static int serve(struct trs_service *trs, struct error *error) {
  const struct quic_service service = {
      .alpn = TRS_ALPN,
      .credentials = trs->config.credentials,
      .trust = trs->config.trust,
      .peer_purpose = PKI_NODE,
      .parameters = {.idle_timeout = IDLE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND,
                     .handshake_timeout = HANDSHAKE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND},
      .accepted = accepted,
      .context = trs,
  };
  return quic_endpoint_serve(trs->config.endpoint, &service, error);
}

/* --- the kernel's part --- */

static int kernel_open(struct trs_service *trs, struct error *error) {
  const struct trs_config *config = &trs->config;
  if (config->rate_limit != 0) {
    return error_set(error, ERROR_CONFIG, "[trs] rate_limit is set, which is kept in user space");
  }
  uint16_t port = quic_endpoint_port(config->endpoint, 4);
  if (port == 0) {
    port = quic_endpoint_port(config->endpoint, 6);
  }
  const struct xdp_forward_config forward = {
      .port = port,
      .ipv4 = config->ipv4,
      .ipv6 = config->ipv6,
      .any_interface = config->xdp == TRS_XDP_ON,
  };
  return xdp_forward_new(&forward, &trs->xdp, error);
}

/* The relay does without it. */
static void kernel_start(struct trs_service *trs) {
  if (trs->config.xdp == TRS_XDP_OFF) {
    return;
  }
  struct error error = {0};
  if (kernel_open(trs, &error) == ERROR_NONE) {
    const struct relay_offload offload = xdp_forward_offload(trs->xdp);
    relay_table_set_offload(trs->table, &offload);
    log_info(trs->config.log, "relay-in-kernel", "interfaces=%s", xdp_forward_interfaces(trs->xdp));
    return;
  }
  enum log_level level = trs->config.xdp == TRS_XDP_ON ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
  log_write(trs->config.log, level, "relay-in-user-space",
            "consequence=\"relaying takes more processor time\" "
            "remedy=\"mend the cause, or set [trs] xdp = off\" cause=\"%s\"",
            error.message);
}

static void kernel_stop(struct trs_service *trs) {
  if (trs->xdp == NULL) {
    return;
  }
  struct trs_counters counters;
  trs_service_counters(trs, &counters);
  log_info(trs->config.log, "relay-in-kernel-ends", "packets=%llu bytes=%llu",
           (unsigned long long)counters.kernel_packets, (unsigned long long)counters.kernel_bytes);
}

static int prepare(struct trs_service *trs, struct error *error) {
  if (strlen(trs->config.name) >= sizeof(trs->name)) {
    return error_set(error, ERROR_INVALID, "the name '%.300s' of the TRS is too long",
                     trs->config.name);
  }
  strcpy(trs->name, trs->config.name);
  const struct relay_table_config table = {
      .nodes_max = TRS_NODES_MAX,
      .pairs_max = TRS_PAIRS_MAX,
      .pairs_per_node = TRS_PAIRS_PER_NODE,
      .rate_limit = trs->config.rate_limit,
      .bound = pair_bound,
      .removed = pair_removed,
      .context = trs,
  };
  trs->table = relay_table_new(&table);
  if (trs->table == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for TRS");
  }
  relay_table_set_time(trs->table, wall(trs));
  return trs_registration_new(&trs->config, &trs->registration, error);
}

int trs_service_new(const struct trs_config *config, struct trs_service **out,
                    struct error *error) {
  *out = NULL;
  struct trs_service *trs = calloc(1, sizeof(*trs));
  if (trs == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for TRS");
  }
  trs->config = *config;
  trs->refusals = (struct log_limit){.period = REFUSALS_PERIOD_SECONDS * NANOSECONDS_PER_SECOND,
                                     .burst = REFUSALS_LOGGED};
  int code = serve(trs, error);
  if (code == 0) {
    code = prepare(trs, error);
    if (code != 0) {
      quic_endpoint_withdraw(config->endpoint, TRS_ALPN);
    }
  }
  if (code != 0) {
    relay_table_free(trs->table);
    free(trs);
    return code;
  }
  waiting_room_init(&trs->waiting, config->loop);
  uv_timer_init(config->loop, &trs->tick);
  trs->tick.data = trs;
  uv_timer_start(&trs->tick, tick, TICK_MILLISECONDS, TICK_MILLISECONDS);
  kernel_start(trs);
  const struct quic_forwarder forwarder = {.forward = forward, .context = trs};
  quic_endpoint_set_forwarder(config->endpoint, &forwarder);
  *out = trs;
  return 0;
}

static void let_go(void *context) {
  struct trs_service *trs = context;
  if (--trs->open == 0) {
    free(trs);
  }
}

static void tick_closed(uv_handle_t *handle) {
  let_go(handle->data);
}

static void waiting_closed(uv_handle_t *handle) {
  struct waiting_room *room = handle->data;
  let_go((char *)room - offsetof(struct trs_service, waiting));
}

void trs_service_free(struct trs_service *trs) {
  if (trs == NULL) {
    return;
  }
  quic_endpoint_withdraw(trs->config.endpoint, TRS_ALPN);
  quic_endpoint_set_forwarder(trs->config.endpoint, NULL);
  while (trs->clients != NULL) {
    struct client *client = trs->clients;
    /* Its `closed` comes later, from the loop, when the service is gone. */
    quic_connection_set_handler(client->connection, NULL, NULL);
    quic_connection_close(client->connection, 0, "the service ends");
    forget(client);
  }
  kernel_stop(trs);
  relay_table_free(trs->table);
  xdp_forward_free(trs->xdp);
  trs->table = NULL;
  trs->open = 3;
  waiting_room_close(&trs->waiting, waiting_closed);
  uv_close((uv_handle_t *)&trs->tick, tick_closed);
  trs_registration_free(trs->registration, let_go, trs);
}

void trs_service_counters(const struct trs_service *trs, struct trs_counters *counters) {
  struct relay_table_counters table;
  relay_table_counters(trs->table, &table);
  *counters = (struct trs_counters){
      .nodes = table.nodes,
      .pairs = table.bound,
      .forwarded_packets = table.forwarded_packets,
      .forwarded_bytes = table.forwarded_bytes,
      .kernel_packets = table.offloaded.packets,
      .kernel_bytes = table.offloaded.bytes,
      .dropped_rate = table.over_limit,
      .refused_grants = trs->refused_grants,
  };
}

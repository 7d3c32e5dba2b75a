#include "node/link.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "node/message.h"

struct link {
  struct link_shared *shared;
  const struct link_handler *handler; /* NULL: abandoned */
  void *context, *owner;
  struct quic_connection *connection;
  struct control *control;
  struct tunnel *tunnel;             /* NULL: not authorised */
  struct control_exchange *exchange; /* the peer's TunnelRequest that awaits an answer */
  uint64_t direction_id;
  uint32_t peer_route_id;
  uint64_t probed; /* nanoseconds, when link_probe asked; 0: nothing is awaited */
  bool client, requested, confirmed;
  struct link *next, *previous; /* of shared->links */
};

static void fill_mtu(Cyphonic__TunnelResponse *response, uint64_t direction_id) {
  cyphonic__tunnel_response__init(response);
  response->direction_id = direction_id;
  response->mtu = LINK_MTU;
}

/* --- the peer's requests --- */

static void take_tunnel_request(struct link *link, struct control_exchange *exchange,
                                const Cyphonic__TunnelRequest *request) {
  if (link->client || link->requested) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                   "one TunnelRequest, from the QUIC client, is expected");
    return;
  }
  link->requested = true;
  link->direction_id = request->direction_id;
  link->exchange = exchange;
  link->handler->requested(link, link->context);
}

/* Those of `endpoints` that can be. */
static size_t read_candidates(Cyphonic__Endpoint **endpoints, size_t count,
                              struct address candidates[LINK_CANDIDATES_MAX]) {
  size_t taken = 0;
  for (size_t i = 0; i < count && taken < LINK_CANDIDATES_MAX; i++)
    if (!message_endpoint(endpoints[i], &candidates[taken]))
      taken++;
  return taken;
}

/* Endpoints that borrow from `candidates`. */
static size_t write_candidates(const struct address *candidates, size_t count,
                               Cyphonic__Endpoint endpoints[LINK_CANDIDATES_MAX],
                               Cyphonic__Endpoint *pointers[LINK_CANDIDATES_MAX]) {
  if (count > LINK_CANDIDATES_MAX)
    count = LINK_CANDIDATES_MAX;
  for (size_t i = 0; i < count; i++) {
    cyphonic__endpoint__init(&endpoints[i]);
    endpoints[i].ip = message_bytes(&candidates[i].ip);
    endpoints[i].port = candidates[i].port;
    pointers[i] = &endpoints[i];
  }
  return count;
}

static void take_upgrade_request(struct link *link, struct control_exchange *exchange,
                                 const Cyphonic__UpgradeRequest *request) {
  struct address theirs[LINK_CANDIDATES_MAX], ours[LINK_CANDIDATES_MAX];
  Cyphonic__Endpoint endpoints[LINK_CANDIDATES_MAX], *pointers[LINK_CANDIDATES_MAX];
  size_t count = read_candidates(request->candidates, request->n_candidates, theirs);
  count = link->handler->upgrade_asked(link, theirs, count, ours, link->context);
  Cyphonic__UpgradeResponse response = CYPHONIC__UPGRADE_RESPONSE__INIT;
  response.n_candidates = write_candidates(ours, count, endpoints, pointers);
  response.candidates = pointers;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_UPGRADE_RESPONSE;
  reply.upgrade_response = &response;
  control_reply(exchange, &reply);
}

static void answer_ping(struct control_exchange *exchange) {
  Cyphonic__PingResponse response = CYPHONIC__PING_RESPONSE__INIT;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_PING_RESPONSE;
  reply.ping_response = &response;
  control_reply(exchange, &reply);
}

static bool is_let_in(const struct link *link, struct control_exchange *exchange) {
  if (!link->tunnel)
    control_refuse(exchange, CYPHONIC__ERROR__CODE__NOT_DIRECTED,
                   "no Route Direction allows this tunnel");
  return link->tunnel;
}

static void on_request(UNUSED struct control *control, struct control_exchange *exchange,
                       const control_message *message, void *context) {
  struct link *link = context;
  if (!link->handler) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNAVAILABLE, "this node leaves");
    return;
  }
  switch (message->body_case) {
  case CYPHONIC__MESSAGE__BODY_TUNNEL_REQUEST:
    take_tunnel_request(link, exchange, message->tunnel_request);
    return;
  case CYPHONIC__MESSAGE__BODY_PING_REQUEST:
    if (is_let_in(link, exchange))
      answer_ping(exchange);
    return;
  case CYPHONIC__MESSAGE__BODY_UPGRADE_REQUEST:
    if (is_let_in(link, exchange))
      take_upgrade_request(link, exchange, message->upgrade_request);
    return;
  default:
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "a node takes no such message from another node");
  }
}

static const struct control_handler control_handler = {.request = on_request};

/* --- the connection --- */

static void on_established(UNUSED struct quic_connection *connection, void *context) {
  struct link *link = context;
  if (!link->handler)
    return;
  link->control = control_new(link->connection, &control_handler, link);
  if (!link->control)
    quic_connection_close(link->connection, LINK_CLOSE_DONE, "no memory");
  else
    link->handler->established(link, link->context);
}

/* A TunnelRequest not answered by now gets its answer into the void, so that the exchange ends. */
static void drop_parts(struct link *link) {
  struct control_exchange *exchange = link->exchange;
  struct control *control = link->control;
  struct tunnel *tunnel = link->tunnel;
  link->exchange = NULL;
  link->control = NULL;
  link->tunnel = NULL;
  if (exchange)
    control_refuse(exchange, CYPHONIC__ERROR__CODE__NOT_DIRECTED,
                   "no Route Direction allows this tunnel");
  if (tunnel)
    tunnel_free(tunnel);
  if (control)
    control_free(control);
}

static void on_closed(UNUSED struct quic_connection *connection, const struct quic_close *close,
                      void *context) {
  struct link *link = context;
  drop_parts(link);
  if (link->handler) {
    struct error error = {0};
    error_set(&error, close->code == ERROR_NONE ? ERROR_CLOSED : close->code, "%s", close->message);
    DL_DELETE2(link->shared->links, link, previous, next);
    link->handler->closed(link, &error, link->context);
  }
  free(link);
}

static void on_remote_changed(UNUSED struct quic_connection *connection, void *context) {
  struct link *link = context;
  if (link->handler)
    link->handler->moved(link, link->context);
}

static void on_migrated(UNUSED struct quic_connection *connection, bool success, void *context) {
  struct link *link = context;
  if (link->handler)
    link->handler->migrated(link, success, link->context);
}

static void on_spoke_elsewhere(UNUSED struct quic_connection *connection,
                               const struct address *remote, void *context) {
  struct link *link = context;
  if (link->handler && link->control)
    link->handler->spoke_elsewhere(link, remote, link->context);
}

static const struct quic_handler connection_handler = {
    .established = on_established,
    .closed = on_closed,
    .remote_changed = on_remote_changed,
    .migrated = on_migrated,
    .spoke_elsewhere = on_spoke_elsewhere,
};

static struct link *link_new(struct link_shared *shared, const struct link_handler *handler,
                             void *context) {
  struct link *link = calloc(1, sizeof *link);
  if (link) {
    link->shared = shared;
    link->handler = handler;
    link->context = context;
  }
  return link;
}

int link_connect(struct link_shared *shared, const struct link_target *wanted,
                 const struct link_handler *handler, void *context, struct link **out,
                 struct error *error) {
  struct link *link = link_new(shared, handler, context);
  if (!link)
    return error_set(error, ERROR_NO_MEMORY, "no memory for a tunnel");
  link->client = true;
  link->direction_id = wanted->direction_id;
  link->peer_route_id = wanted->peer_route_id;
  struct quic_target target = {
      .alpn = LINK_ALPN,
      .remote = wanted->remote,
      .credentials = shared->credentials,
      .trust = shared->trust,
      .peer_purpose = PKI_NODE,
      .peer_name = wanted->fqdn,
      .peer_route_id = wanted->peer_route_id,
      .parameters = {.idle_timeout = shared->idle_timeout,
                     .handshake_timeout = LINK_HANDSHAKE_TIMEOUT,
                     .datagrams = true},
      .handler = &connection_handler,
      .context = link,
  };
  int code = quic_connect(shared->endpoint, &target, &link->connection, error);
  if (code) {
    free(link);
    return code;
  }
  DL_APPEND2(shared->links, link, previous, next);
  *out = link;
  return 0;
}

void link_add_candidate(struct link *link, const struct address *remote) {
  quic_connection_add_candidate(link->connection, remote);
}

int link_accept(struct link_shared *shared, struct quic_connection *connection,
                const struct link_handler *handler, void *context, struct link **out,
                struct error *error) {
  struct link *link = link_new(shared, handler, context);
  if (!link) {
    quic_connection_close(connection, LINK_CLOSE_DONE, "no memory");
    return error_set(error, ERROR_NO_MEMORY, "no memory for a tunnel");
  }
  link->connection = connection;
  quic_connection_set_handler(connection, &connection_handler, link);
  link->control = control_new(connection, &control_handler, link);
  if (!link->control) {
    link->handler = NULL; /* it frees itself, unknown to the owner */
    quic_connection_close(connection, LINK_CLOSE_DONE, "no memory");
    return error_set(error, ERROR_NO_MEMORY, "no memory for a tunnel");
  }
  DL_APPEND2(shared->links, link, previous, next);
  *out = link;
  return 0;
}

/* --- the tunnel --- */

static void deliver(struct span packet, void *context) {
  struct link *link = context;
  if (link->handler)
    link->handler->received(link, packet, link->context);
}

int link_authorise(struct link *link, struct error *error) {
  if (link->tunnel)
    return 0;
  const struct pki_identity *peer = link_identity(link);
  struct tunnel_config config = {
      .local_ipv4 = link->shared->ipv4,
      .local_ipv6 = link->shared->ipv6,
      .peer_ipv4 = peer->ipv4,
      .peer_ipv6 = peer->ipv6,
      .deliver = deliver,
      .context = link,
  };
  return tunnel_new(link->connection, &config, &link->tunnel, error);
}

bool link_is_authorised(const struct link *link) {
  return link->tunnel;
}

static void tunnel_answered(UNUSED struct control *control, int code, const control_message *reply,
                            const struct error *error, void *context) {
  struct link *link = context;
  if (!link->handler || code == ERROR_CLOSED)
    return; /* `closed` tells */
  struct error fault = {0};
  if (code)
    fault = *error;
  else if (reply->body_case != CYPHONIC__MESSAGE__BODY_TUNNEL_RESPONSE)
    error_set(&fault, ERROR_PROTOCOL, "the peer answered the TunnelRequest with another message");
  if (fault.code == ERROR_NONE) {
    link->confirmed = true;
    link->handler->confirmed(link, link->context);
    return;
  }
  link->handler->refused(link, &fault, link->context);
  quic_connection_close(link->connection, LINK_CLOSE_DONE, "the tunnel was refused");
}

int link_request(struct link *link, struct error *error) {
  Cyphonic__TunnelRequest request = CYPHONIC__TUNNEL_REQUEST__INIT;
  request.direction_id = link->direction_id;
  request.mtu = LINK_MTU;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_TUNNEL_REQUEST;
  message.tunnel_request = &request;
  return control_request(link->control, &message, LINK_REQUEST_TIMEOUT, tunnel_answered, link,
                         error);
}

void link_grant(struct link *link) {
  struct control_exchange *exchange = link->exchange;
  if (!exchange)
    return;
  link->exchange = NULL;
  link->confirmed = true;
  Cyphonic__TunnelResponse response;
  fill_mtu(&response, link->direction_id);
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_TUNNEL_RESPONSE;
  reply.tunnel_response = &response;
  control_reply(exchange, &reply);
}

void link_refuse(struct link *link, enum link_close_code code, const char *text) {
  struct control_exchange *exchange = link->exchange;
  link->exchange = NULL;
  if (exchange)
    control_refuse(exchange, CYPHONIC__ERROR__CODE__NOT_DIRECTED, "%s", text);
  quic_connection_close(link->connection, code, text);
}

void link_send(struct link *link, struct span packet) {
  tunnel_send(link->tunnel, packet);
}

void link_salvage(struct link *link, void (*take)(struct span packet, void *context),
                  void *context) {
  tunnel_salvage(link->tunnel, take, context);
}

int link_ping(struct link *link, control_reply_callback callback, void *context,
              struct error *error) {
  Cyphonic__PingRequest request = CYPHONIC__PING_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_PING_REQUEST;
  message.ping_request = &request;
  return control_request(link->control, &message, LINK_REQUEST_TIMEOUT, callback, context, error);
}

static void probe_answered(UNUSED struct control *control, UNUSED int code,
                           UNUSED const control_message *reply, UNUSED const struct error *error,
                           void *context) {
  struct link *link = context;
  link->probed = 0;
}

void link_probe(struct link *link) {
  struct error error = {0};
  if (link->probed == 0 && !link_ping(link, probe_answered, link, &error))
    link->probed = clock_now();
}

void link_await_anew(struct link *link) {
  if (link->probed != 0)
    link->probed = clock_now();
}

static void announced(UNUSED struct control *control, UNUSED int code,
                      UNUSED const control_message *reply, UNUSED const struct error *error,
                      UNUSED void *context) {
}

int link_announce(struct link *link, struct error *error) {
  return link_ping(link, announced, NULL, error);
}

uint64_t link_silence(const struct link *link, uint64_t now) {
  uint64_t silence = quic_connection_silence(link->connection, now);
  uint64_t waited = link->probed != 0 && now > link->probed ? now - link->probed : 0;
  return waited > silence ? waited : silence;
}

static void upgrade_answered(UNUSED struct control *control, int code, const control_message *reply,
                             UNUSED const struct error *error, void *context) {
  struct link *link = context;
  if (!link->handler || !link->control)
    return; /* `closed` tells */
  struct address theirs[LINK_CANDIDATES_MAX];
  size_t count = 0;
  if (!code && reply->body_case == CYPHONIC__MESSAGE__BODY_UPGRADE_RESPONSE)
    count = read_candidates(reply->upgrade_response->candidates,
                            reply->upgrade_response->n_candidates, theirs);
  link->handler->upgrade_answered(link, theirs, count, link->context);
}

int link_upgrade(struct link *link, const struct address *ours, size_t count, struct error *error) {
  Cyphonic__Endpoint endpoints[LINK_CANDIDATES_MAX], *pointers[LINK_CANDIDATES_MAX];
  Cyphonic__UpgradeRequest request = CYPHONIC__UPGRADE_REQUEST__INIT;
  request.n_candidates = write_candidates(ours, count, endpoints, pointers);
  request.candidates = pointers;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_UPGRADE_REQUEST;
  message.upgrade_request = &request;
  return control_request(link->control, &message, LINK_REQUEST_TIMEOUT, upgrade_answered, link,
                         error);
}

/* --- the end --- */

void link_close(struct link *link, enum link_close_code code, const char *reason) {
  quic_connection_close(link->connection, code, reason);
}

void link_abandon(struct link *link) {
  link->handler = NULL;
  DL_DELETE2(link->shared->links, link, previous, next);
  drop_parts(link);
  quic_connection_close(link->connection, LINK_CLOSE_DONE, "the node leaves");
}

void link_abandon_all(struct link_shared *shared) {
  struct link *link, *next;
  DL_FOREACH_SAFE2(shared->links, link, next, next)
  link_abandon(link);
}

void link_set_owner(struct link *link, void *owner) {
  link->owner = owner;
}

void *link_owner(const struct link *link) {
  return link->owner;
}

const struct pki_identity *link_identity(const struct link *link) {
  return quic_connection_peer(link->connection);
}

bool link_is_client(const struct link *link) {
  return link->client;
}

uint64_t link_direction(const struct link *link) {
  return link->direction_id;
}

uint32_t link_peer_route_id(const struct link *link) {
  return link->peer_route_id;
}

bool link_is_confirmed(const struct link *link) {
  return link->confirmed;
}

struct quic_connection *link_connection(const struct link *link) {
  return link->connection;
}

void link_counters(const struct link *link, struct tunnel_counters *counters) {
  *counters = (struct tunnel_counters){0};
  if (link->tunnel)
    tunnel_counters(link->tunnel, counters);
}

#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "node/link_internal.h"

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
  link_tell_news(link, LINK_NEWS_REQUESTED);
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

/* One may wait for the owner's word, since a peer need not wait for ours before it asks. */
static void take_ping_request(struct link *link, struct control_exchange *exchange) {
  if (!link->tunnel && !link->early)
    link->early = exchange;
  else if (is_let_in(link, exchange))
    answer_ping(exchange);
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
    take_ping_request(link, exchange);
    return;
  case CYPHONIC__MESSAGE__BODY_UPGRADE_REQUEST:
    if (is_let_in(link, exchange))
      link_take_upgrade(link, exchange, message->upgrade_request);
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
    link_tell_news(link, LINK_NEWS_ESTABLISHED);
}

/* What is not answered by now gets its answer into the void, so that the exchange ends. */
static void drop_parts(struct link *link) {
  link_answer_upgrade(link, NULL, 0);
  struct control_exchange *exchange = link->exchange, *early = link->early;
  struct control *control = link->control;
  struct tunnel *tunnel = link->tunnel;
  link->exchange = link->early = NULL;
  link->control = NULL;
  link->tunnel = NULL;
  if (exchange)
    control_refuse(exchange, CYPHONIC__ERROR__CODE__NOT_DIRECTED,
                   "no Route Direction allows this tunnel");
  if (early)
    control_refuse(early, CYPHONIC__ERROR__CODE__NOT_DIRECTED,
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
    link->handler = NULL;
  }
  link->connection = NULL;
  link->closed = true;
  link_free_if_unused(link);
}

static void on_remote_changed(UNUSED struct quic_connection *connection, void *context) {
  link_tell_news(context, LINK_NEWS_MOVED);
}

static void on_migrated(UNUSED struct quic_connection *connection, bool success, void *context) {
  struct link_event event = {.news = LINK_NEWS_MIGRATED, .success = success};
  link_tell(context, &event);
}

static void on_spoke_elsewhere(UNUSED struct quic_connection *connection,
                               const struct address *remote, void *context) {
  struct link *link = context;
  struct link_event event = {.news = LINK_NEWS_SPOKE_ELSEWHERE, .remote = *remote};
  if (link->control)
    link_tell(link, &event);
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
  lane_enter(shared->lane);
  int code = quic_connect(shared->endpoint, &target, &link->connection, error);
  if (code) {
    free(link);
  } else {
    DL_APPEND2(shared->links, link, previous, next);
    *out = link;
  }
  lane_leave(shared->lane);
  return code;
}

void link_add_candidate(struct link *link, const struct address *remote) {
  quic_connection_add_candidate(link_visit(link), remote);
  link_leave(link);
}

int link_accept(struct link_shared *shared, struct quic_connection *connection,
                const struct link_handler *handler, void *context, struct error *error) {
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
  link_tell_news(link, LINK_NEWS_ACCEPTED);
  return 0;
}

/* --- the tunnel --- */

/* peer_now's clock, as this lane has it. */
static uint64_t now(const struct link *link) {
  return uv_now(link->shared->loop) * NANOSECONDS_PER_MILLISECOND;
}

static void tell_traffic(struct link *link, bool received) {
  struct link_event event = {.news = LINK_NEWS_TRAFFIC, .received = received};
  link->tell_traffic = false;
  if (received)
    link->tell_received = false;
  link_tell(link, &event);
}

static void deliver(struct span packet, void *context) {
  struct link *link = context;
  if (!link->handler)
    return;
  link->traffic.received = now(link);
  if (link->tell_traffic || link->tell_received)
    tell_traffic(link, true);
  link->shared->deliver(packet, link->shared->deliver_context);
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
  struct quic_connection *connection = link_visit(link);
  int code = tunnel_new(connection, &config, &link->tunnel, error);
  if (!code && link->early)
    answer_ping(link->early);
  if (!code) {
    link->early = NULL;
    quic_connection_take_early_datagrams(connection);
  }
  link_leave(link);
  return code;
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
    link_tell_news(link, LINK_NEWS_CONFIRMED);
    return;
  }
  struct link_event event = {.news = LINK_NEWS_REFUSED, .error = fault};
  link_tell(link, &event);
  quic_connection_close(link->connection, LINK_CLOSE_DONE, "the tunnel was refused");
}

int link_request(struct link *link, struct error *error) {
  Cyphonic__TunnelRequest tunnel_request = CYPHONIC__TUNNEL_REQUEST__INIT;
  tunnel_request.direction_id = link->direction_id;
  tunnel_request.mtu = LINK_MTU;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_TUNNEL_REQUEST;
  message.tunnel_request = &tunnel_request;
  return link_ask(link, &message, tunnel_answered, link, error);
}

static void grant(struct link *link) {
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

void link_grant(struct link *link) {
  lane_enter(link->shared->lane);
  grant(link);
  lane_leave(link->shared->lane);
}

void link_refuse(struct link *link, enum link_close_code code, const char *text) {
  struct quic_connection *connection = link_visit(link);
  struct control_exchange *exchange = link->exchange;
  link->exchange = NULL;
  if (exchange)
    control_refuse(exchange, CYPHONIC__ERROR__CODE__NOT_DIRECTED, "%s", text);
  quic_connection_close(connection, code, text);
  link_leave(link);
}

void link_send(struct link *link, struct span packet) {
  lane_enter(link->shared->lane);
  link->traffic.sent = now(link);
  if (link->tell_traffic)
    tell_traffic(link, false);
  tunnel_send(link->tunnel, packet);
  lane_leave(link->shared->lane);
}

void link_salvage(struct link *link, void (*take)(struct span packet, void *context),
                  void *context) {
  lane_enter(link->shared->lane);
  tunnel_salvage(link->tunnel, take, context);
  lane_leave(link->shared->lane);
}

struct link_traffic link_traffic(const struct link *link) {
  lane_enter(link->shared->lane);
  struct link_traffic traffic = link->traffic;
  lane_leave(link->shared->lane);
  return traffic;
}

void link_tell_traffic(struct link *link, bool received_only) {
  lane_enter(link->shared->lane);
  if (received_only)
    link->tell_received = true;
  else
    link->tell_traffic = true;
  lane_leave(link->shared->lane);
}

/* --- the end --- */

void link_close(struct link *link, enum link_close_code code, const char *reason) {
  quic_connection_close(link_visit(link), code, reason);
  link_leave(link);
}

void link_abandon(struct link *link) {
  struct lane *lane = link->shared->lane;
  lane_enter(lane);
  link->handler = NULL;
  DL_DELETE2(link->shared->links, link, previous, next);
  drop_parts(link);
  quic_connection_close(link->connection, LINK_CLOSE_DONE, "the node leaves");
  lane_leave(lane);
}

void link_abandon_all(struct link_shared *shared) {
  struct link *link, *next;
  lane_enter(shared->lane);
  DL_FOREACH_SAFE2(shared->links, link, next, next)
  link_abandon(link);
  lane_leave(shared->lane);
}

/* --- what is known --- */

void link_set_owner(struct link *link, void *owner) {
  link->owner = owner;
}

void *link_owner(const struct link *link) {
  return link->owner;
}

/* The connection does not change it any more. */
const struct pki_identity *link_identity(const struct link *link) {
  return quic_connection_peer(link->connection);
}

bool link_is_client(const struct link *link) {
  return link->client;
}

uint64_t link_direction(const struct link *link) {
  lane_enter(link->shared->lane);
  uint64_t direction_id = link->direction_id;
  lane_leave(link->shared->lane);
  return direction_id;
}

uint32_t link_peer_route_id(const struct link *link) {
  return link->peer_route_id;
}

bool link_is_confirmed(const struct link *link) {
  lane_enter(link->shared->lane);
  bool confirmed = link->confirmed;
  lane_leave(link->shared->lane);
  return confirmed;
}

struct address link_remote(const struct link *link) {
  struct address remote = quic_connection_remote(link_visit(link));
  link_leave(link);
  return remote;
}

struct ip_address link_local(const struct link *link) {
  struct ip_address local = quic_connection_local(link_visit(link)).ip;
  link_leave(link);
  return local;
}

int link_migrate(struct link *link, const struct address *remote, bool immediately) {
  int code = quic_connection_migrate(link_visit(link), remote, immediately);
  link_leave(link);
  return code;
}

struct quic_connection *link_visit(const struct link *link) {
  lane_enter(link->shared->lane);
  return link->connection;
}

void link_leave(const struct link *link) {
  lane_leave(link->shared->lane);
}

struct lane *link_lane(const struct link *link) {
  return link->shared->lane;
}

void link_counters(const struct link *link, struct tunnel_counters *counters) {
  *counters = (struct tunnel_counters){0};
  lane_enter(link->shared->lane);
  if (link->tunnel)
    tunnel_counters(link->tunnel, counters);
  lane_leave(link->shared->lane);
}

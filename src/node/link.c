#include "node/link.h"

#include <stdlib.h>
#include <utlist.h>

struct link {
  struct link_shared *shared;
  const struct link_handler *handler; /* NULL: abandoned */
  void *context, *owner;
  struct quic_connection *connection;
  struct control *control;
  struct tunnel *tunnel;             /* NULL: not authorised */
  struct control_exchange *exchange; /* the peer's TunnelRequest that awaits an answer */
  uint64_t direction_id;
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
  case CYPHONIC__MESSAGE__BODY_PING_REQUEST: {
    if (!link->tunnel) {
      control_refuse(exchange, CYPHONIC__ERROR__CODE__NOT_DIRECTED,
                     "no Route Direction allows this tunnel");
      return;
    }
    Cyphonic__PingResponse response = CYPHONIC__PING_RESPONSE__INIT;
    control_message reply = CYPHONIC__MESSAGE__INIT;
    reply.body_case = CYPHONIC__MESSAGE__BODY_PING_RESPONSE;
    reply.ping_response = &response;
    control_reply(exchange, &reply);
    return;
  }
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

static const struct quic_handler connection_handler = {.established = on_established,
                                                       .closed = on_closed};

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

int link_connect(struct link_shared *shared, const struct address *remote, const char *fqdn,
                 uint64_t keep_alive, uint64_t direction_id, const struct link_handler *handler,
                 void *context, struct link **out, struct error *error) {
  struct link *link = link_new(shared, handler, context);
  if (!link)
    return error_set(error, ERROR_NO_MEMORY, "no memory for a tunnel");
  link->client = true;
  link->direction_id = direction_id;
  struct quic_target target = {
      .alpn = LINK_ALPN,
      .remote = *remote,
      .credentials = shared->credentials,
      .trust = shared->trust,
      .peer_purpose = PKI_NODE,
      .peer_name = fqdn,
      .parameters = {.idle_timeout = shared->idle_timeout,
                     .keep_alive = keep_alive,
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

int link_ping(struct link *link, control_reply_callback callback, void *context,
              struct error *error) {
  Cyphonic__PingRequest request = CYPHONIC__PING_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_PING_REQUEST;
  message.ping_request = &request;
  return control_request(link->control, &message, LINK_REQUEST_TIMEOUT, callback, context, error);
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

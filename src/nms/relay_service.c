/* TRSs register here, and are there as long as their connection stands. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "nms/service.h"

enum {
  /* A TRS sends something each 5 s: silence for 15 s means that it is gone. */
  IDLE_TIMEOUT_SECONDS = 15,
  HANDSHAKE_TIMEOUT_SECONDS = 10,
};

struct nms_relay_connection {
  struct nms_service *nms;
  struct quic_connection *connection;
  struct control *control;
  bool registered; /* once at least */
  struct nms_relay_connection *prev, *next;
};

static void refuse(struct nms_service *nms, struct control_exchange *exchange, const char *name,
                   int code, const struct error *cause) {
  log_warning(nms->config.log, "relay-refused", "relay=%s cause=\"%s\"", name, cause->message);
  control_refuse(exchange,
                 code == ERROR_INVALID ? CYPHONIC__ERROR__CODE__MALFORMED
                                       : CYPHONIC__ERROR__CODE__UNAVAILABLE,
                 "%s", cause->message);
}

static void answer(struct control *control, struct control_exchange *exchange,
                   const control_message *message, void *context) {
  struct nms_relay_connection *client = context;
  struct nms_service *nms = client->nms;
  if (message->body_case != CYPHONIC__MESSAGE__BODY_RELAY_REGISTRATION_REQUEST) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "NMS does not know this request of a TRS");
    return;
  }
  const char *name = quic_connection_peer(client->connection)->name;
  struct control *replaced;
  struct error error = {0};
  int code = relay_registry_put(nms->relays, name, control, message->relay_registration_request,
                                &replaced, &error);
  if (code != 0) {
    refuse(nms, exchange, name, code, &error);
    return;
  }
  if (replaced != NULL) {
    quic_connection_close(control_connection(replaced), NMS_CLOSE_REPLACED,
                          "the TRS has registered over a newer connection");
  }
  /* The first time is news for the operator, a changed load is not. */
  log_write(nms->config.log, client->registered ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
            "relay-registered", "relay=%s addresses=%zu pairs=%u replaced=%s", name,
            message->relay_registration_request->n_addresses,
            message->relay_registration_request->pairs, replaced != NULL ? "yes" : "no");
  client->registered = true;
  Cyphonic__RelayRegistrationResponse response = CYPHONIC__RELAY_REGISTRATION_RESPONSE__INIT;
  Cyphonic__Message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_RELAY_REGISTRATION_RESPONSE;
  reply.relay_registration_response = &response;
  control_reply(exchange, &reply);
}

static const struct control_handler control_handler = {.request = answer};

static void forget(struct nms_relay_connection *client) {
  struct nms_service *nms = client->nms;
  DL_DELETE(nms->relay_connections, client);
  relay_registry_remove(nms->relays, client->control);
  control_free(client->control);
  free(client);
}

static void connection_closed(struct quic_connection *connection, const struct quic_close *close,
                              void *context) {
  struct nms_relay_connection *client = context;
  log_info(client->nms->config.log, "relay-gone", "relay=%s cause=\"%s\"",
           quic_connection_peer(connection)->name, close->message);
  forget(client);
}

static const struct quic_handler connection_handler = {.closed = connection_closed};

/* A connection that gets no handlers is closed by the endpoint. */
static void accepted(struct quic_connection *connection, void *context) {
  struct nms_service *nms = context;
  struct nms_relay_connection *client = calloc(1, sizeof(*client));
  if (client == NULL) {
    return;
  }
  client->nms = nms;
  client->connection = connection;
  client->control = control_new(connection, &control_handler, client);
  if (client->control == NULL) {
    free(client);
    return;
  }
  DL_APPEND(nms->relay_connections, client);
  quic_connection_set_handler(connection, &connection_handler, client);
}

int nms_relay_service_open(struct nms_service *nms, struct error *error) {
  const struct quic_service service = {
      .alpn = NMS_RELAY_ALPN,
      .credentials = nms->config.credentials,
      .trust = nms->config.trust,
      .peer_purpose = PKI_TRS,
      .parameters = {.idle_timeout = IDLE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND,
                     .handshake_timeout = HANDSHAKE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND},
      .accepted = accepted,
      .context = nms,
  };
  return quic_endpoint_serve(nms->config.endpoint, &service, error);
}

void nms_relay_service_close(struct nms_service *nms) {
  quic_endpoint_withdraw(nms->config.endpoint, NMS_RELAY_ALPN);
  while (nms->relay_connections != NULL) {
    struct nms_relay_connection *client = nms->relay_connections;
    /* Its `closed` comes later, from the loop, when the service is gone. */
    quic_connection_set_handler(client->connection, NULL, NULL);
    quic_connection_close(client->connection, 0, "the service ends");
    forget(client);
  }
}

#include "nms/nms.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "nms/service.h"

enum {
  IDLE_TIMEOUT_SECONDS = 60, /* the node keeps its connection alive, for its NAT's sake */
  OBSERVATION_IDLE_TIMEOUT_SECONDS = NMS_SILENCE_MAX_SECONDS + 30,
  HANDSHAKE_TIMEOUT_SECONDS = 10,
  REFUSALS_LOGGED = 10, /* lines a minute that a refused node can cause */
  REFUSALS_PERIOD_SECONDS = 60,
};

int64_t nms_wall(const struct nms_service *nms) {
  return nms->config.wall != NULL ? nms->config.wall() : clock_wall();
}

uint64_t nms_now(const struct nms_connection *client) {
  return uv_now(quic_connection_loop(client->connection));
}

uint64_t nms_seconds(const struct nms_connection *client) {
  return nms_now(client) / 1000;
}

void nms_refuse_fault(struct nms_service *nms, struct control_exchange *exchange,
                      const struct error *cause) {
  log_error(nms->config.log, "request-failed", "cause=\"%s\"", cause->message);
  control_refuse(exchange, CYPHONIC__ERROR__CODE__UNAVAILABLE,
                 "the service cannot do this just now; try again, and if it stays so, tell whoever "
                 "runs the network");
}

/* Whether this message is answered at the port that the node came to. */
static bool is_served(const struct nms_connection *client, Cyphonic__Message__BodyCase body) {
  switch (body) {
  case CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST:
    return true;
  case CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_REQUEST:
    return client->observes_only; /* at the other, the node's keep-alive breaks each silence */
  case CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST:
  case CYPHONIC__MESSAGE__BODY_NAME_REQUEST:
  case CYPHONIC__MESSAGE__BODY_DIRECTION_REQUEST:
    return !client->observes_only;
  default:
    return false;
  }
}

static void answer(struct control *control UNUSED, struct control_exchange *exchange,
                   const control_message *message, void *context) {
  struct nms_connection *client = context;
  struct nms_request request = {.nms = client->nms, .client = client, .exchange = exchange};
  if (!is_served(client, message->body_case)) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE, "%s",
                   client->observes_only ? "this port of NMS tells nodes how their NATs treat "
                                           "them, and nothing else; ask at the other"
                                         : "NMS does not know this request here");
    return;
  }
  if (!nms_admit(&request)) {
    return;
  }
  if (message->body_case == CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST) {
    nms_answer_registration(&request, message->registration_request);
  } else if (message->body_case == CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST) {
    nms_answer_observation(&request);
  } else if (message->body_case == CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_REQUEST) {
    nms_answer_mapping_lifetime(&request, message->mapping_lifetime_request);
  } else if (message->body_case == CYPHONIC__MESSAGE__BODY_NAME_REQUEST) {
    nms_answer_name(&request, message->name_request);
  } else {
    nms_answer_direction(&request, message->direction_request);
  }
}

static const struct control_handler control_handler = {.request = answer};

static void forget(struct nms_connection *client) {
  struct nms_service *nms = client->nms;
  if (client->previous != NULL) {
    client->previous->next = client->next;
  } else {
    nms->connections = client->next;
  }
  if (client->next != NULL) {
    client->next->previous = client->previous;
  }
  nms_forget_connection(client);
  nms_forget_silence(client);
  directory_remove(nms->directory, quic_connection_peer(client->connection)->name, client->control,
                   nms_seconds(client));
  control_free(client->control);
  free(client);
}

static void connection_closed(struct quic_connection *connection UNUSED,
                              const struct quic_close *close, void *context) {
  struct nms_connection *client = context;
  log_debug(client->nms->config.log, "node-gone", "device=%s cause=\"%s\"",
            quic_connection_peer(client->connection)->name, close->message);
  forget(client);
}

static void connection_remote_changed(struct quic_connection *connection UNUSED, void *context) {
  nms_remote_changed(context);
}

static const struct quic_handler connection_handler = {.closed = connection_closed,
                                                       .remote_changed = connection_remote_changed};

/* A connection that gets no handlers is closed by the endpoint. */
static void enter(struct nms_service *nms, struct quic_connection *connection, bool observes_only) {
  struct nms_connection *client = calloc(1, sizeof(*client));
  if (client == NULL) {
    return;
  }
  client->nms = nms;
  client->connection = connection;
  client->observes_only = observes_only;
  client->control = control_new(connection, &control_handler, client);
  if (client->control == NULL) {
    free(client);
    return;
  }
  client->next = nms->connections;
  if (client->next != NULL) {
    client->next->previous = client;
  }
  nms->connections = client;
  quic_connection_set_handler(connection, &connection_handler, client);
}

static void accepted(struct quic_connection *connection, void *context) {
  enter(context, connection, false);
}

static void accepted_to_observe(struct quic_connection *connection, void *context) {
  enter(context, connection, true);
}

static int serve(struct nms_service *nms, struct quic_endpoint *endpoint, unsigned idle_seconds,
                 void (*accept)(struct quic_connection *connection, void *context),
                 struct error *error) {
  const struct quic_service service = {
      .alpn = NMS_ALPN,
      .credentials = nms->config.credentials,
      .trust = nms->config.trust,
      .peer_purpose = PKI_NODE,
      .parameters = {.idle_timeout = idle_seconds * NANOSECONDS_PER_SECOND,
                     .handshake_timeout = HANDSHAKE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND},
      .accepted = accept,
      .context = nms,
  };
  return quic_endpoint_serve(endpoint, &service, error);
}

static void withdraw_observation(struct nms_service *nms) {
  if (nms->config.observation_endpoint != NULL) {
    quic_endpoint_withdraw(nms->config.observation_endpoint, NMS_ALPN);
  }
}

/* All but the nodes' own service. */
static int serve_beside(struct nms_service *nms, struct error *error) {
  int code = 0;
  if (nms->config.observation_endpoint != NULL) {
    code = serve(nms, nms->config.observation_endpoint, OBSERVATION_IDLE_TIMEOUT_SECONDS,
                 accepted_to_observe, error);
  }
  if (code != 0) {
    return code;
  }
  code = nms_relay_service_open(nms, error);
  if (code != 0) {
    withdraw_observation(nms);
  }
  return code;
}

static void release(struct nms_service *nms) {
  directory_free(nms->directory);
  pair_table_free(nms->pairs);
  relay_registry_free(nms->relays);
  free(nms);
}

int nms_service_new(const struct nms_config *config, struct nms_service **out,
                    struct error *error) {
  *out = NULL;
  struct nms_service *nms = calloc(1, sizeof(*nms));
  if (nms == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for NMS");
  }
  nms->config = *config;
  nms->refusals = (struct log_limit){.period = REFUSALS_PERIOD_SECONDS * NANOSECONDS_PER_SECOND,
                                     .burst = REFUSALS_LOGGED};
  nms->directory = directory_new();
  nms->pairs = pair_table_new();
  nms->relays = relay_registry_new();
  int code = 0;
  if (nms->directory == NULL || nms->pairs == NULL || nms->relays == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "out of memory for NMS");
  }
  if (code == 0) {
    code = store_network_get(config->store, &nms->network, error);
  }
  if (code == 0) {
    code = serve(nms, config->endpoint, IDLE_TIMEOUT_SECONDS, accepted, error);
  }
  if (code == 0) {
    code = serve_beside(nms, error);
    if (code != 0) {
      quic_endpoint_withdraw(config->endpoint, NMS_ALPN);
    }
  }
  if (code != 0) {
    release(nms);
    return code;
  }
  nms->waking = waking_new(config->endpoint, config->store, config->log);
  *out = nms;
  return 0;
}

void nms_service_free(struct nms_service *nms) {
  if (nms == NULL) {
    return;
  }
  waking_free(nms->waking); /* each is told below */
  nms->waking = NULL;
  quic_endpoint_withdraw(nms->config.endpoint, NMS_ALPN);
  withdraw_observation(nms);
  while (nms->connections != NULL) {
    struct nms_connection *client = nms->connections;
    /* Its `closed` comes later, from the loop, when the service is gone. */
    quic_connection_set_handler(client->connection, NULL, NULL);
    quic_connection_close(client->connection, 0, "the service ends");
    forget(client);
  }
  nms_relay_service_close(nms);
  release(nms);
}

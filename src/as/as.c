#include "as/as.h"

#include <stdlib.h>
#include <string.h>

#include "as/login.h"
#include "as/sign_up.h"
#include "base/clock.h"
#include "control/control.h"

enum {
  IDLE_TIMEOUT_SECONDS = 30, /* both kinds are one question and its answer */
  HANDSHAKE_TIMEOUT_SECONDS = 10,
  REFUSALS_LOGGED = 10, /* lines a minute that strangers can cause */
  REFUSALS_PERIOD_SECONDS = 60,
};

struct as_connection {
  struct as_service *as;
  struct quic_connection *connection;
  struct control *control;
  struct as_connection *previous, *next;
};

struct as_service {
  struct as_config config;
  char *nms_host[AS_NMS_MAX];
  struct as_connection *connections;
  struct log_limit refusals;
};

static int64_t wall(const struct as_service *as) {
  return as->config.wall != NULL ? as->config.wall() : clock_wall();
}

/* protobuf-c knows no const; packing only reads. */
static ProtobufCBinaryData borrowed(const void *data, size_t size) {
  union {
    const void *from;
    uint8_t *to;
  } pointer = {.from = data};
  return (ProtobufCBinaryData){.len = size, .data = pointer.to};
}

static void refuse(struct as_connection *client, struct control_exchange *exchange,
                   const char *event, const struct as_refusal *refusal) {
  struct as_service *as = client->as;
  const ProtobufCEnumValue *name =
      protobuf_c_enum_descriptor_get_value(&cyphonic__error__code__descriptor, (int)refusal->code);
  uint32_t dropped = 0;
  if (refusal->cause.code != ERROR_NONE) {
    log_error(as->config.log, event, "reason=%s cause=\"%s\"", name == NULL ? "?" : name->name,
              refusal->cause.message);
  } else if (log_limit_allows(&as->refusals, clock_now(), &dropped)) {
    log_info(as->config.log, event, "reason=%s dropped_lines=%u", name == NULL ? "?" : name->name,
             dropped);
  }
  control_refuse(exchange, refusal->code, "%s", refusal->message);
}

static void answer_sign_up(struct as_connection *client, struct control_exchange *exchange,
                           const Cyphonic__SignUpRequest *request) {
  struct as_service *as = client->as;
  struct as_sign_up_context context = {
      .store = as->config.store,
      .intermediate = as->config.intermediate,
      .certificate_seconds = as->config.certificate_seconds,
      .allocate = as->config.allocate,
  };
  struct as_sign_up_result result;
  struct as_refusal refusal;
  if (!as_sign_up(&context, request, wall(as), &result, &refusal)) {
    refuse(client, exchange, "sign-up-refused", &refusal);
    return;
  }
  log_info(as->config.log, "sign-up", "device=%s again=%s", result.device.name,
           result.again ? "yes" : "no");
  Cyphonic__SignUpResponse response = CYPHONIC__SIGN_UP_RESPONSE__INIT;
  ProtobufCBinaryData chain[PKI_CHAIN_MAX];
  for (size_t i = 0; i < result.chain.count; i++) {
    chain[i] = borrowed(result.chain.certificate[i].data, result.chain.certificate[i].size);
  }
  response.fqdn = result.device.fqdn;
  response.domain = result.domain;
  response.ipv4 = borrowed(result.device.ipv4.bytes, ip_address_size(&result.device.ipv4));
  response.ipv6 = borrowed(result.device.ipv6.bytes, ip_address_size(&result.device.ipv6));
  response.n_chain = result.chain.count;
  response.chain = chain;
  response.root = borrowed(result.root, result.root_size);
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_SIGN_UP_RESPONSE;
  message.sign_up_response = &response;
  control_reply(exchange, &message);
  as_sign_up_result_clear(&result);
}

static void answer_login(struct as_connection *client, struct control_exchange *exchange,
                         const Cyphonic__LoginRequest *request) {
  struct as_service *as = client->as;
  int64_t now = wall(as);
  struct store_device device;
  struct as_refusal refusal;
  if (!as_login(as->config.store, quic_connection_peer(client->connection), request, now, &device,
                &refusal)) {
    refuse(client, exchange, "login-refused", &refusal);
    return;
  }
  log_info(as->config.log, "login", "device=%s", device.name);
  Cyphonic__ServiceAddress address[AS_NMS_MAX], *addresses[AS_NMS_MAX];
  for (size_t i = 0; i < as->config.nms_count; i++) {
    cyphonic__service_address__init(&address[i]);
    address[i].host = as->nms_host[i];
    address[i].port = as->config.nms[i].port;
    addresses[i] = &address[i];
  }
  Cyphonic__LoginResponse response = CYPHONIC__LOGIN_RESPONSE__INIT;
  response.fqdn = device.fqdn;
  response.n_nms = as->config.nms_count;
  response.nms = addresses;
  response.time = now;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_LOGIN_RESPONSE;
  message.login_response = &response;
  control_reply(exchange, &message);
}

static void sign_up_request(struct control *control UNUSED, struct control_exchange *exchange,
                            const control_message *message, void *context) {
  if (message->body_case != CYPHONIC__MESSAGE__BODY_SIGN_UP_REQUEST) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "this service takes sign-ups only");
    return;
  }
  answer_sign_up(context, exchange, message->sign_up_request);
}

static void node_request(struct control *control UNUSED, struct control_exchange *exchange,
                         const control_message *message, void *context) {
  if (message->body_case != CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "this service takes logins only");
    return;
  }
  answer_login(context, exchange, message->login_request);
}

static const struct control_handler sign_up_handler = {.request = sign_up_request};
static const struct control_handler node_handler = {.request = node_request};

static void forget(struct as_connection *client) {
  if (client->previous != NULL) {
    client->previous->next = client->next;
  } else {
    client->as->connections = client->next;
  }
  if (client->next != NULL) {
    client->next->previous = client->previous;
  }
  control_free(client->control);
  free(client);
}

static void connection_closed(struct quic_connection *connection UNUSED,
                              const struct quic_close *close UNUSED, void *context) {
  forget(context);
}

static const struct quic_handler connection_handler = {.closed = connection_closed};

/* A connection that gets no handlers is closed by the endpoint. */
static void accept_with(struct as_service *as, struct quic_connection *connection,
                        const struct control_handler *handler) {
  struct as_connection *client = calloc(1, sizeof(*client));
  if (client == NULL) {
    return;
  }
  client->as = as;
  client->connection = connection;
  client->control = control_new(connection, handler, client);
  if (client->control == NULL) {
    free(client);
    return;
  }
  client->next = as->connections;
  if (client->next != NULL) {
    client->next->previous = client;
  }
  as->connections = client;
  quic_connection_set_handler(connection, &connection_handler, client);
}

static void sign_up_accepted(struct quic_connection *connection, void *context) {
  accept_with(context, connection, &sign_up_handler);
}

static void node_accepted(struct quic_connection *connection, void *context) {
  accept_with(context, connection, &node_handler);
}

static int serve(struct as_service *as, struct error *error) {
  struct quic_service service = {
      .alpn = AS_ALPN_SIGN_UP,
      .credentials = as->config.credentials,
      .trust = as->config.trust,
      .peer_purpose = PKI_NODE,
      .anonymous = true,
      .parameters = {.idle_timeout = IDLE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND,
                     .handshake_timeout = HANDSHAKE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND},
      .accepted = sign_up_accepted,
      .context = as,
  };
  int code = quic_endpoint_serve(as->config.endpoint, &service, error);
  if (code != 0) {
    return code;
  }
  service.alpn = AS_ALPN;
  service.anonymous = false;
  service.accepted = node_accepted;
  code = quic_endpoint_serve(as->config.endpoint, &service, error);
  if (code != 0) {
    quic_endpoint_withdraw(as->config.endpoint, AS_ALPN_SIGN_UP);
  }
  return code;
}

static void release(struct as_service *as) {
  for (size_t i = 0; i < AS_NMS_MAX; i++) {
    free(as->nms_host[i]);
  }
  free(as);
}

int as_service_new(const struct as_config *config, struct as_service **out, struct error *error) {
  *out = NULL;
  if (config->nms_count == 0 || config->nms_count > AS_NMS_MAX) {
    return error_set(error, ERROR_CONFIG, "AS needs 1 to %d addresses of NMS, and got %zu",
                     AS_NMS_MAX, config->nms_count);
  }
  struct as_service *as = calloc(1, sizeof(*as));
  if (as == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for AS");
  }
  as->config = *config;
  as->refusals = (struct log_limit){.period = REFUSALS_PERIOD_SECONDS * NANOSECONDS_PER_SECOND,
                                    .burst = REFUSALS_LOGGED};
  for (size_t i = 0; i < config->nms_count; i++) {
    as->nms_host[i] = strdup(config->nms[i].host);
    if (as->nms_host[i] == NULL) {
      release(as);
      return error_set(error, ERROR_NO_MEMORY, "out of memory for AS");
    }
  }
  int code = serve(as, error);
  if (code != 0) {
    release(as);
    return code;
  }
  *out = as;
  return 0;
}

void as_service_free(struct as_service *as) {
  if (as == NULL) {
    return;
  }
  quic_endpoint_withdraw(as->config.endpoint, AS_ALPN_SIGN_UP);
  quic_endpoint_withdraw(as->config.endpoint, AS_ALPN);
  while (as->connections != NULL) {
    struct as_connection *client = as->connections;
    /* Its `closed` comes later, from the loop, when the service is gone. */
    quic_connection_set_handler(client->connection, NULL, NULL);
    quic_connection_close(client->connection, 0, "the service ends");
    forget(client);
  }
  release(as);
}

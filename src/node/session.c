#include "node/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/cloud.h"
#include "node/message.h"
#include "node/observation.h"
#include "node/questions.h"
#include "node/readdress.h"

enum {
  ASK_TIMEOUT = QUESTION_TIMEOUT, /* milliseconds */
  LOGIN_EVERY = 4, /* rounds of failed attempts at NMS after which AS is asked for another */
};
/* Longer than two keep-alives, so that one lost PING is no loss. */
#define NMS_IDLE_TIMEOUT (60 * NANOSECONDS_PER_SECOND)

struct session {
  struct session_config config;
  char fqdn[FQDN_SIZE], domain[FQDN_SIZE];
  const struct session_handler *handler;
  void *context;
  struct login *login;
  struct cloud *nms;
  struct questions *questions;
  struct ip_address source; /* from which packets to NMS leave, since the network last changed */
  uv_idle_t last; /* never started: who closes may be called by us, so it is freed from the loop */
  struct observation *observation;
  enum session_nms_state state;
  bool usable; /* this connection has been registered; it stays so while it registers again */
  bool checking;
  struct error failure;
  unsigned failed_rounds;
  struct host_addresses addresses;  /* of the host, as last told */
  struct host_addresses registered; /* of the registration sent last */
  uint32_t route_id;                /* 0: NMS gave none yet */
  struct relay_list relays;
  /* Where the TRSs were last seen from: our address as NMS saw it. */
  struct address surveyed_from;
  struct address told_elsewhere; /* in the registration sent last; family 0: nothing */
};

static void fail(struct session *session, const struct error *error, bool permanent) {
  session->failure = *error;
  session->state = NMS_FAILED;
  session->handler->failed(error, permanent, session->context);
}

static void register_now(struct session *session);

static struct dial_target nms_target(const struct session *session) {
  struct dial_target target = session->config.target;
  target.alpn = NMS_ALPN;
  target.purpose = PKI_NMS;
  target.parameters = (struct quic_parameters){.idle_timeout = NMS_IDLE_TIMEOUT,
                                               .keep_alive = session->config.keep_alive};
  return target;
}

/* --- registration --- */

static int read_registration(struct session *session, const control_message *reply,
                             struct session_registration *registration,
                             struct observation_report *report, struct error *error) {
  if (reply->body_case != CYPHONIC__MESSAGE__BODY_REGISTRATION_RESPONSE)
    return error_set(error, ERROR_PROTOCOL, "NMS answered the registration with another message");
  const Cyphonic__RegistrationResponse *response = reply->registration_response;
  struct ip_address ipv4, ipv6;
  struct address observed;
  if (message_ip(&response->ipv4, 4, &ipv4) || message_ip(&response->ipv6, 6, &ipv6) ||
      message_prefix(response->ipv4_prefix, 4, &registration->ipv4_prefix) ||
      message_prefix(response->ipv6_prefix, 6, &registration->ipv6_prefix) ||
      message_endpoint(response->observed, &observed))
    return error_set(error, ERROR_PROTOCOL,
                     "NMS answered the registration without addresses or ranges");
  /* Our name and addresses are the certificate's; NMS cannot give us others (design 2). */
  if (strcmp(response->fqdn, session->fqdn) != 0 ||
      strcmp(response->domain, session->domain) != 0 ||
      !ip_address_equal(&ipv4, &session->config.ipv4) ||
      !ip_address_equal(&ipv6, &session->config.ipv6) ||
      !ip_prefix_contains(&registration->ipv4_prefix, &ipv4) ||
      !ip_prefix_contains(&registration->ipv6_prefix, &ipv6))
    return error_set(error, ERROR_PROTOCOL,
                     "NMS has another name or other virtual addresses for this node than its "
                     "certificate bears");
  struct relay_list relays;
  relay_list_read(&relays, response->relays, response->n_relays);
  registration->relays_changed = !relay_list_equal(&relays, &session->relays) ||
                                 !address_equal(&observed, &session->surveyed_from);
  session->relays = relays;
  session->surveyed_from = observed;
  uint32_t port = response->observation_port;
  *report = (struct observation_report){
      .nms = quic_connection_remote(cloud_connection(session->nms)),
      .observed = observed,
      .behind_nat = response->behind_nat,
      .port = port <= UINT16_MAX ? (uint16_t)port : 0,
  };
  return 0;
}

/* The same one as long as NMS lets us: the Connection IDs of tunnels that stand begin with it. */
static void take_route_id(struct session *session, uint32_t route_id) {
  if (route_id == 0 || route_id == session->route_id)
    return;
  session->route_id = route_id;
  quic_endpoint_set_route_id(session->config.target.endpoint, route_id);
}

static void registration_answered(UNUSED struct control *control, int code,
                                  const control_message *reply, const struct error *error,
                                  void *context) {
  struct session *session = context;
  if (code == ERROR_CLOSED || session->state != NMS_REGISTERING)
    return; /* `lost` says why, or this answer belongs to a connection before */
  struct error fault = {0};
  struct session_registration registration;
  struct observation_report report;
  bool permanent = false;
  if (code) {
    Cyphonic__Error__Code refusal = message_refusal(reply);
    permanent = refusal == CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN ||
                refusal == CYPHONIC__ERROR__CODE__DEVICE_REVOKED;
    fault = *error;
  } else {
    code = read_registration(session, reply, &registration, &report, &fault);
  }
  if (code) {
    fail(session, &fault, permanent);
    cloud_retry(session->nms, "registration failed");
    return;
  }
  if (!host_addresses_equal(&session->addresses, &session->registered)) {
    register_now(session); /* they changed meanwhile */
    return;
  }
  session->state = NMS_REGISTERED;
  session->usable = true;
  session->failure = (struct error){0};
  session->failed_rounds = 0;
  take_route_id(session, reply->registration_response->route_id);
  cloud_settled(session->nms);
  observation_registered(session->observation, &report, &session->config.nms, &session->registered);
  questions_resume(session->questions, cloud_control(session->nms));
  session->handler->registered(&registration, session->context);
}

/* Somebody sees us from elsewhere than we told, which says how our NAT maps. */
static void tell_elsewhere(void *context) {
  struct session *session = context;
  struct address elsewhere = observation_elsewhere(session->observation);
  if (session->state == NMS_REGISTERED && !address_equal(&elsewhere, &session->told_elsewhere))
    register_now(session); /* otherwise the registration to come tells */
}

static void keep_alive_changed(void *context) {
  struct session *session = context;
  session->handler->keep_alive_changed(session->context);
}

static void register_now(struct session *session) {
  session->state = NMS_REGISTERING;
  if (!host_addresses_equal(&session->addresses, &session->registered))
    observation_forget(session->observation); /* the NAT may be another one */
  session->registered = session->addresses;
  Cyphonic__Endpoint endpoints[HOST_ADDRESSES_MAX], *pointers[HOST_ADDRESSES_MAX];
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  for (size_t i = 0; i < session->registered.count; i++) {
    const struct ip_address *ip = &session->registered.item[i];
    uint16_t port = quic_endpoint_port(session->config.target.endpoint, ip->family);
    if (port == 0)
      continue; /* nobody could reach us there */
    Cyphonic__Endpoint *endpoint = &endpoints[request.n_addresses];
    cyphonic__endpoint__init(endpoint);
    endpoint->ip = message_bytes(ip);
    endpoint->port = port;
    pointers[request.n_addresses++] = endpoint;
  }
  Cyphonic__RelayReport reports[RELAY_SURVEY_MAX], *report_pointers[RELAY_SURVEY_MAX];
  Cyphonic__Endpoint elsewhere = CYPHONIC__ENDPOINT__INIT;
  size_t finding_count;
  const struct relay_finding *findings = observation_findings(session->observation, &finding_count);
  for (size_t i = 0; i < finding_count; i++) {
    const struct relay_finding *finding = &findings[i];
    uint64_t microseconds = finding->round_trip / 1000;
    cyphonic__relay_report__init(&reports[i]);
    reports[i].name = (char *)(uintptr_t)finding->name; /* packing only reads */
    reports[i].round_trip = microseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)microseconds;
    report_pointers[request.n_relays++] = &reports[i];
  }
  session->told_elsewhere = observation_elsewhere(session->observation);
  if (ip_address_is_set(&session->told_elsewhere.ip)) {
    elsewhere.ip = message_bytes(&session->told_elsewhere.ip);
    elsewhere.port = session->told_elsewhere.port;
    request.observed_elsewhere = &elsewhere;
  }
  request.relays = report_pointers;
  request.addresses = pointers;
  request.route_id = session->route_id;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST;
  message.registration_request = &request;
  struct error error = {0};
  if (control_request(cloud_control(session->nms), &message, ASK_TIMEOUT, registration_answered,
                      session, &error)) {
    fail(session, &error, false);
    cloud_retry(session->nms, "registration failed");
  }
}

/* --- the connection to NMS --- */

static void nms_connected(UNUSED struct cloud *cloud, void *context) {
  struct session *session = context;
  observation_retry(session->observation);
  register_now(session);
}

static void nms_lost(UNUSED struct cloud *cloud, const struct error *error, void *context) {
  struct session *session = context;
  session->usable = false;
  log_info(session->config.target.log, "nms-lost", "error=\"%s\"", error->message);
  /* A refusal that made us close it is the better message. */
  if (session->state != NMS_FAILED)
    fail(session, error, false);
}

static void nms_moved(UNUSED struct cloud *cloud, void *context) {
  struct session *session = context;
  if (session->state == NMS_REGISTERED)
    register_now(session);
  else
    session->registered = (struct host_addresses){0}; /* again, after the one under way */
}

static void nms_failed(UNUSED struct cloud *cloud, const struct error *error, void *context) {
  struct session *session = context;
  log_info(session->config.target.log, "nms-unreachable", "error=\"%s\"", error->message);
  fail(session, error, false);
  if (++session->failed_rounds % LOGIN_EVERY == 0)
    login_start(session->login);
}

static void nms_request(UNUSED struct cloud *cloud, struct control_exchange *exchange,
                        const control_message *message, void *context) {
  struct session *session = context;
  if (message->body_case == CYPHONIC__MESSAGE__BODY_ROUTE_DIRECTION)
    session->handler->directed(exchange, message->route_direction, session->context);
  else
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "a node takes no such message from NMS");
}

static const struct cloud_handler nms_handler = {.connected = nms_connected,
                                                 .lost = nms_lost,
                                                 .moved = nms_moved,
                                                 .failed = nms_failed,
                                                 .request = nms_request};

static void nms_begin(struct session *session) {
  if (session->state == NMS_IDLE)
    session->state = NMS_CONNECTING;
  cloud_start(session->nms, &session->config.nms);
}

/* --- login --- */

static void logged_in(const struct service_addresses *nms, int64_t time, void *context) {
  struct session *session = context;
  session->handler->clock_compared(time - clock_wall(), session->context);
  bool other = !service_addresses_equal(nms, &session->config.nms);
  if (other) {
    session->config.nms = *nms;
    session->handler->nms_learned(nms, session->context);
  }
  bool begun = session->state != NMS_IDLE;
  nms_begin(session);
  if (other && begun)
    cloud_restart(session->nms);
}

static void login_failed(const struct error *error, bool permanent, void *context) {
  struct session *session = context;
  /* AS may be away while NMS is not; but a device that AS refuses has no business there. */
  if (!permanent && session->config.nms.count > 0)
    nms_begin(session);
  if (!session->usable)
    session->handler->failed(error, permanent, session->context);
}

static const struct login_handler login_handler = {.logged_in = logged_in, .failed = login_failed};

/* --- the owner's side --- */

int session_new(const struct session_config *config, const struct session_handler *handler,
                void *context, struct session **out, struct error *error) {
  struct session *session = calloc(1, sizeof *session);
  if (!session)
    return error_set(error, ERROR_NO_MEMORY, "no memory for the sessions with AS and NMS");
  session->config = *config;
  snprintf(session->fqdn, sizeof session->fqdn, "%s", config->fqdn);
  snprintf(session->domain, sizeof session->domain, "%s", config->domain);
  session->handler = handler;
  session->context = context;
  struct dial_target target = nms_target(session);
  const struct observation_config observation = {
      .target = target,
      .keep_alive = config->keep_alive,
      .keep_alive_limit = config->keep_alive_limit,
      .elsewhere_changed = tell_elsewhere,
      .keep_alive_changed = keep_alive_changed,
      .context = session,
  };
  int code = login_new(&config->target, &config->as, session->fqdn, &login_handler, session,
                       &session->login, error);
  if (!code)
    code = cloud_new(&target, &nms_handler, session, &session->nms, error);
  if (!code && (!(session->questions = questions_new(config->target.loop)) ||
                !(session->observation = observation_new(&observation))))
    code = error_set(error, ERROR_NO_MEMORY, "no memory for questions to NMS");
  if (code) {
    questions_close(session->questions);
    cloud_close(session->nms);
    login_close(session->login);
    free(session);
    return code;
  }
  uv_idle_init(config->target.loop, &session->last);
  session->last.data = session;
  *out = session;
  return 0;
}

static void last_closed(uv_handle_t *handle) {
  struct session *session = handle->data;
  observation_free(session->observation);
  free(session);
}

void session_close(struct session *session) {
  if (!session)
    return;
  login_close(session->login);
  cloud_close(session->nms);
  questions_close(session->questions);
  observation_stop(session->observation);
  uv_close((uv_handle_t *)&session->last, last_closed);
}

void session_start(struct session *session, const struct host_addresses *addresses) {
  session->addresses = *addresses;
  login_start(session->login);
  /* AS most likely names the same one again, or may be away; either way nobody need wait for it. */
  if (session->config.nms.count > 0)
    nms_begin(session);
}

static bool can_go_on(struct session *session, const struct host_addresses *addresses) {
  const struct quic_connection *connection = cloud_connection(session->nms);
  return connection &&
         host_addresses_have_family(addresses, quic_connection_remote(connection).ip.family);
}

static void checked(UNUSED struct control *control, int code, const control_message *reply,
                    UNUSED const struct error *error, void *context) {
  struct session *session = context;
  struct address observed;
  session->checking = false;
  if (code || session->state != NMS_REGISTERED ||
      reply->body_case != CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE ||
      message_endpoint(reply->observation_response->observed, &observed))
    return;
  struct address known = observation_observed(session->observation, observed.ip.family);
  if (!address_equal(&observed, &known))
    register_now(session);
}

void session_check(struct session *session) {
  Cyphonic__ObservationRequest request;
  control_message message;
  struct error error = {0};
  if (session->state != NMS_REGISTERED || session->checking)
    return;
  observation_request(&message, &request);
  session->checking = true;
  if (!control_request(cloud_control(session->nms), &message, ASK_TIMEOUT, checked, session,
                       &error))
    return;
  session->checking = false;
  log_debug(session->config.target.log, "observation-skipped", "error=\"%s\"", error.message);
}

void session_network_settled(struct session *session, const struct host_addresses *addresses) {
  if (cloud_connection(session->nms) && addresses->count > 0 && !can_go_on(session, addresses))
    cloud_restart(session->nms);
}

void session_network_changed(struct session *session, const struct host_addresses *addresses) {
  bool same = host_addresses_equal(addresses, &session->addresses);
  session->addresses = *addresses;
  if (login_view(session->login).state == LOGIN_FAILED)
    login_start(session->login);
  struct quic_connection *connection = cloud_connection(session->nms);
  if (same) {
    if (connection)
      (void)readdress_client(connection, &session->source, addresses, true);
    else
      cloud_hurry(session->nms);
  } else if (!connection || session->state == NMS_FAILED) {
    cloud_restart(session->nms);
  } else if (can_go_on(session, addresses)) {
    (void)readdress_client(connection, &session->source, addresses, true);
    /* If it moves, NMS is to see first where we are: otherwise it takes us for one behind a NAT. */
    if (session->state == NMS_REGISTERED && !quic_connection_is_moving(connection))
      register_now(session);
  }
}

const struct relay_list *session_relays(const struct session *session) {
  return &session->relays;
}

void session_report(struct session *session, const struct relay_finding *findings, size_t count) {
  if (!observation_survey(session->observation, findings, count))
    return;
  if (session->state == NMS_REGISTERED)
    register_now(session); /* otherwise the registration to come tells */
}

int session_ask(struct session *session, const control_message *message,
                control_reply_callback callback, void *context, struct error *error) {
  if (!session->usable)
    return error_set(error, ERROR_UNREACHABLE, "NMS is not connected%s%s",
                     session->failure.message[0] != '\0' ? ": " : "", session->failure.message);
  return questions_ask(session->questions, cloud_control(session->nms), message, callback, context,
                       error);
}

bool session_is_registered(const struct session *session) {
  return session->usable;
}

bool session_behind_nat(const struct session *session, int family) {
  return observation_behind_nat(session->observation, family);
}

uint64_t session_keep_alive(const struct session *session, int family) {
  return session_behind_nat(session, family) ? observation_keep_alive(session->observation, family)
                                             : 0;
}

static void own_add(struct path_own *own, const struct address *address) {
  for (size_t i = 0; i < own->count; i++)
    if (address_equal(&own->item[i], address))
      return;
  if (own->count < PATH_CANDIDATES_MAX)
    own->item[own->count++] = *address;
}

void session_own(const struct session *session, struct path_own *own) {
  enum { OBSERVED_MAX = 2 };
  static const int families[OBSERVED_MAX] = {4, 6};
  for (size_t i = 0; i < session->addresses.count && i < PATH_CANDIDATES_MAX - OBSERVED_MAX; i++) {
    const struct ip_address *ip = &session->addresses.item[i];
    struct address address = {
        .ip = *ip, .port = quic_endpoint_port(session->config.target.endpoint, ip->family)};
    if (address.port != 0)
      own_add(own, &address);
  }
  own->local = own->count;
  for (size_t i = 0; i < OBSERVED_MAX; i++) {
    struct address observed = observation_observed(session->observation, families[i]);
    own->observed[i] = observed.ip;
    if (ip_address_is_set(&observed.ip))
      own_add(own, &observed);
  }
}

struct session_view session_view(const struct session *session) {
  struct session_view view = {
      .as = login_view(session->login),
      .nms_state = session->state,
      .observed = {observation_observed(session->observation, 4),
                   observation_observed(session->observation, 6)},
      .keep_alive = session_keep_alive(session, 4),
      .nms_message = session->failure.message,
  };
  struct quic_connection *connection = cloud_connection(session->nms);
  if (connection)
    view.nms_address = quic_connection_remote(connection);
  return view;
}

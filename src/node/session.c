#include "node/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/cloud.h"
#include "node/errand.h"
#include "node/message.h"
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
  struct errand *observation;
  enum session_nms_state state;
  bool usable; /* this connection has been registered; it stays so while it registers again */
  bool checking;
  struct error failure;
  unsigned failed_rounds;
  struct host_addresses addresses;  /* of the host, as last told */
  struct host_addresses registered; /* of the registration sent last */
  struct address observed[2];
  bool behind_nat[2];
  uint32_t route_id; /* 0: NMS gave none yet */
  struct relay_list relays;
  /* Where the TRSs were last seen from: our address as NMS saw it. */
  struct address surveyed_from;
  struct relay_finding findings[RELAY_SURVEY_MAX];
  size_t finding_count;
  struct address nms_seen[2]; /* whose answers `observed` is of */
  uint16_t observation_port;  /* of NMS; 0: none */
  struct errand *look;        /* at the observation port */
  /* That port, and how NMS saw us when we last asked there, so as not to ask again for the same. */
  struct address looked_at, looked_from;
  struct address look_observed;  /* there; family 0: it does not answer */
  struct address told_elsewhere; /* in the registration sent last; family 0: nothing */
};

/* Index of a family's slot. */
static size_t slot(int family) {
  return family == 6;
}

static void learn_observed(struct session *session, const struct address *observed) {
  size_t at = slot(observed->ip.family);
  session->observed[at] = *observed;
  session->behind_nat[at] = !host_addresses_have(&session->registered, &observed->ip);
}

static void fail(struct session *session, const struct error *error, bool permanent) {
  session->failure = *error;
  session->state = NMS_FAILED;
  session->handler->failed(error, permanent, session->context);
}

static void request_observation(control_message *message,
                                Cyphonic__ObservationRequest *observation) {
  cyphonic__observation_request__init(observation);
  cyphonic__message__init(message);
  message->body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message->observation_request = observation;
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

/* For a connection that is closed as soon as it has answered. */
static struct dial_target nms_errand_target(const struct session *session, int family) {
  struct dial_target target = nms_target(session);
  target.parameters.keep_alive = 0;
  target.family = family;
  return target;
}

/* --- how our NAT maps --- */

/* Over IPv4, from another address or port than NMS's: that tells how our NAT maps. */
static bool sees_us_elsewhere(const struct session *session, const struct relay_finding *finding) {
  return finding->observed.ip.family == 4 &&
         !address_equal(&finding->remote, &session->nms_seen[slot(4)]);
}

/* What is to be told of it. A TRS at another address comes first: a NAT may map by address alone,
 * which NMS's other port does not show. */
static struct address observed_elsewhere(const struct session *session) {
  for (size_t i = session->finding_count; i > 0; i--)
    if (sees_us_elsewhere(session, &session->findings[i - 1]))
      return session->findings[i - 1].observed;
  return session->look_observed;
}

static void look_end(struct session *session) {
  if (session->look)
    errand_cancel(session->look);
  session->look = NULL;
}

/* The next time is to be asked anew. */
static void look_forget(struct session *session) {
  look_end(session);
  session->looked_at = session->looked_from = session->look_observed = (struct address){0};
}

static void tell_elsewhere(struct session *session) {
  struct address elsewhere = observed_elsewhere(session);
  if (session->state == NMS_REGISTERED && !address_equal(&elsewhere, &session->told_elsewhere))
    register_now(session); /* otherwise the registration to come tells */
}

static void looked(int code, const control_message *reply, UNUSED const struct address *server,
                   const struct error *error, void *context) {
  struct session *session = context;
  session->look = NULL;
  struct address observed;
  if (code)
    log_debug(session->config.target.log, "observation-port-silent", "error=\"%s\"",
              error->message);
  else if (reply->body_case == CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE &&
           !message_endpoint(reply->observation_response->observed, &observed) &&
           observed.ip.family == 4)
    session->look_observed = observed;
  tell_elsewhere(session);
}

/* Asks at NMS's other port how it sees us, unless it was asked already and nothing has changed.
 * Where it does not answer nothing is known of the NAT, and nothing else is lost. */
static void look_elsewhere(struct session *session) {
  size_t ipv4 = slot(4);
  struct address place = {.ip = session->nms_seen[ipv4].ip, .port = session->observation_port};
  const struct address *from = &session->observed[ipv4];
  bool useful = place.port != 0 && ip_address_is_set(&place.ip) && ip_address_is_set(&from->ip) &&
                session->behind_nat[ipv4];
  if (useful && address_equal(&place, &session->looked_at) &&
      address_equal(from, &session->looked_from))
    return;
  look_forget(session);
  if (useful) {
    char host[ADDRESS_TEXT_SIZE];
    struct service_addresses places = {0};
    (void)service_addresses_add(&places, ip_address_text(&place.ip, host), place.port);
    Cyphonic__ObservationRequest request;
    control_message message;
    request_observation(&message, &request);
    struct dial_target target = nms_errand_target(session, 4);
    struct error error = {0};
    session->looked_at = place;
    session->looked_from = *from;
    if (!errand_start(&target, &places, &message, looked, NULL, session, &session->look, &error))
      return;
    session->look = NULL;
    log_debug(target.log, "observation-port-skipped", "error=\"%s\"", error.message);
  }
  tell_elsewhere(session);
}

/* --- the other IP version --- */

static void observed_other(int code, const control_message *reply, const struct address *server,
                           const struct error *error, void *context) {
  struct session *session = context;
  session->observation = NULL;
  struct address observed;
  if (code) {
    log_debug(session->config.target.log, "observation-failed", "error=\"%s\"", error->message);
  } else if (reply->body_case == CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE &&
             !message_endpoint(reply->observation_response->observed, &observed)) {
    learn_observed(session, &observed);
    session->nms_seen[slot(server->ip.family)] = *server;
    look_elsewhere(session);
  }
}

/* Best effort: NMS works with the addresses we told it if it cannot be reached this way too. */
static void observe_other(struct session *session) {
  struct address remote = quic_connection_remote(cloud_connection(session->nms));
  int other = remote.ip.family == 6 ? 4 : 6;
  session->observed[slot(other)] = (struct address){0};
  session->behind_nat[slot(other)] = false;
  if (session->observation)
    errand_cancel(session->observation);
  session->observation = NULL;
  if (!host_addresses_have_family(&session->registered, other))
    return;
  Cyphonic__ObservationRequest request;
  control_message message;
  request_observation(&message, &request);
  struct dial_target target = nms_errand_target(session, other);
  struct error error = {0};
  if (errand_start(&target, &session->config.nms, &message, observed_other, NULL, session,
                   &session->observation, &error)) {
    session->observation = NULL;
    log_debug(target.log, "observation-skipped", "error=\"%s\"", error.message);
  }
}

/* --- registration --- */

static int read_registration(struct session *session, const control_message *reply,
                             struct session_registration *registration, struct error *error) {
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
  size_t at = slot(observed.ip.family);
  session->observed[at] = observed;
  session->behind_nat[at] = response->behind_nat;
  session->nms_seen[at] = quic_connection_remote(cloud_connection(session->nms));
  struct relay_list relays;
  relay_list_read(&relays, response->relays, response->n_relays);
  registration->relays_changed = !relay_list_equal(&relays, &session->relays) ||
                                 !address_equal(&observed, &session->surveyed_from);
  session->relays = relays;
  session->surveyed_from = observed;
  session->observation_port =
      response->observation_port <= UINT16_MAX ? (uint16_t)response->observation_port : 0;
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
  bool permanent = false;
  if (code) {
    Cyphonic__Error__Code refusal = message_refusal(reply);
    permanent = refusal == CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN ||
                refusal == CYPHONIC__ERROR__CODE__DEVICE_REVOKED;
    fault = *error;
  } else {
    code = read_registration(session, reply, &registration, &fault);
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
  observe_other(session);
  if (quic_connection_remote(cloud_connection(session->nms)).ip.family == 4)
    look_elsewhere(session); /* otherwise when it is known how NMS sees us over IPv4 */
  questions_resume(session->questions, cloud_control(session->nms));
  session->handler->registered(&registration, session->context);
}

static void register_now(struct session *session) {
  session->state = NMS_REGISTERING;
  if (!host_addresses_equal(&session->addresses, &session->registered))
    look_forget(session); /* the NAT may be another one */
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
  for (size_t i = 0; i < session->finding_count; i++) {
    struct relay_finding *finding = &session->findings[i];
    uint64_t microseconds = finding->round_trip / 1000;
    cyphonic__relay_report__init(&reports[i]);
    reports[i].name = finding->name;
    reports[i].round_trip = microseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)microseconds;
    report_pointers[request.n_relays++] = &reports[i];
  }
  session->told_elsewhere = observed_elsewhere(session);
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
  if (!ip_address_is_set(&session->look_observed.ip))
    look_forget(session); /* it did not answer; now it may */
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
  int code = login_new(&config->target, &config->as, session->fqdn, &login_handler, session,
                       &session->login, error);
  if (!code)
    code = cloud_new(&target, &nms_handler, session, &session->nms, error);
  if (!code && !(session->questions = questions_new(config->target.loop)))
    code = error_set(error, ERROR_NO_MEMORY, "no memory for questions to NMS");
  if (code) {
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
  free(handle->data);
}

void session_close(struct session *session) {
  if (!session)
    return;
  login_close(session->login);
  cloud_close(session->nms);
  questions_close(session->questions);
  if (session->observation)
    errand_cancel(session->observation);
  look_end(session);
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
  if (!code && session->state == NMS_REGISTERED &&
      reply->body_case == CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE &&
      !message_endpoint(reply->observation_response->observed, &observed) &&
      !address_equal(&observed, &session->observed[slot(observed.ip.family)]))
    register_now(session);
}

void session_check(struct session *session) {
  Cyphonic__ObservationRequest request;
  control_message message;
  struct error error = {0};
  if (session->state != NMS_REGISTERED || session->checking)
    return;
  request_observation(&message, &request);
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

/* Round trips differ from time to time; half as much again is something new. */
static bool is_news(const struct relay_finding *old, const struct relay_finding *new) {
  uint64_t less = old->round_trip < new->round_trip ? old->round_trip : new->round_trip;
  uint64_t more = old->round_trip < new->round_trip ? new->round_trip : old->round_trip;
  return strcmp(old->name, new->name) != 0 || !address_equal(&old->observed, &new->observed) ||
         more - less > more / 3;
}

void session_report(struct session *session, const struct relay_finding *findings, size_t count) {
  bool news = count != session->finding_count;
  for (size_t i = 0; i < count && !news; i++)
    news = is_news(&session->findings[i], &findings[i]);
  if (!news)
    return;
  memcpy(session->findings, findings, count * sizeof *findings);
  session->finding_count = count;
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
  return session->behind_nat[slot(family)];
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
  for (size_t i = 0; i < session->addresses.count && i < PATH_CANDIDATES_MAX - OBSERVED_MAX; i++) {
    const struct ip_address *ip = &session->addresses.item[i];
    struct address address = {
        .ip = *ip, .port = quic_endpoint_port(session->config.target.endpoint, ip->family)};
    if (address.port != 0)
      own_add(own, &address);
  }
  own->local = own->count;
  for (size_t i = 0; i < OBSERVED_MAX; i++) {
    own->observed[i] = session->observed[i].ip;
    if (ip_address_is_set(&session->observed[i].ip))
      own_add(own, &session->observed[i]);
  }
}

struct session_view session_view(const struct session *session) {
  struct session_view view = {
      .as = login_view(session->login),
      .nms_state = session->state,
      .observed = {session->observed[0], session->observed[1]},
      .nms_message = session->failure.message,
  };
  struct quic_connection *connection = cloud_connection(session->nms);
  if (connection)
    view.nms_address = quic_connection_remote(connection);
  return view;
}

#include "cloud_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "control/control.h"
#include "node/login.h"
#include "node/message.h"
#include "node/session.h"

struct guest {
  struct cloud_double *cloud;
  struct control *control;
  bool at_second;
  struct control_exchange *silence; /* that is never answered; NULL: none */
};

static void must(int code, const struct error *error) {
  if (code)
    fail_msg("%s", error->message);
}

static uint32_t port_told(const struct cloud_double *cloud) {
  if (!cloud->tells_port)
    return 0;
  return cloud->port_told != 0 ? cloud->port_told : quic_endpoint_port(cloud->second, 4);
}

/* --- answers --- */

static void reply_login(struct cloud_double *cloud, struct control_exchange *exchange) {
  char fqdn[] = "alice.test.internal", host[] = "127.0.0.1";
  Cyphonic__ServiceAddress nms = CYPHONIC__SERVICE_ADDRESS__INIT, *all[] = {&nms};
  nms.host = host;
  nms.port = cloud_double_port(cloud);
  Cyphonic__LoginResponse response = CYPHONIC__LOGIN_RESPONSE__INIT;
  response.fqdn = fqdn;
  response.n_nms = 1;
  response.nms = all;
  response.time = clock_wall();
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_LOGIN_RESPONSE;
  message.login_response = &response;
  control_reply(exchange, &message);
}

/* The port that the NAT shows, at an address of its own. */
static Cyphonic__Endpoint seen_at(uint16_t port) {
  static uint8_t nat[] = {192, 0, 2, 7};
  Cyphonic__Endpoint endpoint = CYPHONIC__ENDPOINT__INIT;
  endpoint.ip.data = nat;
  endpoint.ip.len = sizeof nat;
  endpoint.port = port;
  return endpoint;
}

static void reply_registration(struct cloud_double *cloud, struct control_exchange *exchange,
                               const Cyphonic__RegistrationRequest *request) {
  cloud->registrations++;
  cloud->elsewhere = request->observed_elsewhere ? (uint16_t)request->observed_elsewhere->port : 0;
  const struct pki_identity *identity = &cloud->world->alice.identity;
  struct ip_address ipv4_range = {.family = 4, .bytes = {10, 9}};
  struct ip_address ipv6_range = {.family = 6, .bytes = {0xfd}};
  Cyphonic__Prefix ipv4 = CYPHONIC__PREFIX__INIT, ipv6 = CYPHONIC__PREFIX__INIT;
  ipv4.ip = message_bytes(&ipv4_range);
  ipv4.length = 16;
  ipv6.ip = message_bytes(&ipv6_range);
  ipv6.length = 64;
  char fqdn[] = "alice.test.internal", domain[] = "test.internal";
  Cyphonic__Endpoint observed = seen_at(cloud->seen);
  Cyphonic__RegistrationResponse response = CYPHONIC__REGISTRATION_RESPONSE__INIT;
  response.fqdn = fqdn;
  response.domain = domain;
  response.ipv4 = message_bytes(&identity->ipv4);
  response.ipv6 = message_bytes(&identity->ipv6);
  response.ipv4_prefix = &ipv4;
  response.ipv6_prefix = &ipv6;
  response.observed = &observed;
  response.behind_nat = cloud->behind_nat;
  response.route_id = 7;
  response.observation_port = port_told(cloud);
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_RESPONSE;
  message.registration_response = &response;
  control_reply(exchange, &message);
}

static void reply_observation(struct guest *guest, struct control_exchange *exchange) {
  struct cloud_double *cloud = guest->cloud;
  cloud->looks += guest->at_second;
  if (guest->at_second && cloud->refuses_looks) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNAVAILABLE, "not now");
    return;
  }
  Cyphonic__Endpoint observed = seen_at(guest->at_second ? cloud->seen_elsewhere : cloud->seen);
  Cyphonic__ObservationResponse response = CYPHONIC__OBSERVATION_RESPONSE__INIT;
  response.observed = &observed;
  response.observation_port = port_told(cloud);
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE;
  message.observation_response = &response;
  control_reply(exchange, &message);
}

/* At once: the test need not wait. */
static void reply_silence(struct guest *guest, struct control_exchange *exchange,
                          const Cyphonic__MappingLifetimeRequest *request) {
  struct cloud_double *cloud = guest->cloud;
  cloud->silences++;
  if (request->silence > cloud->survived) {
    assert_null(guest->silence);
    guest->silence = exchange;
    if (cloud->breaks)
      quic_connection_close(control_connection(guest->control), 0, "the service ends");
    return;
  }
  Cyphonic__MappingLifetimeResponse response = CYPHONIC__MAPPING_LIFETIME_RESPONSE__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_RESPONSE;
  message.mapping_lifetime_response = &response;
  control_reply(exchange, &message);
}

static void asked(UNUSED struct control *control, struct control_exchange *exchange,
                  const control_message *message, void *context) {
  struct guest *guest = context;
  switch (message->body_case) {
  case CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST:
    reply_login(guest->cloud, exchange);
    break;
  case CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST:
    assert_false(guest->at_second);
    reply_registration(guest->cloud, exchange, message->registration_request);
    break;
  case CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST:
    reply_observation(guest, exchange);
    break;
  case CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_REQUEST:
    assert_true(guest->at_second);
    reply_silence(guest, exchange, message->mapping_lifetime_request);
    break;
  default:
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE, "not here");
  }
}

/* --- connections --- */

static void guest_gone(UNUSED struct quic_connection *connection,
                       UNUSED const struct quic_close *close, void *context) {
  struct guest *guest = context;
  if (guest->silence)
    control_refuse(guest->silence, CYPHONIC__ERROR__CODE__UNAVAILABLE, "the connection is over");
  control_free(guest->control);
  free(guest);
}

static void enter(struct cloud_double *cloud, struct quic_connection *connection, bool at_second) {
  static const struct quic_handler handler = {.closed = guest_gone};
  static const struct control_handler control_handler = {.request = asked};
  struct guest *guest = calloc(1, sizeof *guest);
  assert_non_null(guest);
  guest->cloud = cloud;
  guest->at_second = at_second;
  guest->control = control_new(connection, &control_handler, guest);
  assert_non_null(guest->control);
  quic_connection_set_handler(connection, &handler, guest);
}

static void accepted(struct quic_connection *connection, void *context) {
  enter(context, connection, false);
}

static void accepted_at_second(struct quic_connection *connection, void *context) {
  enter(context, connection, true);
}

static void serve(struct cloud_double *cloud, struct quic_endpoint *endpoint, const char *alpn,
                  const struct pki_credentials *credentials,
                  void (*accept)(struct quic_connection *connection, void *context)) {
  struct quic_service service = {
      .alpn = alpn,
      .credentials = credentials,
      .trust = cloud->world->trust,
      .peer_purpose = PKI_NODE,
      .parameters = {.idle_timeout = 30 * NANOSECONDS_PER_SECOND},
      .accepted = accept,
      .context = cloud,
  };
  struct error error = {0};
  must(quic_endpoint_serve(endpoint, &service, &error), &error);
}

/* --- life --- */

void cloud_double_open(struct cloud_double *cloud, struct world *world) {
  *cloud = (struct cloud_double){
      .world = world, .behind_nat = true, .tells_port = true, .seen = 4001, .seen_elsewhere = 4002};
  struct error error = {0};
  char certificate[96], key[96];
  snprintf(certificate, sizeof certificate, "%s/nms.crt", world->folder);
  snprintf(key, sizeof key, "%s/nms.key", world->folder);
  must(pki_issue_service(world->root, PKI_NMS, "nms.test.internal", clock_wall(), world->folder,
                         &error),
       &error);
  must(pki_credentials_load(certificate, key, &cloud->nms_credentials, &error), &error);
  cloud->main = world_endpoint(world, 0, 0);
  cloud->second = world_endpoint(world, 0, 0);
  serve(cloud, cloud->main, LOGIN_ALPN, world->service.credentials, accepted);
  serve(cloud, cloud->main, NMS_ALPN, cloud->nms_credentials, accepted);
  serve(cloud, cloud->second, NMS_ALPN, cloud->nms_credentials, accepted_at_second);
}

void cloud_double_close(struct cloud_double *cloud) {
  world_endpoint_close(cloud->world, cloud->main);
  world_endpoint_close(cloud->world, cloud->second);
  pki_credentials_free(cloud->nms_credentials);
}

void cloud_double_silence(struct cloud_double *cloud) {
  quic_endpoint_withdraw(cloud->second, NMS_ALPN);
}

uint16_t cloud_double_port(const struct cloud_double *cloud) {
  return quic_endpoint_port(cloud->main, 4);
}

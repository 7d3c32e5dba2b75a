/* AS and NMS as nodes meet them: over QUIC, all in one process. */
#include "present.h"

#include <stdio.h>
#include <string.h>

#include "nms/message.h"

static void two_nodes_sign_up_log_in_register_and_are_directed(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", NULL, &alice);
  arrive(cloud, "bob", NULL, &bob);
  /* Login. */
  struct session session;
  session_open(&alice.member, AS_ALPN, PKI_AS, &session);
  Cyphonic__LoginRequest login = CYPHONIC__LOGIN_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST;
  message.login_request = &login;
  Cyphonic__Message *reply = ask(&session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_LOGIN_RESPONSE);
  assert_string_equal(reply->login_response->fqdn, "alice.test.internal");
  assert_int_equal(reply->login_response->n_nms, 1);
  assert_string_equal(reply->login_response->nms[0]->host, "127.0.0.1");
  assert_int_equal(reply->login_response->nms[0]->port, cloud->address.port);
  cyphonic__message__free_unpacked(reply, NULL);
  session_close(&session);
  /* Registration. */
  struct ip_address own = ip("127.0.0.1");
  reply = registered_as(&alice.session, &own);
  const Cyphonic__RegistrationResponse *response = reply->registration_response;
  assert_string_equal(response->fqdn, "alice.test.internal");
  assert_string_equal(response->domain, "test.internal");
  assert_memory_equal(response->ipv4.data, alice.member.ipv4.bytes, 4);
  assert_memory_equal(response->ipv6.data, alice.member.ipv6.bytes, 16);
  assert_int_equal(response->ipv4_prefix->length, 16);
  assert_int_equal(response->ipv6_prefix->length, 64);
  assert_int_equal(response->observed->port, quic_endpoint_port(alice.member.endpoint, 4));
  assert_false(response->behind_nat);
  assert_int_equal(response->n_relays, 0);
  uint32_t route_id = response->route_id;
  assert_int_not_equal(route_id, 0);
  cyphonic__message__free_unpacked(reply, NULL);
  register_as(&bob.session, "127.0.0.1");
  struct store_device device;
  struct store_endpoint endpoint;
  struct error error = {0};
  must(store_device_by_name(cloud->store, "alice", &device, &error), &error);
  assert_true(device.last_seen > 0);
  must(store_endpoint_get(cloud->store, device.id, 4, &endpoint, &error), &error);
  assert_int_equal(endpoint.observed.port, quic_endpoint_port(alice.member.endpoint, 4));
  /* Direction. */
  uint64_t id = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_true(id > 0);
  await_directions(&alice, &bob);
  expect_direction(&alice, &bob, id, 1, true, true);
  expect_direction(&bob, &alice, id, 1, false, false);
  const Cyphonic__RouteDirection *route = alice.session.direction->route_direction;
  assert_true(route->n_candidates >= 1);
  assert_int_equal(route->candidates[0]->port, quic_endpoint_port(bob.member.endpoint, 4));
  assert_int_not_equal(route->route_id, 0);
  assert_int_equal(bob.session.direction->route_direction->route_id, route_id);
  assert_null(offer_to(&alice));
  assert_null(offer_to(&bob));
  /* The same with a TRS. */
  struct present trs;
  trs_arrive(cloud, "trs", &trs);
  register_as(&alice.session, "127.0.0.1"); /* behind its confirmation, which is there now */
  uint64_t next = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_true(next > id);
  await_directions(&alice, &bob);
  expect_direction(&alice, &bob, next, 1, true, true);
  expect_direction(&bob, &alice, next, 1, false, false);
  expect_offer(&alice, &bob, &trs);
  leave(&trs);
  leave(&alice);
  leave(&bob);
}

static void expect_name(struct session *session, const Cyphonic__NameRequest *request,
                        const struct member *member) {
  union {
    const Cyphonic__NameRequest *from;
    Cyphonic__NameRequest *to;
  } pointer = {.from = request};
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_NAME_REQUEST;
  message.name_request = pointer.to;
  if (member == NULL) {
    ask_refused(session, &message, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
    return;
  }
  Cyphonic__Message *reply = ask(session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_NAME_RESPONSE);
  assert_string_equal(reply->name_response->fqdn, member->fqdn);
  assert_memory_equal(reply->name_response->ipv4.data, member->ipv4.bytes, 4);
  assert_memory_equal(reply->name_response->ipv6.data, member->ipv6.bytes, 16);
  cyphonic__message__free_unpacked(reply, NULL);
}

static void names_and_addresses_lead_to_each_other(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", NULL, &alice);
  Cyphonic__NameRequest request = CYPHONIC__NAME_REQUEST__INIT;
  request.what_case = CYPHONIC__NAME_REQUEST__WHAT_FQDN;
  static const char *const known[] = {"alice.test.internal", "ALICE.test.internal.", "alice",
                                      "Alice."};
  char name[300];
  request.fqdn = name;
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    snprintf(name, sizeof(name), "%s", known[i]);
    expect_name(&alice.session, &request, &alice.member);
  }
  static const char *const unknown[] = {"", ".", "bob", "alice.other.internal", "test.internal"};
  for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
    snprintf(name, sizeof(name), "%s", unknown[i]);
    expect_name(&alice.session, &request, NULL);
  }
  memset(name, 'a', sizeof(name));
  name[PKI_NAME_SIZE - 2] = '\0'; /* no room for the domain */
  expect_name(&alice.session, &request, NULL);
  name[PKI_NAME_SIZE - 2] = 'a';
  name[sizeof(name) - 1] = '\0';
  expect_name(&alice.session, &request, NULL);
  request.what_case = CYPHONIC__NAME_REQUEST__WHAT_ADDRESS;
  request.address = nms_message_ip(&alice.member.ipv4);
  expect_name(&alice.session, &request, &alice.member);
  request.address = nms_message_ip(&alice.member.ipv6);
  expect_name(&alice.session, &request, &alice.member);
  struct ip_address nobody = ip("10.77.255.254");
  request.address = nms_message_ip(&nobody);
  expect_name(&alice.session, &request, NULL);
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_NAME_REQUEST;
  message.name_request = &request;
  request.address.len = 3;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__MALFORMED);
  request.what_case = CYPHONIC__NAME_REQUEST__WHAT__NOT_SET;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__MALFORMED);
  leave(&alice);
}

static void an_observation_tells_the_address_seen(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  struct session second;
  session_open(&alice.member, NMS_ALPN, PKI_NMS, &second);
  Cyphonic__ObservationRequest request = CYPHONIC__OBSERVATION_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message.observation_request = &request;
  Cyphonic__Message *reply = ask(&second, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE);
  assert_int_equal(reply->observation_response->observed->port,
                   quic_endpoint_port(alice.member.endpoint, 4));
  cyphonic__message__free_unpacked(reply, NULL);
  session_close(&second);
  /* Its end takes nothing from the registration. */
  register_as(&alice.session, "127.0.0.1");
  assert_false(alice.session.closed);
  leave(&alice);
}

static void a_newer_registration_closes_the_older_connection(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  struct session newer;
  session_open(&alice.member, NMS_ALPN, PKI_NMS, &newer);
  register_as(&newer, "127.0.0.1");
  cloud_wait(cloud, &alice.session.closed);
  assert_int_equal(alice.session.close.code, ERROR_CLOSED);
  assert_true(alice.session.close.by_peer);
  assert_int_equal(alice.session.close.application_code, NMS_CLOSE_REPLACED);
  /* The newer one is what the peer's directions go to. */
  direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  cloud_wait(cloud, &newer.directed);
  session_close(&newer);
  leave(&alice);
  leave(&bob);
}

static void a_revoked_device_is_refused_everywhere(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  meddle(cloud->place, "UPDATE devices SET revoked = 1 WHERE name = 'alice'");
  Cyphonic__RegistrationRequest registration = CYPHONIC__REGISTRATION_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST;
  message.registration_request = &registration;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__DEVICE_REVOKED);
  struct session session;
  session_open(&alice.member, AS_ALPN, PKI_AS, &session);
  Cyphonic__LoginRequest login = CYPHONIC__LOGIN_REQUEST__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST;
  message.login_request = &login;
  ask_refused(&session, &message, CYPHONIC__ERROR__CODE__DEVICE_REVOKED);
  session_close(&session);
  Cyphonic__DirectionRequest request;
  message = direction_message(&request, alice.member.fqdn);
  ask_refused(&bob.session, &message, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  leave(&alice);
  leave(&bob);
}

static void a_device_that_is_not_in_the_database_is_refused(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  meddle(cloud->place, "UPDATE devices SET fqdn = 'x' WHERE name = 'alice'");
  Cyphonic__RegistrationRequest registration = CYPHONIC__REGISTRATION_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST;
  message.registration_request = &registration;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN);
  meddle(cloud->place, "UPDATE devices SET fqdn = 'alice.test.internal'; "
                       "UPDATE certificates SET revoked = 1");
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__DEVICE_REVOKED);
  leave(&alice);
}

static void a_registration_with_an_impossible_address_is_malformed(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", NULL, &alice);
  struct address address = {.ip = ip("192.0.2.1")};
  Cyphonic__Endpoint endpoint = nms_message_endpoint(&address), *endpoints[] = {&endpoint};
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  request.n_addresses = 1;
  request.addresses = endpoints;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST;
  message.registration_request = &request;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__MALFORMED);
  leave(&alice);
}

static void each_service_answers_its_own_messages_alone(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", NULL, &alice);
  Cyphonic__LoginRequest login = CYPHONIC__LOGIN_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST;
  message.login_request = &login;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  struct session session;
  session_open(&alice.member, AS_ALPN_SIGN_UP, PKI_AS, &session);
  ask_refused(&session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  session_close(&session);
  session_open(&alice.member, AS_ALPN, PKI_AS, &session);
  Cyphonic__SignUpRequest sign_up = CYPHONIC__SIGN_UP_REQUEST__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_SIGN_UP_REQUEST;
  message.sign_up_request = &sign_up;
  ask_refused(&session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  session_close(&session);
  leave(&alice);
}

static void a_service_that_ends_closes_its_connections(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  struct session session;
  session_open(&alice.member, AS_ALPN, PKI_AS, &session);
  nms_service_free(cloud->nms);
  as_service_free(cloud->as);
  cloud->nms = NULL;
  cloud->as = NULL;
  cloud_wait(cloud, &alice.session.closed);
  cloud_wait(cloud, &session.closed);
  assert_int_equal(session.close.code, ERROR_CLOSED);
  session_close(&session);
  leave(&alice);
}

static void services_of_one_kind_do_not_share_an_endpoint(void **state) {
  struct cloud *cloud = *state;
  struct error error = {0};
  struct nms_service *nms;
  struct nms_config nms_config = {.endpoint = cloud->endpoint,
                                  .log = &cloud->log,
                                  .store = cloud->store,
                                  .credentials = cloud->nms_credentials,
                                  .trust = cloud->trust};
  assert_int_equal(nms_service_new(&nms_config, &nms, &error), ERROR_EXISTS);
  assert_null(nms);
  struct as_service *as;
  struct as_config as_config = {.endpoint = cloud->endpoint,
                                .log = &cloud->log,
                                .store = cloud->store,
                                .intermediate = cloud->intermediate,
                                .credentials = cloud->as_credentials,
                                .trust = cloud->trust,
                                .nms_count = 1,
                                .nms = {{"127.0.0.1", 443}}};
  assert_int_equal(as_service_new(&as_config, &as, &error), ERROR_EXISTS);
  as_config.nms_count = 0;
  must_fail(as_service_new(&as_config, &as, &error), ERROR_CONFIG, &error, "1 to 8");
  assert_null(as);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(two_nodes_sign_up_log_in_register_and_are_directed),
      TEST(names_and_addresses_lead_to_each_other),
      TEST(an_observation_tells_the_address_seen),
      TEST(a_newer_registration_closes_the_older_connection),
      TEST(a_revoked_device_is_refused_everywhere),
      TEST(a_device_that_is_not_in_the_database_is_refused),
      TEST(a_registration_with_an_impossible_address_is_malformed),
      TEST(each_service_answers_its_own_messages_alone),
      TEST(a_service_that_ends_closes_its_connections),
      TEST(services_of_one_kind_do_not_share_an_endpoint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* AS and NMS as nodes meet them: over QUIC, all in one process. */
#include "cloud.h"

#include <stdio.h>
#include <string.h>

#include "nms/message.h"

/* Registers with this IPv4 address of its own; the answer is the caller's. */
static Cyphonic__Message *registered_as(struct session *session, const struct ip_address *own) {
  struct address address = {.ip = *own, .port = quic_connection_local(session->connection).port};
  Cyphonic__Endpoint endpoint = nms_message_endpoint(&address), *endpoints[] = {&endpoint};
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  request.n_addresses = 1;
  request.addresses = endpoints;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST;
  message.registration_request = &request;
  if (address.port == 0) {
    endpoint.port = 443; /* no packet has told the local address yet */
  }
  Cyphonic__Message *reply = ask(session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_REGISTRATION_RESPONSE);
  return reply;
}

static void register_as(struct session *session, const char *own) {
  struct ip_address address = ip(own);
  cyphonic__message__free_unpacked(registered_as(session, &address), NULL);
}

/* A joined node with its session at NMS, registered under an address of its own. */
struct present {
  struct member member;
  struct session session;
};

static void arrive(struct cloud *cloud, const char *name, const char *own,
                   struct present *present) {
  member_join(cloud, name, &present->member);
  session_open(&present->member, NMS_ALPN, PKI_NMS, &present->session);
  if (own != NULL) {
    register_as(&present->session, own);
  }
}

static void leave(struct present *present) {
  session_close(&present->session);
  member_close(&present->member);
}

static Cyphonic__Message direction_message(Cyphonic__DirectionRequest *request, char *fqdn) {
  cyphonic__direction_request__init(request);
  request->target_case = CYPHONIC__DIRECTION_REQUEST__TARGET_FQDN;
  request->fqdn = fqdn;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_DIRECTION_REQUEST;
  message.direction_request = request;
  return message;
}

/* Asks for a direction and returns its id; 0 unless it was DIRECTED. */
static uint64_t direct(struct present *from, struct present *to,
                       Cyphonic__DirectionResponse__Status status) {
  Cyphonic__DirectionRequest request;
  Cyphonic__Message message = direction_message(&request, to->member.fqdn);
  from->session.directed = to->session.directed = false;
  Cyphonic__Message *reply = ask(&from->session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_DIRECTION_RESPONSE);
  const Cyphonic__DirectionResponse *response = reply->direction_response;
  if (response->status != status) {
    fail_msg("expected status %d, got %d: %s", (int)status, (int)response->status,
             response->message);
  }
  assert_string_equal(response->fqdn, to->member.fqdn);
  assert_memory_equal(response->ipv4.data, to->member.ipv4.bytes, 4);
  assert_memory_equal(response->ipv6.data, to->member.ipv6.bytes, 16);
  uint64_t id = response->direction_id;
  cyphonic__message__free_unpacked(reply, NULL);
  return id;
}

static void await_directions(struct present *one, struct present *two) {
  cloud_wait(one->member.cloud, &one->session.directed);
  cloud_wait(one->member.cloud, &two->session.directed);
}

static void expect_direction(const struct present *receiver, const struct present *peer,
                             uint64_t id, uint32_t pattern, bool client, bool initiator) {
  const Cyphonic__RouteDirection *route = receiver->session.direction->route_direction;
  assert_int_equal(route->direction_id, id);
  assert_int_equal(route->pattern, pattern);
  assert_int_equal(route->role, client ? CYPHONIC__ROUTE_DIRECTION__ROLE__CLIENT
                                       : CYPHONIC__ROUTE_DIRECTION__ROLE__SERVER);
  assert_int_equal(route->initiator, initiator);
  assert_string_equal(route->fqdn, peer->member.fqdn);
  uint8_t key[PKI_HASH_SIZE];
  struct error error = {0};
  must(pki_key_hash(peer->member.key, key, &error), &error);
  assert_int_equal(route->public_key.len, sizeof(key));
  assert_memory_equal(route->public_key.data, key, sizeof(key));
  assert_memory_equal(route->ipv4.data, peer->member.ipv4.bytes, 4);
  assert_memory_equal(route->ipv6.data, peer->member.ipv6.bytes, 16);
}

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
  leave(&alice);
  leave(&bob);
}

static void two_nodes_that_ask_at_once_get_one_direction(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  bob.session.withholds = true; /* as if it had asked before the direction came */
  uint64_t id = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  assert_int_equal(direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED), id);
  assert_int_equal(alice.session.directions, 1);
  assert_int_equal(bob.session.directions, 1);
  expect_direction(&alice, &bob, id, 1, true, true);
  expect_direction(&bob, &alice, id, 1, false, false);
  leave(&alice);
  leave(&bob);
}

static void who_has_the_direction_and_asks_again_gets_another(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  uint64_t id = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  /* A round trip, in which the confirmations arrive. */
  register_as(&bob.session, "127.0.0.1");
  register_as(&alice.session, "127.0.0.1");
  uint64_t next = direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  assert_true(next > id);
  expect_direction(&alice, &bob, next, 1, false, false);
  expect_direction(&bob, &alice, next, 1, true, true);
  leave(&alice);
  leave(&bob);
}

static void a_node_that_moved_gets_a_new_direction(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  uint64_t id = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  register_as(&alice.session, "192.168.7.7");
  uint64_t next = direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  assert_true(next > id);
  /* It is behind a NAT now, and so the client, though the other one asked. */
  expect_direction(&alice, &bob, next, 2, true, false);
  expect_direction(&bob, &alice, next, 2, false, true);
  leave(&alice);
  leave(&bob);
}

static void two_nodes_behind_nats_need_a_relay(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "192.168.7.7", &alice);
  arrive(cloud, "bob", "192.168.8.8", &bob);
  assert_int_equal(direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY), 0);
  assert_int_equal(bob.session.directions, 0);
  leave(&alice);
  leave(&bob);
}

static void who_is_not_registered_gets_no_direction(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", NULL, &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  Cyphonic__DirectionRequest request;
  Cyphonic__Message message = direction_message(&request, bob.member.fqdn);
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__NOT_REGISTERED);
  leave(&alice);
  leave(&bob);
}

static void a_peer_that_is_not_here_is_offline(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", NULL, &bob);
  direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__PEER_OFFLINE);
  register_as(&bob.session, "127.0.0.1");
  direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  leave(&bob);
  Cyphonic__DirectionRequest request;
  Cyphonic__Message message = direction_message(&request, bob.member.fqdn);
  Cyphonic__Message *reply = ask(&alice.session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_DIRECTION_RESPONSE);
  assert_int_equal(reply->direction_response->status,
                   CYPHONIC__DIRECTION_RESPONSE__STATUS__PEER_OFFLINE);
  cyphonic__message__free_unpacked(reply, NULL);
  leave(&alice);
}

static void directions_to_nobody_and_to_oneself_are_refused(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  Cyphonic__DirectionRequest request;
  Cyphonic__Message message = direction_message(&request, (char[]){"nobody.test.internal"});
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  message = direction_message(&request, alice.member.fqdn);
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__MALFORMED);
  request.target_case = CYPHONIC__DIRECTION_REQUEST__TARGET__NOT_SET;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__MALFORMED);
  leave(&alice);
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
      TEST(two_nodes_that_ask_at_once_get_one_direction),
      TEST(who_has_the_direction_and_asks_again_gets_another),
      TEST(a_node_that_moved_gets_a_new_direction),
      TEST(two_nodes_behind_nats_need_a_relay),
      TEST(who_is_not_registered_gets_no_direction),
      TEST(a_peer_that_is_not_here_is_offline),
      TEST(directions_to_nobody_and_to_oneself_are_refused),
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

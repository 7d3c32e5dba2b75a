/* TRSs register at NMS, and nodes are told of them. */
#include "present.h"

#include <string.h>

static void registered_relays_are_told_to_nodes(void **state) {
  struct cloud *cloud = *state;
  struct present first, second, alice;
  trs_arrive(cloud, "trs-1", &first);
  trs_arrive(cloud, "trs-2", &second);
  trs_register(&first, 5);
  arrive(cloud, "alice", NULL, &alice);
  struct ip_address own = ip("127.0.0.1");
  Cyphonic__Message *reply = registered_as(&alice.session, &own);
  const Cyphonic__RegistrationResponse *response = reply->registration_response;
  assert_int_equal(response->n_relays, 2);
  assert_string_equal(response->relays[0]->name, "trs-2.test.internal"); /* less loaded */
  assert_string_equal(response->relays[1]->name, "trs-1.test.internal");
  assert_int_equal(response->relays[1]->n_addresses, 1);
  assert_string_equal(response->relays[1]->addresses[0]->host, "127.0.0.1");
  assert_int_equal(response->relays[1]->addresses[0]->port,
                   quic_endpoint_port(first.member.endpoint, 4));
  cyphonic__message__free_unpacked(reply, NULL);
  leave(&first);
  reply = registered_as(&alice.session, &own);
  assert_int_equal(reply->registration_response->n_relays, 1);
  cyphonic__message__free_unpacked(reply, NULL);
  leave(&second);
  leave(&alice);
}

static uint32_t route_id_for(struct present *present, uint32_t wish) {
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  request.route_id = wish;
  struct ip_address own = ip("127.0.0.1");
  Cyphonic__Message *reply = registered_with(&present->session, &own, &request);
  uint32_t route_id = reply->registration_response->route_id;
  assert_int_not_equal(route_id, 0);
  cyphonic__message__free_unpacked(reply, NULL);
  return route_id;
}

static void a_node_keeps_the_route_id_it_asks_for_unless_another_has_it(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", NULL, &alice);
  arrive(cloud, "bob", NULL, &bob);
  assert_int_equal(route_id_for(&alice, 0xfedcba98), 0xfedcba98);
  uint32_t other = route_id_for(&bob, 0xfedcba98);
  assert_int_not_equal(other, 0xfedcba98);
  assert_int_equal(route_id_for(&bob, other), other);
  /* Nor when the other one has just left. */
  leave(&alice);
  assert_int_equal(route_id_for(&bob, 0xfedcba98), other);
  leave(&bob);
}

static void what_was_observed_elsewhere_keeps_nobody_from_registering(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", NULL, &alice);
  Cyphonic__Endpoint elsewhere = CYPHONIC__ENDPOINT__INIT; /* none at all */
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  request.observed_elsewhere = &elsewhere;
  struct ip_address own = ip("127.0.0.1");
  cyphonic__message__free_unpacked(registered_with(&alice.session, &own, &request), NULL);
  leave(&alice);
}

static void a_node_cannot_register_as_a_relay(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", NULL, &alice);
  struct session session;
  session_try(&alice.member, NMS_RELAY_ALPN, PKI_NMS, &session);
  cloud_wait(cloud, &session.closed); /* NMS reads our certificate after we have read its own */
  assert_true(session.close.by_peer);
  assert_int_not_equal(session.close.code, ERROR_CLOSED);
  session_close(&session);
  leave(&alice);
}

static void a_relay_cannot_register_as_a_node(void **state) {
  struct cloud *cloud = *state;
  struct present trs;
  trs_arrive(cloud, "trs", &trs);
  struct session session;
  session_try(&trs.member, NMS_ALPN, PKI_NMS, &session);
  cloud_wait(cloud, &session.closed);
  assert_true(session.close.by_peer);
  session_close(&session);
  leave(&trs);
}

static void a_newer_registration_of_a_relay_closes_the_older_connection(void **state) {
  struct cloud *cloud = *state;
  struct present trs, alice;
  trs_arrive(cloud, "trs", &trs);
  arrive(cloud, "alice", NULL, &alice);
  struct present again = {.member = trs.member}; /* the same TRS */
  session_open(&again.member, NMS_RELAY_ALPN, PKI_NMS, &again.session);
  trs_register(&again, 0);
  cloud_wait(cloud, &trs.session.closed);
  assert_int_equal(trs.session.close.code, ERROR_CLOSED);
  assert_int_equal(trs.session.close.application_code, NMS_CLOSE_REPLACED);
  struct ip_address own = ip("127.0.0.1");
  Cyphonic__Message *reply = registered_as(&alice.session, &own);
  assert_int_equal(reply->registration_response->n_relays, 1);
  cyphonic__message__free_unpacked(reply, NULL);
  session_close(&again.session);
  leave(&trs);
  leave(&alice);
}

static void a_relay_that_says_nonsense_is_refused(void **state) {
  struct cloud *cloud = *state;
  struct present trs;
  trs_arrive(cloud, "trs", &trs);
  Cyphonic__RelayRegistrationRequest request = CYPHONIC__RELAY_REGISTRATION_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_RELAY_REGISTRATION_REQUEST;
  message.relay_registration_request = &request; /* without an address */
  ask_refused(&trs.session, &message, CYPHONIC__ERROR__CODE__MALFORMED);
  Cyphonic__NameRequest name = CYPHONIC__NAME_REQUEST__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_NAME_REQUEST;
  message.name_request = &name;
  ask_refused(&trs.session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  leave(&trs);
}

static void a_service_that_ends_closes_its_relays_connections(void **state) {
  struct cloud *cloud = *state;
  struct present trs;
  trs_arrive(cloud, "trs", &trs);
  nms_service_free(cloud->nms);
  cloud->nms = NULL;
  cloud_wait(cloud, &trs.session.closed);
  assert_int_equal(trs.session.close.code, ERROR_CLOSED);
  assert_true(trs.session.close.by_peer);
  leave(&trs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(registered_relays_are_told_to_nodes),
      TEST(a_node_keeps_the_route_id_it_asks_for_unless_another_has_it),
      TEST(what_was_observed_elsewhere_keeps_nobody_from_registering),
      TEST(a_node_cannot_register_as_a_relay),
      TEST(a_relay_cannot_register_as_a_node),
      TEST(a_newer_registration_of_a_relay_closes_the_older_connection),
      TEST(a_relay_that_says_nonsense_is_refused),
      TEST(a_service_that_ends_closes_its_relays_connections),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How two registered nodes are directed to each other, with a relay and without. */
#include "present.h"

#include "base/clock.h"
#include "nms/grant.h"
#include "nms/message.h"
#include "pki/ca.h"
#include "pki/signature.h"

#define NONE ((const char *const[]){NULL})

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

/* Killed and started again: NMS does not know yet that nobody reads the first connection. */
static void a_node_that_comes_back_is_told_what_it_missed(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  bob.session.withholds = true;
  uint64_t id = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  struct session again;
  session_open(&bob.member, NMS_ALPN, PKI_NMS, &again);
  again.withholds = true;
  register_as(&again, "127.0.0.1");
  cloud_wait(cloud, &again.directed);
  assert_int_equal(again.directions, 1);
  assert_int_equal(again.direction->route_direction->direction_id, id);
  /* Once. */
  struct session third;
  session_open(&bob.member, NMS_ALPN, PKI_NMS, &third);
  register_as(&third, "127.0.0.1");
  register_as(&third, "127.0.0.1");
  assert_int_equal(third.directions, 0);
  session_close(&third);
  session_close(&again);
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
  assert_int_equal(direct_without(&alice, &bob, NONE,
                                  CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY,
                                  "this network has no relay"),
                   0);
  assert_int_equal(bob.session.directions, 0);
  leave(&alice);
  leave(&bob);
}

/* The candidates in the last direction, in order; ends with "". */
static void expect_candidates(const struct present *receiver, const char *const ips[]) {
  const Cyphonic__RouteDirection *route = receiver->session.direction->route_direction;
  for (size_t i = 0; i < route->n_candidates; i++) {
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    assert_int_equal(nms_endpoint_read(route->candidates[i], &address), 0);
    assert_string_equal(ip_address_text(&address.ip, text), ips[i]);
  }
  assert_string_equal(ips[route->n_candidates], "");
}

static void two_nodes_behind_nats_meet_at_a_relay(void **state) {
  struct cloud *cloud = *state;
  struct present trs, alice, bob;
  trs_arrive(cloud, "trs", &trs);
  arrive(cloud, "alice", "192.168.7.7", &alice);
  arrive(cloud, "bob", "192.168.8.8", &bob);
  uint64_t id = direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  expect_direction(&bob, &alice, id, 3, true, true);
  expect_direction(&alice, &bob, id, 3, false, false);
  expect_offer(&alice, &bob, &trs);
  /* Seen from one address: behind one NAT, so the local addresses go first. */
  expect_candidates(&bob, (const char *const[]){"192.168.7.7", "127.0.0.1", ""});
  expect_candidates(&alice, (const char *const[]){"192.168.8.8", "127.0.0.1", ""});
  leave(&trs);
  leave(&alice);
  leave(&bob);
}

static void expect_grant(struct cloud *cloud, const struct present *receiver,
                         const struct present *trs, const struct present *initiator,
                         const struct present *responder) {
  const Cyphonic__RelayOffer *offer = offer_to(receiver);
  Cyphonic__RelayGrant *grant =
      cyphonic__relay_grant__unpack(NULL, offer->grant.len, offer->grant.data);
  assert_non_null(grant);
  struct span chain[PKI_CHAIN_MAX];
  assert_in_range(grant->n_chain, 1, PKI_CHAIN_MAX);
  for (size_t i = 0; i < grant->n_chain; i++) {
    chain[i] = (struct span){.data = grant->chain[i].data, .size = grant->chain[i].len};
  }
  struct pki_identity identity;
  struct error error = {0};
  must(pki_signature_verify(
           cloud->trust, chain, grant->n_chain, PKI_NMS, clock_wall(),
           (struct span){.data = grant->body.data, .size = grant->body.len},
           (struct span){.data = grant->signature.data, .size = grant->signature.len}, &identity,
           &error),
       &error);
  Cyphonic__RelayGrantBody *body =
      cyphonic__relay_grant_body__unpack(NULL, grant->body.len, grant->body.data);
  assert_non_null(body);
  assert_string_equal(body->relay, trs->member.fqdn);
  assert_string_equal(body->first_fqdn, initiator->member.fqdn);
  assert_string_equal(body->second_fqdn, responder->member.fqdn);
  /* Each is told the other's id. */
  assert_int_equal(body->first_route_id, responder->session.direction->route_direction->route_id);
  assert_int_equal(body->second_route_id, initiator->session.direction->route_direction->route_id);
  assert_in_range(body->expires, clock_wall() + GRANT_SECONDS - 60, clock_wall() + GRANT_SECONDS);
  cyphonic__relay_grant_body__free_unpacked(body, NULL);
  cyphonic__relay_grant__free_unpacked(grant, NULL);
}

static void a_grant_names_the_relay_and_both_nodes_and_is_signed_by_nms(void **state) {
  struct cloud *cloud = *state;
  struct present trs, alice, bob;
  trs_arrive(cloud, "trs", &trs);
  arrive(cloud, "alice", "192.168.7.7", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  expect_grant(cloud, &alice, &trs, &bob, &alice);
  expect_grant(cloud, &bob, &trs, &bob, &alice);
  leave(&trs);
  leave(&alice);
  leave(&bob);
}

static void a_relay_that_failed_is_not_offered_again(void **state) {
  struct cloud *cloud = *state;
  struct present first, second, alice, bob;
  trs_arrive(cloud, "trs-1", &first);
  trs_arrive(cloud, "trs-2", &second);
  arrive(cloud, "alice", "192.168.7.7", &alice);
  arrive(cloud, "bob", "192.168.8.8", &bob);
  uint64_t id = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  expect_offer(&alice, &bob, &first);
  uint64_t next = direct_without(&bob, &alice, (const char *const[]){first.member.fqdn, NULL},
                                 CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED, "");
  assert_true(next > id);
  await_directions(&alice, &bob);
  expect_offer(&alice, &bob, &second);
  direct_without(&alice, &bob, (const char *const[]){second.member.fqdn, first.member.fqdn, NULL},
                 CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY, "works for them");
  leave(&first);
  leave(&second);
  leave(&alice);
  leave(&bob);
}

static void who_names_a_failed_relay_gets_a_new_direction_at_once(void **state) {
  struct cloud *cloud = *state;
  struct present trs, alice, bob;
  trs_arrive(cloud, "trs", &trs);
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  alice.session.withholds = true; /* having confirmed it, it would get a new one anyway */
  uint64_t id = direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  uint64_t next = direct_without(&alice, &bob, (const char *const[]){trs.member.fqdn, NULL},
                                 CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED, "");
  assert_true(next > id);
  await_directions(&alice, &bob);
  /* The direct way is there without a relay too. */
  expect_direction(&alice, &bob, next, 1, true, true);
  assert_null(offer_to(&alice));
  assert_null(offer_to(&bob));
  leave(&trs);
  leave(&alice);
  leave(&bob);
}

static void a_relay_that_is_gone_is_not_offered(void **state) {
  struct cloud *cloud = *state;
  struct present first, second, alice, bob;
  trs_arrive(cloud, "trs-1", &first);
  trs_arrive(cloud, "trs-2", &second);
  arrive(cloud, "alice", "192.168.7.7", &alice);
  arrive(cloud, "bob", "192.168.8.8", &bob);
  leave(&first);
  direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  expect_offer(&alice, &bob, &second);
  leave(&second);
  register_as(&alice.session, "192.168.7.7"); /* behind its confirmation */
  direct_without(&alice, &bob, NONE, CYPHONIC__DIRECTION_RESPONSE__STATUS__NEEDS_RELAY,
                 "this network has no relay");
  leave(&alice);
  leave(&bob);
}

static void register_with_round_trip(struct present *present, const char *own,
                                     const struct present *trs, uint32_t round_trip) {
  Cyphonic__RelayReport report = CYPHONIC__RELAY_REPORT__INIT, *reports[] = {&report};
  report.name = nms_message_text(trs->member.fqdn);
  report.round_trip = round_trip;
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  request.n_relays = 1;
  request.relays = reports;
  struct ip_address address = ip(own);
  cyphonic__message__free_unpacked(registered_with(&present->session, &address, &request), NULL);
}

static void the_relay_is_chosen_by_what_the_nodes_report_and_then_by_load(void **state) {
  struct cloud *cloud = *state;
  struct present first, second, alice, bob;
  trs_arrive(cloud, "trs-1", &first);
  trs_arrive(cloud, "trs-2", &second);
  arrive(cloud, "alice", "192.168.7.7", &alice);
  arrive(cloud, "bob", "192.168.8.8", &bob);
  trs_register(&first, 10);
  direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  expect_offer(&alice, &bob, &second);
  register_with_round_trip(&alice, "192.168.7.7", &first, 20000);
  register_with_round_trip(&bob, "192.168.8.8", &first, 30000);
  direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  await_directions(&alice, &bob);
  expect_offer(&alice, &bob, &first);
  leave(&first);
  leave(&second);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(two_nodes_that_ask_at_once_get_one_direction),
      TEST(a_node_that_comes_back_is_told_what_it_missed),
      TEST(who_has_the_direction_and_asks_again_gets_another),
      TEST(a_node_that_moved_gets_a_new_direction),
      TEST(two_nodes_behind_nats_need_a_relay),
      TEST(two_nodes_behind_nats_meet_at_a_relay),
      TEST(a_grant_names_the_relay_and_both_nodes_and_is_signed_by_nms),
      TEST(a_relay_that_failed_is_not_offered_again),
      TEST(who_names_a_failed_relay_gets_a_new_direction_at_once),
      TEST(a_relay_that_is_gone_is_not_offered),
      TEST(the_relay_is_chosen_by_what_the_nodes_report_and_then_by_load),
      TEST(who_is_not_registered_gets_no_direction),
      TEST(a_peer_that_is_not_here_is_offline),
      TEST(directions_to_nobody_and_to_oneself_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

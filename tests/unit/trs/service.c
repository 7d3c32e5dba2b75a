/* What nodes ask a TRS, and what they are told. */
#include "station.h"

#include <string.h>

static void both_are_answered_when_both_have_asked(void **state) {
  struct station station;
  struct user alice, bob;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 0xa11ce001, &alice);
  user_open(*state, "bob", 0xb0b00002, &bob);
  struct wish first, second;
  user_wish_peer(&alice, &station, &bob, &first);
  /* By the time that an answer to something else is there, the first one has been read. */
  Cyphonic__ObservationRequest observation = CYPHONIC__OBSERVATION_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message.observation_request = &observation;
  cyphonic__message__free_unpacked(ask(&alice.session, &message), NULL);
  assert_false(first.came);
  assert_int_equal(station_counters(&station).pairs, 0);
  user_wish_peer(&bob, &station, &alice, &second);
  wish_await(*state, &second, 0);
  wish_await(*state, &first, 0);
  struct trs_counters counters = station_counters(&station);
  assert_int_equal(counters.nodes, 2);
  assert_int_equal(counters.pairs, 1);
  assert_int_equal(counters.refused_grants, 0);
  user_close(&alice);
  user_close(&bob);
  station_close(&station);
}

static void who_asks_again_is_answered_at_once(void **state) {
  struct station station;
  struct user alice, bob;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  user_open(*state, "bob", 2, &bob);
  users_meet(&station, &alice, &bob);
  struct wish again;
  user_wish_peer(&alice, &station, &bob, &again);
  wish_await(*state, &again, 0);
  assert_int_equal(station_counters(&station).pairs, 1);
  user_close(&alice);
  user_close(&bob);
  station_close(&station);
}

static void a_peer_that_does_not_come_is_absent(void **state) {
  struct station station;
  struct user alice, bob;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  user_open(*state, "bob", 2, &bob);
  struct wish wish;
  user_wish_peer(&alice, &station, &bob, &wish);
  wish_await(*state, &wish, CYPHONIC__ERROR__CODE__PEER_ABSENT);
  /* Its half stays: who comes late is served. */
  struct wish late;
  user_wish_peer(&bob, &station, &alice, &late);
  wish_await(*state, &late, 0);
  user_close(&alice);
  user_close(&bob);
  station_close(&station);
}

static void grants_that_do_not_hold_are_refused(void **state) {
  struct cloud *cloud = *state;
  struct station station;
  struct user alice, bob, carol;
  station_open(cloud, NULL, &station);
  user_open(cloud, "alice", 1, &alice);
  user_open(cloud, "bob", 2, &bob);
  user_open(cloud, "carol", 3, &carol);
  char other_trs[] = "trs-2.test.internal";
  const struct {
    struct wish_terms terms;
    Cyphonic__Error__Code refusal;
  } cases[] = {
      {{NULL, &alice, &bob, 3600, cloud->as_credentials}, CYPHONIC__ERROR__CODE__GRANT_INVALID},
      {{NULL, &alice, &bob, 3600, alice.member.credentials}, CYPHONIC__ERROR__CODE__GRANT_INVALID},
      {{NULL, &bob, &carol, 3600, NULL}, CYPHONIC__ERROR__CODE__GRANT_INVALID},
      {{other_trs, &alice, &bob, 3600, NULL}, CYPHONIC__ERROR__CODE__GRANT_INVALID},
      {{NULL, &alice, &bob, 0, NULL}, CYPHONIC__ERROR__CODE__GRANT_EXPIRED},
  };
  enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
  for (size_t i = 0; i < COUNT; i++) {
    struct wish wish;
    user_wish(&alice, &station, &cases[i].terms, &wish);
    wish_await(cloud, &wish, cases[i].refusal);
  }
  Cyphonic__RelayRequest request = CYPHONIC__RELAY_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_RELAY_REQUEST;
  message.relay_request = &request;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__GRANT_INVALID);
  assert_int_equal(station_counters(&station).refused_grants, COUNT + 1);
  user_close(&alice);
  user_close(&bob);
  user_close(&carol);
  station_close(&station);
}

static void a_node_that_connects_again_replaces_its_older_connection(void **state) {
  struct station station;
  struct user alice, bob;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  user_open(*state, "bob", 2, &bob);
  users_meet(&station, &alice, &bob);
  struct session again;
  session_open(&alice.member, TRS_ALPN, PKI_TRS, &again);
  cloud_wait(*state, &alice.session.closed);
  assert_int_equal(alice.session.close.code, ERROR_CLOSED);
  assert_int_equal(alice.session.close.application_code, TRS_CLOSE_REPLACED);
  struct trs_counters counters = station_counters(&station);
  assert_int_equal(counters.nodes, 2);
  assert_int_equal(counters.pairs, 1);
  session_close(&again);
  user_close(&alice);
  user_close(&bob);
  station_close(&station);
}

static bool half_is_left(void *context) {
  struct trs_counters counters = station_counters(context);
  return counters.nodes == 1 && counters.pairs == 0;
}

static void who_leaves_unbinds_and_who_comes_back_is_awaited(void **state) {
  struct station station;
  struct user alice, bob;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  user_open(*state, "bob", 2, &bob);
  users_meet(&station, &alice, &bob);
  session_close(&bob.session);
  wait_for(*state, half_is_left, &station);
  struct wish wish;
  user_wish_peer(&alice, &station, &bob, &wish);
  session_open(&bob.member, TRS_ALPN, PKI_TRS, &bob.session);
  wish_await(*state, &wish, 0);
  assert_int_equal(station_counters(&station).pairs, 1);
  user_close(&alice);
  user_close(&bob);
  station_close(&station);
}

static void who_waits_and_leaves_is_forgotten(void **state) {
  struct station station;
  struct user alice, bob;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  user_open(*state, "bob", 2, &bob);
  struct wish wishes[3];
  for (size_t i = 0; i < 3; i++) {
    user_wish_peer(&alice, &station, &bob, &wishes[i]);
  }
  session_close(&alice.session);
  assert_int_equal(wishes[2].code, ERROR_CLOSED);
  wait_for(*state, half_is_left, &station);
  user_close(&alice);
  user_close(&bob);
  station_close(&station);
}

static void a_node_is_told_the_address_it_is_seen_at(void **state) {
  struct station station;
  struct user alice;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  Cyphonic__ObservationRequest observation = CYPHONIC__OBSERVATION_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message.observation_request = &observation;
  Cyphonic__Message *reply = ask(&alice.session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE);
  const Cyphonic__Endpoint *observed = reply->observation_response->observed;
  struct ip_address expected = ip("127.0.0.1");
  assert_int_equal(observed->ip.len, 4);
  assert_memory_equal(observed->ip.data, expected.bytes, 4);
  assert_int_equal(observed->port, quic_endpoint_port(alice.member.endpoint, 4));
  cyphonic__message__free_unpacked(reply, NULL);
  user_close(&alice);
  station_close(&station);
}

static void what_is_for_another_service_is_refused(void **state) {
  struct station station;
  struct user alice;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  Cyphonic__NameRequest name = CYPHONIC__NAME_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_NAME_REQUEST;
  message.name_request = &name;
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  user_close(&alice);
  station_close(&station);
}

static void a_service_is_no_node(void **state) {
  struct station station;
  station_open(*state, NULL, &station);
  struct session session;
  session_try(&station.member, TRS_ALPN, PKI_TRS, &session);
  cloud_wait(*state, &session.closed);
  assert_true(session.close.by_peer);
  assert_int_equal(station_counters(&station).nodes, 0);
  session_close(&session);
  station_close(&station);
}

static void a_trs_that_ends_says_so_and_leaves_nothing(void **state) {
  struct station station;
  struct user alice, bob, carol;
  station_open(*state, NULL, &station);
  user_open(*state, "alice", 1, &alice);
  user_open(*state, "bob", 2, &bob);
  user_open(*state, "carol", 3, &carol);
  users_meet(&station, &alice, &bob);
  struct wish wish;
  user_wish_peer(&alice, &station, &carol, &wish); /* is waiting then */
  trs_service_free(station.trs);
  station.trs = NULL;
  cloud_wait(*state, &alice.session.closed);
  cloud_wait(*state, &bob.session.closed);
  assert_int_equal(alice.session.close.code, ERROR_CLOSED);
  assert_int_equal(alice.session.close.application_code, 0);
  assert_true(wish.came);
  user_close(&alice);
  user_close(&bob);
  user_close(&carol);
  station_close(&station);
}

static void one_trs_an_endpoint(void **state) {
  struct station station;
  station_open(*state, NULL, &station);
  struct trs_config config = {.endpoint = station.cloud->endpoint,
                              .loop = &station.cloud->loop,
                              .log = &station.cloud->log,
                              .credentials = station.member.credentials,
                              .trust = station.cloud->trust,
                              .name = station.member.fqdn};
  struct trs_service *second;
  struct error error = {0};
  must_fail(trs_service_new(&config, &second, &error), ERROR_EXISTS, &error, TRS_ALPN);
  assert_null(second);
  station_close(&station);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(both_are_answered_when_both_have_asked),
      TEST(who_asks_again_is_answered_at_once),
      TEST(a_peer_that_does_not_come_is_absent),
      TEST(grants_that_do_not_hold_are_refused),
      TEST(a_node_that_connects_again_replaces_its_older_connection),
      TEST(who_leaves_unbinds_and_who_comes_back_is_awaited),
      TEST(who_waits_and_leaves_is_forgotten),
      TEST(a_node_is_told_the_address_it_is_seen_at),
      TEST(what_is_for_another_service_is_refused),
      TEST(a_service_is_no_node),
      TEST(a_trs_that_ends_says_so_and_leaves_nothing),
      TEST(one_trs_an_endpoint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

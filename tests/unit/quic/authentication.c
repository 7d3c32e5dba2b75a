/* Who is let in, and who is told what when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pair.h"

/* --- certificates --- */

static void expect_refusal(const struct quic_service *service, const struct quic_target *target,
                           int client_code, const char *words) {
  struct pair pair;
  pair_open(&pair);
  if (service != NULL) {
    struct quic_service copy = *service;
    copy.context = &pair.server;
    quic_endpoint_withdraw(pair.server_endpoint, copy.alpn);
    serve(pair.server_endpoint, &copy);
  }
  struct quic_target to = *target;
  to.context = &pair.client;
  to.remote = loopback(server_port(&pair));
  connect_to(pair.client_endpoint, &to, &pair.client);
  world_run_until(&world, client_closed, &pair);
  assert_int_equal(pair.client.close.code, client_code);
  if (strstr(pair.client.close.message, words) == NULL) {
    fail_msg("\"%s\" does not say \"%s\"", pair.client.close.message, words);
  }
  assert_false(pair.server.established);
  pair_close(&pair);
}

static void a_name_other_than_asked_is_refused(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.peer_name = "carol.test.internal";
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "carol.test.internal");
}

static void a_node_is_not_taken_for_a_service(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.peer_purpose = PKI_AS;
  target.peer_name = NULL;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "AS");
}

static void a_service_is_not_taken_for_a_node(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = world.service.credentials;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "refused our certificate");
}

static void a_node_without_certificate_is_refused(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = NULL;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "refused our certificate");
}

static void an_expired_certificate_is_refused_with_both_times(void **state UNUSED) {
  struct member old;
  int64_t now = clock_wall();
  world_add_node(&world, "old.test.internal", 77, now - 7200, now - 3600, &old);
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = old.credentials;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "check the clock");
  struct quic_service service = tunnel_service(NULL);
  service.credentials = old.credentials;
  target = tunnel_target(NULL, 0);
  target.peer_name = "old.test.internal";
  expect_refusal(&service, &target, ERROR_EXPIRED, "check the clock");
  member_clear(&old);
}

static void another_network_is_refused(void **state UNUSED) {
  struct world other;
  world_init(&other);
  struct quic_target target = tunnel_target(NULL, 0);
  target.credentials = other.alice.credentials;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "refused our certificate");
  target = tunnel_target(NULL, 0);
  target.trust = other.trust;
  expect_refusal(NULL, &target, ERROR_CERTIFICATE, "");
  world_clear(&other);
}

static void an_alpn_nobody_serves_is_refused(void **state UNUSED) {
  struct quic_target target = tunnel_target(NULL, 0);
  target.alpn = "cyphonic-trs/1";
  expect_refusal(NULL, &target, ERROR_NOT_FOUND, "does not serve cyphonic-trs/1");
}

static void sign_up_takes_an_anonymous_client_that_pins_the_root(void **state UNUSED) {
  struct pair pair;
  pair_open(&pair);
  struct quic_service service = {
      .alpn = "cyphonic-signup/1",
      .credentials = world.service.credentials,
      .trust = world.trust,
      .peer_purpose = PKI_NODE,
      .anonymous = true,
      .parameters = parameters(),
      .accepted = accepted,
      .context = &pair.server,
  };
  serve(pair.server_endpoint, &service);
  struct quic_target target = tunnel_target(&pair.client, server_port(&pair));
  target.alpn = "cyphonic-signup/1";
  target.credentials = NULL;
  target.trust = world.pin;
  target.peer_purpose = PKI_AS;
  target.peer_name = NULL;
  connect_to(pair.client_endpoint, &target, &pair.client);
  world_run_until(&world, both_established, &pair);
  assert_null(quic_connection_peer(pair.server.connection));
  assert_string_equal(quic_connection_peer(pair.client.connection)->name, "as.test.internal");
  pair_close(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_other_than_asked_is_refused),
      cmocka_unit_test(a_node_is_not_taken_for_a_service),
      cmocka_unit_test(a_service_is_not_taken_for_a_node),
      cmocka_unit_test(a_node_without_certificate_is_refused),
      cmocka_unit_test(an_expired_certificate_is_refused_with_both_times),
      cmocka_unit_test(another_network_is_refused),
      cmocka_unit_test(an_alpn_nobody_serves_is_refused),
      cmocka_unit_test(sign_up_takes_an_anonymous_client_that_pins_the_root),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

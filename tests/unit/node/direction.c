#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/direction.h"
#include "node/message.h"

/* A Route Direction that holds, for tests to spoil. */
struct sample {
  Cyphonic__RouteDirection message;
  Cyphonic__Endpoint endpoints[20];
  Cyphonic__Endpoint *pointers[20];
  uint8_t key[PKI_HASH_SIZE], ipv4[4], ipv6[16], remote[4];
  char fqdn[64];
};

static void sample_init(struct sample *sample) {
  *sample = (struct sample){
      .message = CYPHONIC__ROUTE_DIRECTION__INIT,
      .ipv4 = {10, 9, 0, 2},
      .ipv6 = {0xfd, 0x12, [15] = 2},
      .remote = {192, 0, 2, 1},
      .fqdn = "bob.cyphonic.internal",
  };
  for (size_t i = 0; i < 20; i++) {
    cyphonic__endpoint__init(&sample->endpoints[i]);
    sample->endpoints[i].ip = message_data(sample->remote, 4);
    sample->endpoints[i].port = 443;
    sample->pointers[i] = &sample->endpoints[i];
  }
  Cyphonic__RouteDirection *message = &sample->message;
  message->direction_id = 7;
  message->pattern = 2;
  message->role = CYPHONIC__ROUTE_DIRECTION__ROLE__CLIENT;
  message->fqdn = sample->fqdn;
  message->public_key = message_data(sample->key, sizeof sample->key);
  message->ipv4 = message_data(sample->ipv4, 4);
  message->ipv6 = message_data(sample->ipv6, 16);
  message->candidates = sample->pointers;
  message->n_candidates = 1;
  message->route_id = 0xdecafbad;
}

static int read_sample(const struct sample *sample, struct peer_direction *direction,
                       struct direction_peer *peer, struct error *error) {
  return direction_read(&sample->message, "cyphonic.internal", direction, peer, error);
}

static void a_direction_that_holds_is_read(void **state) {
  (void)state;
  struct sample sample;
  struct peer_direction direction;
  struct direction_peer peer;
  struct error error = {0};
  sample_init(&sample);
  assert_int_equal(read_sample(&sample, &direction, &peer, &error), 0);
  assert_true(direction.client);
  assert_int_equal(direction.id, 7);
  assert_int_equal(direction.pattern, 2);
  assert_true(direction.route_id == 0xdecafbad);
  assert_int_equal(direction.count, 1);
  assert_int_equal(direction.candidates[0].port, 443);
  assert_string_equal(peer.fqdn, "bob.cyphonic.internal");
  assert_int_equal(peer.ipv4.family, 4);
  assert_int_equal(peer.ipv6.family, 6);
}

static void expect_fault(struct sample *sample, const char *field) {
  struct peer_direction direction;
  struct direction_peer peer;
  struct error error = {0};
  assert_int_equal(read_sample(sample, &direction, &peer, &error), ERROR_PROTOCOL);
  if (!strstr(error.message, field))
    fail_msg("\"%s\" does not name %s", error.message, field);
  sample_init(sample);
}

static void each_field_that_cannot_be_is_named(void **state) {
  (void)state;
  struct sample sample;
  sample_init(&sample);
  sample.message.direction_id = 0;
  expect_fault(&sample, "direction_id");
  sample.message.role = CYPHONIC__ROUTE_DIRECTION__ROLE__ROLE_UNSPECIFIED;
  expect_fault(&sample, "role");
  snprintf(sample.fqdn, sizeof sample.fqdn, "bob.example.com");
  expect_fault(&sample, "fqdn");
  sample.message.public_key.len = 31;
  expect_fault(&sample, "public_key");
  sample.message.ipv4 = sample.message.ipv6;
  expect_fault(&sample, "ipv4");
  sample.message.ipv6.len = 4;
  expect_fault(&sample, "ipv6");
  sample.endpoints[0].port = 65536;
  expect_fault(&sample, "candidates");
  sample.endpoints[0].ip.len = 5;
  expect_fault(&sample, "candidates");
  sample.message.n_candidates = 0;
  expect_fault(&sample, "candidates");
}

static void a_server_needs_no_candidates(void **state) {
  (void)state;
  struct sample sample;
  struct peer_direction direction;
  struct direction_peer peer;
  struct error error = {0};
  sample_init(&sample);
  sample.message.role = CYPHONIC__ROUTE_DIRECTION__ROLE__SERVER;
  sample.message.n_candidates = 0;
  assert_int_equal(read_sample(&sample, &direction, &peer, &error), 0);
  assert_false(direction.client);
}

static void a_client_with_a_relay_needs_no_candidates(void **state) {
  (void)state;
  struct sample sample;
  struct peer_direction direction;
  struct direction_peer peer;
  struct error error = {0};
  Cyphonic__RelayOffer relay = CYPHONIC__RELAY_OFFER__INIT;
  sample_init(&sample);
  sample.message.pattern = 3;
  sample.message.n_candidates = 0;
  sample.message.relay = &relay;
  assert_int_equal(read_sample(&sample, &direction, &peer, &error), 0);
  assert_int_equal(direction.count, 0);
}

static void more_candidates_than_we_try_are_left_out(void **state) {
  (void)state;
  struct sample sample;
  struct peer_direction direction;
  struct direction_peer peer;
  struct error error = {0};
  sample_init(&sample);
  sample.message.n_candidates = 20;
  assert_int_equal(read_sample(&sample, &direction, &peer, &error), 0);
  assert_int_equal(direction.count, PEER_CANDIDATES_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_direction_that_holds_is_read),
      cmocka_unit_test(each_field_that_cannot_be_is_named),
      cmocka_unit_test(a_server_needs_no_candidates),
      cmocka_unit_test(a_client_with_a_relay_needs_no_candidates),
      cmocka_unit_test(more_candidates_than_we_try_are_left_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

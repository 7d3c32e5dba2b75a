/* What a tunnel does about packets that it sent while nothing came back, or that still wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel_fixture.h"

/* Of a flow of its own. */
static struct span of_flow(uint8_t port, uint8_t seed) {
  struct span packet = to_b6(1000, seed);
  memset(packet_data + 40, 0, 4);
  packet_data[41] = port;
  return packet;
}

static void what_was_sent_into_a_silence_last_is_sent_again_after_it(void **state) {
  struct world *world = *state;
  struct quic_connection *connection = world->quic.a;
  fake_quic_set_silence(connection, TUNNEL_SILENCE - 1);
  tunnel_send(world->a.tunnel, of_flow(1, 0));
  fake_quic_set_silence(connection, TUNNEL_SILENCE);
  for (uint8_t i = 1; i <= 5; i++) {
    tunnel_send(world->a.tunnel, of_flow(1, i));
    tunnel_send(world->a.tunnel, of_flow(2, 10 + i));
  }
  tunnel_send(world->a.tunnel, of_flow(1, 6));
  assert_int_equal(fake_quic_datagrams(connection), 12);
  fake_quic_answer(connection);
  assert_int_equal(fake_quic_datagrams(connection), 14);
  fake_quic_run(&world->quic);
  assert_delivered(&world->b, 12, of_flow(2, 15));
  assert_delivered(&world->b, 13, of_flow(1, 6));
  assert_int_equal(counters(&world->a).repeated, 2);
  /* Once. */
  fake_quic_answer(connection);
  tunnel_send(world->a.tunnel, of_flow(1, 7));
  fake_quic_answer(connection);
  assert_int_equal(fake_quic_datagrams(connection), 1);
}

static void of_many_flows_in_a_silence_the_latest_are_sent_again(void **state) {
  struct world *world = *state;
  fake_quic_set_silence(world->quic.a, TUNNEL_SILENCE);
  enum { FLOWS_SENT = 20, KEPT = 16 };
  for (uint8_t i = 0; i < FLOWS_SENT; i++) {
    tunnel_send(world->a.tunnel, of_flow(i, i));
  }
  fake_quic_answer(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, FLOWS_SENT + KEPT);
  for (uint8_t i = 0; i < KEPT; i++) {
    uint8_t flow = (uint8_t)(FLOWS_SENT - KEPT + i);
    assert_delivered(&world->b, FLOWS_SENT + i, of_flow(flow, flow));
  }
}

static void take_to_b(struct span packet, void *context) {
  struct world *world = context;
  tunnel_send(world->b.tunnel, packet);
}

static void what_a_tunnel_owes_can_be_salvaged(void **state) {
  struct world *world = *state;
  struct span packet = test_ipv6(packet_data, B6, A6, PROTOCOL_UDP, 1000, 1);
  fake_quic_set_silence(world->quic.a, TUNNEL_SILENCE);
  tunnel_send(world->a.tunnel, packet);
  fake_quic_set_budget(world->quic.a, 0);
  tunnel_send(world->a.tunnel, test_ipv6(packet_data, B6, A6, PROTOCOL_UDP, 1000, 2));
  tunnel_send(world->a.tunnel, test_ipv6(packet_data, B6, A6, PROTOCOL_UDP, 1000, 3));
  tunnel_salvage(world->a.tunnel, take_to_b, world);
  assert_int_equal(fake_quic_datagrams(world->quic.b), 3);
  fake_quic_answer(world->quic.a);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  assert_int_equal(fake_quic_datagrams(world->quic.a), 1); /* nothing is kept */
  fake_quic_run(&world->quic);
  for (uint8_t i = 1; i <= 3; i++) {
    assert_delivered(&world->a, i - 1U, test_ipv6(packet_data, B6, A6, PROTOCOL_UDP, 1000, i));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_was_sent_into_a_silence_last_is_sent_again_after_it,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(of_many_flows_in_a_silence_the_latest_are_sent_again, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(what_a_tunnel_owes_can_be_salvaged, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tunnel/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/fragment.h"
#include "tunnel_fixture.h"

/* Bytes that a peer sends past its tunnel. */
static void inject(struct world *world, struct span datagram) {
  assert_int_equal(quic_connection_send_datagram(world->quic.a, (struct span){0}, datagram), 0);
  fake_quic_run(&world->quic);
}

/* --- whole packets --- */

static void a_packet_travels_as_it_is(void **state) {
  struct world *world = *state;
  struct span packet = to_b6(1300, 1);
  tunnel_send(world->a.tunnel, packet);
  assert_int_equal(fake_quic_datagrams(world->quic.a), 1);
  struct span datagram = fake_quic_datagram(world->quic.a, 0);
  assert_int_equal(datagram.size, packet.size);
  assert_memory_equal(datagram.data, packet.data, packet.size);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 1);
  assert_delivered(&world->b, 0, packet);
  assert_int_equal(counters(&world->a).sent_packets, 1);
  assert_int_equal(counters(&world->a).sent_bytes, 1300);
  assert_int_equal(counters(&world->b).received_packets, 1);
  assert_int_equal(counters(&world->b).received_bytes, 1300);
}

static void both_families_travel_both_ways(void **state) {
  struct world *world = *state;
  tunnel_send(world->a.tunnel, to_b4(100, 0, 1));
  tunnel_send(world->a.tunnel, to_b6(100, 2));
  tunnel_send(world->b.tunnel, test_ipv4(packet_data, B4, A4, PROTOCOL_UDP, 0, 100, 3));
  tunnel_send(world->b.tunnel, test_ipv6(packet_data, B6, A6, PROTOCOL_UDP, 100, 4));
  fake_quic_run(&world->quic);
  assert_int_equal(world->a.count, 2);
  assert_int_equal(world->b.count, 2);
}

static void what_is_no_ip_packet_is_not_sent(void **state) {
  struct world *world = *state;
  static const uint8_t fragment[] = {0x11, 0, 0, 0, 1};
  tunnel_send(world->a.tunnel, (struct span){.data = fragment, .size = sizeof(fragment)});
  tunnel_send(world->a.tunnel, (struct span){0});
  assert_int_equal(fake_quic_datagrams(world->quic.a), 0);
  assert_int_equal(counters(&world->a).dropped_invalid, 2);
}

/* --- what a peer may not send --- */

static void a_source_that_is_not_the_peers_is_dropped(void **state) {
  struct world *world = *state;
  inject(world, test_ipv4(packet_data, "10.1.0.9", B4, PROTOCOL_UDP, 0, 100, 1));
  inject(world, test_ipv6(packet_data, "fd00::9", B6, PROTOCOL_UDP, 100, 1));
  inject(world, test_ipv4(packet_data, B4, B4, PROTOCOL_UDP, 0, 100, 1));
  assert_int_equal(world->b.count, 0);
  assert_int_equal(counters(&world->b).dropped_spoofed, 3);
}

static void a_destination_that_is_not_ours_is_dropped(void **state) {
  struct world *world = *state;
  inject(world, test_ipv4(packet_data, A4, "10.1.0.9", PROTOCOL_UDP, 0, 100, 1));
  inject(world, test_ipv6(packet_data, A6, "fd00::9", PROTOCOL_UDP, 100, 1));
  inject(world, test_ipv4(packet_data, A4, "224.0.0.1", PROTOCOL_UDP, 0, 100, 1));
  inject(world, test_ipv4(packet_data, A4, "255.255.255.255", PROTOCOL_UDP, 0, 100, 1));
  inject(world, test_ipv6(packet_data, A6, "ff02::1", PROTOCOL_UDP, 100, 1));
  assert_int_equal(world->b.count, 0);
  assert_int_equal(counters(&world->b).dropped_spoofed, 5);
}

static void a_family_without_an_address_is_dropped(void **state) {
  struct world *world = *state;
  tunnel_free(world->b.tunnel);
  struct tunnel_config config = {
      .local_ipv4 = test_ip(B4),
      .peer_ipv4 = test_ip(A4),
      .deliver = on_deliver,
      .context = &world->b,
  };
  assert_int_equal(tunnel_new(world->quic.b, &config, &world->b.tunnel, NULL), 0);
  inject(world, to_b6(100, 1));
  inject(world, test_ipv6(packet_data, "::", "::", PROTOCOL_UDP, 100, 1));
  assert_int_equal(counters(&world->b).dropped_spoofed, 2);
  inject(world, to_b4(100, 0, 1));
  assert_int_equal(world->b.count, 1);
}

static void what_is_no_frame_or_packet_is_dropped(void **state) {
  struct world *world = *state;
  static const uint8_t unknown[] = {0x20, 1, 2, 3}, cut_fragment[] = {0x10, 0, 0, 0};
  inject(world, (struct span){.data = unknown, .size = sizeof(unknown)});
  inject(world, (struct span){.data = cut_fragment, .size = sizeof(cut_fragment)});
  inject(world, (struct span){0});
  struct span packet = to_b4(100, 0, 1);
  inject(world, (struct span){.data = packet.data, .size = 99});
  assert_int_equal(world->b.count, 0);
  assert_int_equal(counters(&world->b).dropped_invalid, 4);
}

/* A fragment's way round the checks would be a hole in them. */
static void a_reassembled_packet_is_checked_as_a_whole_one(void **state) {
  struct world *world = *state;
  struct span packet = test_ipv6(packet_data, "fd00::9", B6, PROTOCOL_UDP, 100, 1);
  uint8_t datagram[FRAGMENT_HEADER_SIZE + 100];
  fragment_header_write(datagram, 1, 0, true);
  memcpy(datagram + FRAGMENT_HEADER_SIZE, packet.data, packet.size);
  inject(world, (struct span){.data = datagram, .size = sizeof(datagram)});
  assert_int_equal(counters(&world->b).dropped_spoofed, 1);

  datagram[FRAGMENT_HEADER_SIZE] = 0x11; /* a fragment in a fragment */
  inject(world, (struct span){.data = datagram, .size = sizeof(datagram)});
  assert_int_equal(counters(&world->b).dropped_invalid, 1);
  assert_int_equal(world->b.count, 0);
}

/* --- packets larger than the room --- */

static void a_packet_of_1280_bytes_passes_a_narrower_path_in_fragments(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 1160, true);
  struct span packet = to_b6(1280, 1);
  tunnel_send(world->a.tunnel, packet);
  assert_int_equal(fake_quic_datagrams(world->quic.a), 2);
  assert_int_equal(fake_quic_datagram(world->quic.a, 0).size, 4 + 640);
  assert_memory_equal(fake_quic_datagram(world->quic.a, 0).data, "\x10\x00", 2);
  assert_memory_equal(fake_quic_datagram(world->quic.a, 1).data, "\x11\x01", 2);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 1);
  assert_delivered(&world->b, 0, packet);
  assert_int_equal(world->a.count, 0);
  assert_int_equal(counters(&world->a).fragmented, 1);
  assert_int_equal(counters(&world->a).sent_packets, 1);
  assert_int_equal(counters(&world->a).sent_bytes, 1280);
}

static void everything_passes_in_fragments_until_the_path_is_known(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 1160, false);
  struct span packet = to_b4(1420, FLAG_DONT_FRAGMENT, 1);
  tunnel_send(world->a.tunnel, packet);
  fake_quic_run(&world->quic);
  assert_delivered(&world->b, 0, packet);
  assert_int_equal(counters(&world->a).fragmented, 1);
}

static void ipv4_without_df_passes_in_fragments(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 1300, true);
  struct span packet = to_b4(1420, 0, 1);
  tunnel_send(world->a.tunnel, packet);
  fake_quic_run(&world->quic);
  assert_delivered(&world->b, 0, packet);
  assert_int_equal(counters(&world->a).too_big, 0);
}

static void each_packet_in_fragments_has_a_number_of_its_own(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 700, true);
  for (uint8_t i = 0; i < 3; i++) {
    tunnel_send(world->a.tunnel, to_b6(1280, i));
  }
  enum tunnel_frame frame;
  struct fragment first, second;
  assert_int_equal(tunnel_frame_parse(fake_quic_datagram(world->quic.a, 0), &frame, &first), 0);
  assert_int_equal(tunnel_frame_parse(fake_quic_datagram(world->quic.a, 2), &frame, &second), 0);
  assert_int_equal((uint16_t)(second.packet - first.packet), 1);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 3);
}

/* The next-hop MTU that an ICMP or ICMPv6 error names. */
static uint32_t told_mtu(const struct node *node, size_t index) {
  const uint8_t *packet = node->delivered[index].data;
  struct reader reader = reader_init(packet, node->delivered[index].size);
  (void)reader_bytes(&reader, packet[0] >> 4 == 4 ? 24 : 44);
  return reader_u32(&reader);
}

static void a_sender_is_told_that_its_packet_is_too_big(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 1350, true);
  tunnel_send(world->a.tunnel, to_b6(1420, 1));
  tunnel_send(world->a.tunnel, to_b4(1420, FLAG_DONT_FRAGMENT, 1));
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 0);
  assert_int_equal(world->a.count, 2);
  assert_int_equal(counters(&world->a).too_big, 2);
  for (size_t i = 0; i < 2; i++) {
    struct span reply = {.data = world->a.delivered[i].data, .size = world->a.delivered[i].size};
    struct ip_packet packet;
    assert_int_equal(ip_packet_parse(reply, &packet), 0);
    struct ip_address from = test_ip(i == 0 ? B6 : B4), to = test_ip(i == 0 ? A6 : A4);
    assert_true(ip_address_equal(&packet.source, &from));
    assert_true(ip_address_equal(&packet.destination, &to));
    assert_true(test_icmp_checksums_hold(reply));
    assert_int_equal(told_mtu(&world->a, i), 1350);
  }
}

static void no_sender_is_told_less_than_1280(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 1100, true);
  tunnel_send(world->a.tunnel, to_b6(1281, 1));
  assert_int_equal(told_mtu(&world->a, 0), 1280);
}

static void a_packet_beyond_eight_fragments_is_too_big(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 1100, false);
  tunnel_send(world->a.tunnel, to_b6(FRAGMENT_PACKET_MAX, 1));
  assert_int_equal(counters(&world->a).too_big, 1);
  /* IPv4 without DF cannot be told so: it is dropped, and counted. */
  tunnel_send(world->a.tunnel, to_b4(FRAGMENT_PACKET_MAX, 0, 1));
  assert_int_equal(counters(&world->a).dropped_invalid, 1);
  assert_int_equal(world->a.count, 1);
  assert_int_equal(fake_quic_datagrams(world->quic.a), 0);
}

/* --- a connection that takes nothing just now --- */

static void packets_wait_in_order_until_there_is_room(void **state) {
  struct world *world = *state;
  fake_quic_set_budget(world->quic.a, 2);
  for (uint8_t i = 0; i < 10; i++) {
    tunnel_send(world->a.tunnel, to_b6(1000, i));
  }
  assert_int_equal(fake_quic_datagrams(world->quic.a), 2);
  assert_int_equal(counters(&world->a).sent_packets, 2);
  fake_quic_set_budget(world->quic.a, 3);
  /* One that comes before `writable` may not overtake. */
  tunnel_send(world->a.tunnel, to_b6(1000, 10));
  fake_quic_writable(world->quic.a);
  assert_int_equal(fake_quic_datagrams(world->quic.a), 5);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 11);
  for (uint8_t i = 0; i < 11; i++) {
    assert_delivered(&world->b, i, to_b6(1000, i));
  }
  assert_int_equal(counters(&world->a).dropped_full, 0);
}

static void the_oldest_packets_give_way_when_the_queue_is_full(void **state) {
  struct world *world = *state;
  fake_quic_set_budget(world->quic.a, 0);
  for (unsigned i = 0; i < TUNNEL_QUEUE_PACKETS + 10; i++) {
    tunnel_send(world->a.tunnel, to_b6(100 + i % 1000, 7));
  }
  /* The first, of a flow that had nothing waiting, is none of them. */
  assert_int_equal(counters(&world->a).dropped_full, 9);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, TUNNEL_QUEUE_PACKETS + 1);
  assert_delivered(&world->b, 0, to_b6(100, 7));
  assert_delivered(&world->b, 1, to_b6(110, 7));
  assert_int_equal(counters(&world->a).sent_packets, TUNNEL_QUEUE_PACKETS + 1);
}

static void the_queue_is_bounded_in_bytes(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 9000, true);
  fake_quic_set_budget(world->quic.a, 0);
  for (unsigned i = 0; i < 1000; i++) {
    tunnel_send(world->a.tunnel, to_b6(9000 - i % 200, 7));
  }
  uint64_t dropped = counters(&world->a).dropped_full;
  assert_in_range(dropped, 999 - TUNNEL_QUEUE_BYTES / 8801, 999 - TUNNEL_QUEUE_BYTES / 9000);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 1000 - dropped);
  assert_delivered(&world->b, world->b.count - 1, to_b6(9000 - 199, 7));
}

static void fragments_that_wait_go_before_later_packets(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 400, true);
  fake_quic_set_budget(world->quic.a, 2);
  tunnel_send(world->a.tunnel, to_b6(1280, 1)); /* four fragments */
  tunnel_send(world->a.tunnel, to_b6(300, 2));
  assert_int_equal(fake_quic_datagrams(world->quic.a), 2);
  for (unsigned i = 0; i < 4; i++) {
    fake_quic_set_budget(world->quic.a, 1);
    fake_quic_writable(world->quic.a);
  }
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 2);
  assert_delivered(&world->b, 0, to_b6(1280, 1));
  assert_delivered(&world->b, 1, to_b6(300, 2));
  assert_int_equal(counters(&world->a).fragmented, 1);
}

static void a_packet_half_sent_can_give_way(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 400, true);
  fake_quic_set_budget(world->quic.a, 2);
  tunnel_send(world->a.tunnel, to_b6(1280, 1));
  /* It is sent to its end, and the next, which is sent in part then, is the oldest of the rest. */
  tunnel_send(world->a.tunnel, to_b6(500, 1));
  fake_quic_set_budget(world->quic.a, 3);
  fake_quic_writable(world->quic.a);
  for (unsigned i = 0; i < TUNNEL_QUEUE_PACKETS; i++) {
    tunnel_send(world->a.tunnel, to_b6(501, 1));
  }
  assert_int_equal(counters(&world->a).dropped_full, 1);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, TUNNEL_QUEUE_PACKETS + 1);
  assert_delivered(&world->b, 0, to_b6(1280, 1));
  assert_delivered(&world->b, 1, to_b6(501, 1));
}

static void a_room_that_shrinks_half_way_starts_the_packet_anew(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 700, true);
  fake_quic_set_budget(world->quic.a, 1);
  tunnel_send(world->a.tunnel, to_b6(1280, 1));
  fake_quic_set_room(world->quic.a, 400, true);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 1);
  assert_delivered(&world->b, 0, to_b6(1280, 1));
  assert_int_equal(counters(&world->b).dropped_invalid, 0);
}

static void a_room_that_grows_lets_a_waiting_packet_go_whole(void **state) {
  struct world *world = *state;
  fake_quic_set_room(world->quic.a, 1160, false);
  fake_quic_set_budget(world->quic.a, 0);
  tunnel_send(world->a.tunnel, to_b6(300, 1));
  tunnel_send(world->a.tunnel, to_b6(1400, 2));
  fake_quic_set_room(world->quic.a, ROOM, true);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_delivered(&world->b, 1, to_b6(1400, 2));
  assert_int_equal(counters(&world->a).fragmented, 0);
}

static void a_waiting_packet_that_became_too_big_is_told_to_its_sender(void **state) {
  struct world *world = *state;
  fake_quic_set_budget(world->quic.a, 0);
  tunnel_send(world->a.tunnel, to_b6(1400, 1));
  tunnel_send(world->a.tunnel, to_b6(300, 2));
  fake_quic_set_room(world->quic.a, 1300, true);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(counters(&world->a).too_big, 1);
  assert_int_equal(told_mtu(&world->a, 0), 1300);
  assert_int_equal(world->b.count, 1);
  assert_delivered(&world->b, 0, to_b6(300, 2));
}

/* --- ends and re-entry --- */

static void deliver_may_send(void **state) {
  struct world *world = *state;
  static uint8_t other[PACKET_SIZE_MAX];
  world->a.sends_again = test_ipv6(other, A6, B6, PROTOCOL_UDP, 200, 9);
  fake_quic_set_budget(world->quic.a, 0);
  tunnel_send(world->a.tunnel, to_b6(1400, 1));
  tunnel_send(world->a.tunnel, to_b6(300, 2));
  fake_quic_set_room(world->quic.a, 1300, true);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 2);
  assert_delivered(&world->b, 0, to_b6(300, 2));
  assert_delivered(&world->b, 1, to_b6(200, 9));
}

static void deliver_may_free_the_tunnel(void **state) {
  struct world *world = *state;
  world->b.frees_tunnel = true;
  fake_quic_set_room(world->quic.a, 700, true);
  tunnel_send(world->a.tunnel, to_b6(1280, 1));
  tunnel_send(world->a.tunnel, to_b6(1280, 2));
  fake_quic_run(&world->quic);
  assert_null(world->b.tunnel);
  assert_int_equal(world->b.count, 1);
}

static void deliver_may_free_the_tunnel_while_its_queue_drains(void **state) {
  struct world *world = *state;
  world->a.frees_tunnel = true;
  fake_quic_set_budget(world->quic.a, 0);
  tunnel_send(world->a.tunnel, to_b6(1400, 1));
  tunnel_send(world->a.tunnel, to_b6(300, 2));
  fake_quic_set_room(world->quic.a, 1300, true);
  fake_quic_set_budget(world->quic.a, SIZE_MAX);
  fake_quic_writable(world->quic.a);
  assert_null(world->a.tunnel);
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 0);
}

static void datagrams_after_tunnel_free_are_ignored(void **state) {
  struct world *world = *state;
  tunnel_free(world->b.tunnel);
  world->b.tunnel = NULL;
  tunnel_send(world->a.tunnel, to_b6(300, 1));
  fake_quic_run(&world->quic);
  assert_int_equal(world->b.count, 0);
  tunnel_free(NULL);
}

static void packets_for_a_closed_connection_are_lost(void **state) {
  struct world *world = *state;
  fake_quic_set_budget(world->quic.a, 0);
  tunnel_send(world->a.tunnel, to_b6(300, 1));
  fake_quic_disconnect(&world->quic);
  tunnel_send(world->a.tunnel, to_b6(300, 2));
  fake_quic_writable(world->quic.a);
  tunnel_send(world->a.tunnel, to_b6(300, 3));
  assert_int_equal(counters(&world->a).sent_packets, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_packet_travels_as_it_is, setup, teardown),
      cmocka_unit_test_setup_teardown(both_families_travel_both_ways, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_ip_packet_is_not_sent, setup, teardown),
      cmocka_unit_test_setup_teardown(a_source_that_is_not_the_peers_is_dropped, setup, teardown),
      cmocka_unit_test_setup_teardown(a_destination_that_is_not_ours_is_dropped, setup, teardown),
      cmocka_unit_test_setup_teardown(a_family_without_an_address_is_dropped, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_frame_or_packet_is_dropped, setup, teardown),
      cmocka_unit_test_setup_teardown(a_reassembled_packet_is_checked_as_a_whole_one, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_packet_of_1280_bytes_passes_a_narrower_path_in_fragments,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(everything_passes_in_fragments_until_the_path_is_known, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(ipv4_without_df_passes_in_fragments, setup, teardown),
      cmocka_unit_test_setup_teardown(each_packet_in_fragments_has_a_number_of_its_own, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_sender_is_told_that_its_packet_is_too_big, setup, teardown),
      cmocka_unit_test_setup_teardown(no_sender_is_told_less_than_1280, setup, teardown),
      cmocka_unit_test_setup_teardown(a_packet_beyond_eight_fragments_is_too_big, setup, teardown),
      cmocka_unit_test_setup_teardown(packets_wait_in_order_until_there_is_room, setup, teardown),
      cmocka_unit_test_setup_teardown(the_oldest_packets_give_way_when_the_queue_is_full, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(the_queue_is_bounded_in_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(fragments_that_wait_go_before_later_packets, setup, teardown),
      cmocka_unit_test_setup_teardown(a_packet_half_sent_can_give_way, setup, teardown),
      cmocka_unit_test_setup_teardown(a_room_that_shrinks_half_way_starts_the_packet_anew, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_room_that_grows_lets_a_waiting_packet_go_whole, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_waiting_packet_that_became_too_big_is_told_to_its_sender,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(deliver_may_send, setup, teardown),
      cmocka_unit_test_setup_teardown(deliver_may_free_the_tunnel, setup, teardown),
      cmocka_unit_test_setup_teardown(deliver_may_free_the_tunnel_while_its_queue_drains, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(datagrams_after_tunnel_free_are_ignored, setup, teardown),
      cmocka_unit_test_setup_teardown(packets_for_a_closed_connection_are_lost, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

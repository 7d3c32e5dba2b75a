/* What is joined, what stays apart, and how flows share the joiner. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "join_fixture.h"
#include "tunnel/segment.h"

static int setup_borrowing(void **state UNUSED) {
  join_open(&(struct join_config){.udp = true});
  return 0;
}

static int setup_without_udp(void **state UNUSED) {
  join_open(&(struct join_config){.copy = true});
  return 0;
}

/* `first` and `second` come one after the other and stay two packets. */
static void stay_apart(const struct test_segment *first, const struct test_segment *second) {
  emitted_count = 0;
  add(first);
  add(second);
  join_flush(join);
  assert_singles(2);
}

/* --- joining --- */

static void joins_a_run(struct test_segment segment) {
  struct test_segment whole = segment;
  for (int i = 0; i < 5; i++) {
    add_and_advance(&segment);
  }
  assert_int_equal(emitted_count, 0);
  assert_true(join_pending(join));
  segment.payload = 300;
  add(&segment); /* the shorter one ends it */
  assert_int_equal(emitted_count, 1);
  assert_false(join_pending(join));
  whole.payload = 5 * EACH + 300;
  assert_joined(&whole, EACH);
  join_flush(join);
  assert_int_equal(emitted_count, 1);
}

static void segments_are_joined(void **state UNUSED) {
  struct test_segment segment = tcp_segment();
  joins_a_run(segment);
  emitted_count = 0;
  segment.ipv6 = true;
  joins_a_run(segment);
}

static void datagrams_are_joined(void **state UNUSED) {
  struct test_segment datagram = udp_datagram();
  joins_a_run(datagram);
  emitted_count = 0;
  datagram.ipv6 = true;
  joins_a_run(datagram);
}

static void borrowed_packets_are_joined_where_they_lie(void **state UNUSED) {
  static uint8_t data[3][SEGMENT_SIZE_MAX];
  struct test_segment segment = tcp_segment(), whole = segment;
  for (int i = 0; i < 3; i++) {
    join_add(join, test_segment_write(data[i], &segment));
    advance(&segment);
  }
  join_flush(join);
  whole.payload = 3 * EACH;
  assert_int_equal(emitted_count, 1);
  assert_joined(&whole, EACH);
}

static void a_packet_that_stays_alone_is_as_it_came(void **state UNUSED) {
  static uint8_t data[SEGMENT_SIZE_MAX], expected[SEGMENT_SIZE_MAX];
  struct test_segment segment = tcp_segment();
  join_add(join, test_segment_write(data, &segment));
  assert_int_equal(emitted_count, 0);
  join_flush(join);
  assert_singles(1);
  struct span packet = test_segment_write(expected, &segment);
  assert_int_equal(emitted[0].size, packet.size);
  assert_memory_equal(last, packet.data, packet.size);
}

static void psh_and_fin_end_a_run_and_are_kept(void **state UNUSED) {
  static const uint8_t flags[] = {PSH, FIN, PSH | FIN};
  for (size_t i = 0; i < sizeof(flags); i++) {
    emitted_count = 0;
    struct test_segment segment = tcp_segment(), whole = segment;
    add_and_advance(&segment);
    segment.flags |= flags[i];
    add(&segment);
    assert_int_equal(emitted_count, 1);
    whole.payload = 2 * EACH;
    whole.flags |= flags[i];
    assert_joined(&whole, EACH);
  }
}

static void psh_lets_nothing_wait(void **state UNUSED) {
  struct test_segment segment = tcp_segment();
  segment.flags |= PSH;
  add(&segment);
  assert_singles(1);
  assert_false(join_pending(join));
}

static void cwr_begins_a_run_and_is_said(void **state UNUSED) {
  struct test_segment segment = tcp_segment();
  add_and_advance(&segment);
  struct test_segment whole = segment;
  whole.flags |= CWR;
  segment.flags |= CWR;
  add_and_advance(&segment);
  assert_singles(1);
  segment.flags = ACK;
  add_and_advance(&segment);
  join_flush(join);
  assert_int_equal(emitted_count, 2);
  whole.payload = 2 * EACH;
  assert_joined(&whole, EACH);
}

static void a_run_ends_at_the_largest_packet(void **state UNUSED) {
  struct test_segment segment = tcp_segment(), whole = segment;
  segment.payload = 1400;
  size_t count = (65535 - 52) / 1400;
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(emitted_count, 0);
    add_and_advance(&segment);
  }
  assert_int_equal(emitted_count, 1);
  whole.payload = count * 1400;
  assert_joined(&whole, 1400);
}

static void a_run_ends_at_the_largest_count(void **state UNUSED) {
  struct test_segment datagram = udp_datagram();
  datagram.payload = 100;
  for (int i = 0; i < JOIN_PIECES_MAX; i++) {
    assert_int_equal(emitted_count, 0);
    add_and_advance(&datagram);
  }
  assert_int_equal(emitted_count, 1);
}

static void a_packet_that_leaves_no_room_for_another_does_not_wait(void **state UNUSED) {
  struct test_segment segment = tcp_segment();
  segment.payload = 65535 - 52;
  add(&segment);
  segment.payload = 32768;
  add(&segment);
  segment.ipv6 = true;
  segment.payload = 65535 - 32;
  add(&segment);
  assert_singles(3);
}

/* --- what stays apart --- */

static void segments_that_are_not_consecutive_stay_apart(void **state UNUSED) {
  struct test_segment first = tcp_segment(), second = first;
  advance(&second);
  second.sequence++;
  stay_apart(&first, &second);
  second.sequence -= 2;
  stay_apart(&first, &second);
  stay_apart(&first, &first);
}

static void a_larger_segment_begins_a_run_of_its_own(void **state UNUSED) {
  struct test_segment first = tcp_segment(), second = first;
  first.payload = 500;
  second = first;
  advance(&second);
  second.payload = 501;
  stay_apart(&first, &second);
}

static void headers_that_differ_stay_apart(void **state UNUSED) {
  for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
    struct test_segment first = tcp_segment();
    first.ipv6 = ipv6 != 0;
    struct test_segment next = first;
    advance(&next);
    struct test_segment second = next;
    second.acknowledgement++;
    stay_apart(&first, &second);
    second = next;
    second.window++;
    stay_apart(&first, &second);
    second = next;
    second.timestamp++;
    stay_apart(&first, &second);
    second = next;
    second.timestamp = 0;
    stay_apart(&first, &second);
    second = next;
    second.flags |= ECE;
    stay_apart(&first, &second);
    second = next;
    second.class_of_traffic = 3; /* congestion experienced */
    stay_apart(&first, &second);
    second = next;
    second.hop_limit = 63;
    stay_apart(&first, &second);
  }
}

static void identifications_count_up_or_have_no_meaning(void **state UNUSED) {
  static const struct {
    bool may_be_fragmented;
    uint16_t second, third;
    size_t packets; /* that come out */
  } cases[] = {
      {true, 1, 2, 1},  {true, 0, 0, 3},  {true, 1, 1, 2},  {true, 2, 3, 2},   {false, 1, 2, 1},
      {false, 0, 0, 1}, {false, 0, 1, 2}, {false, 1, 1, 2}, {false, 9, 10, 2},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    emitted_count = 0;
    struct test_segment segment = tcp_segment();
    segment.may_be_fragmented = cases[i].may_be_fragmented;
    const uint16_t identifications[] = {0, cases[i].second, cases[i].third};
    for (int k = 0; k < 3; k++) {
      segment.identification = (uint16_t)(0xffff + identifications[k]);
      add(&segment);
      segment.sequence += EACH;
      segment.offset += EACH;
    }
    join_flush(join);
    assert_int_equal(emitted_count, cases[i].packets);
  }
}

static void urgent_pointers_that_differ_stay_apart(void **state UNUSED) {
  uint8_t data[SEGMENT_SIZE_MAX];
  struct test_segment segment = tcp_segment();
  add_and_advance(&segment);
  struct span packet = test_segment_write(data, &segment);
  data[20 + 18] = 1; /* means nothing without URG, but must come out again */
  data[20 + 16] = (uint8_t)(data[20 + 16] - 1);
  join_add(join, packet);
  join_flush(join);
  assert_singles(2);
}

static void segments_that_do_more_than_carry_data_stay_apart(void **state UNUSED) {
  static const uint8_t flags[] = {SYN, RST, URG};
  for (size_t i = 0; i < sizeof(flags); i++) {
    struct test_segment first = tcp_segment(), second = first;
    advance(&second);
    second.flags |= flags[i];
    stay_apart(&first, &second);
    struct test_segment third = second;
    advance(&third);
    third.flags = ACK;
    stay_apart(&second, &third);
  }
}

static void an_acknowledgement_does_not_wait_nor_overtake(void **state UNUSED) {
  struct test_segment segment = tcp_segment();
  add_and_advance(&segment);
  segment.payload = 0;
  add(&segment);
  assert_singles(2);
  assert_int_equal(emitted[0].sequence, 0xfffffe00);
}

static void fragments_and_extension_headers_stay_apart(void **state UNUSED) {
  uint8_t data[SEGMENT_SIZE_MAX];
  struct test_segment segment = tcp_segment();
  add_and_advance(&segment);
  struct span packet = test_segment_write(data, &segment);
  data[6] = 0x20; /* its checksum no more right, but nobody looks */
  join_add(join, packet);
  assert_singles(2);
  segment.ipv6 = true;
  add_and_advance(&segment);
  segment.extension = 8;
  add(&segment);
  assert_singles(4);
  assert_false(join_pending(join));
}

static void datagrams_without_checksum_or_with_padding_stay_apart(void **state UNUSED) {
  uint8_t data[SEGMENT_SIZE_MAX];
  struct test_segment datagram = udp_datagram();
  add_and_advance(&datagram);
  struct span packet = test_segment_write(data, &datagram);
  memset(data + 26, 0, 2);
  join_add(join, packet);
  assert_singles(2);
  add_and_advance(&datagram);
  packet = test_segment_write(data, &datagram);
  data[25] = (uint8_t)(data[25] - 1);
  join_add(join, packet);
  assert_singles(4);
  datagram.payload = 0;
  add(&datagram);
  assert_singles(5);
}

static void other_protocols_and_unwanted_udp_pass_through(void **state UNUSED) {
  struct test_segment datagram = udp_datagram(), segment = tcp_segment();
  segment.port = datagram.port;
  add(&segment);
  for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
    datagram.ipv6 = ipv6 != 0;
    add_and_advance(&datagram);
    add_and_advance(&datagram);
  }
  uint8_t data[SEGMENT_SIZE_MAX];
  struct span packet = test_segment_write(data, &segment);
  data[9] = 1; /* ICMP */
  join_add(join, packet);
  assert_singles(5);
  assert_true(join_pending(join)); /* none of them drives anything out */
}

static void what_is_no_packet_passes_through(void **state UNUSED) {
  static const uint8_t garbage[64] = {0x95, 0x45};
  struct test_segment segment = tcp_segment();
  uint8_t data[SEGMENT_SIZE_MAX];
  for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
    segment.ipv6 = ipv6 != 0;
    struct span packet = test_segment_write(data, &segment);
    for (size_t size = 1; size < 100; size++) { /* lengths lie */
      emitted_count = 0;
      packet.size = size;
      join_add(join, packet);
      assert_singles(1);
    }
    for (size_t size = ipv6 ? 40 : 20; size < 90; size++) { /* and fit */
      emitted_count = 0;
      data[ipv6 ? 4 : 2] = 0;
      data[ipv6 ? 5 : 3] = (uint8_t)(ipv6 ? size - 40 : size);
      uint8_t copy[100];
      memcpy(copy + sizeof(copy) - size, data, size);
      join_add(join, (struct span){copy + sizeof(copy) - size, size});
      join_flush(join);
      assert_singles(1);
    }
  }
  emitted_count = 0;
  join_add(join, (struct span){garbage, sizeof(garbage)});
  assert_singles(1);
}

/* --- several flows --- */

static void flows_are_joined_side_by_side(void **state UNUSED) {
  struct test_segment flows[JOIN_FLOWS];
  for (size_t i = 0; i < JOIN_FLOWS; i++) {
    flows[i] = i % 2 == 0 ? tcp_segment() : udp_datagram();
    flows[i].ipv6 = i % 4 < 2;
    flows[i].host = (uint8_t)(i / 4);
    flows[i].port = 9;
  }
  for (int round = 0; round < 5; round++) {
    for (size_t i = 0; i < JOIN_FLOWS; i++) {
      add_and_advance(&flows[i]);
    }
  }
  assert_int_equal(emitted_count, 0);
  join_flush(join);
  assert_int_equal(emitted_count, JOIN_FLOWS);
  for (size_t i = 0; i < JOIN_FLOWS; i++) {
    assert_int_equal(emitted[i].size, test_segment_headers(&flows[i]) + 5 * EACH);
  }
}

static void one_flow_too_many_drives_the_oldest_out(void **state UNUSED) {
  struct test_segment segment = tcp_segment();
  for (uint16_t port = 1; port <= JOIN_FLOWS + 3; port++) {
    segment.port = port;
    add(&segment);
  }
  assert_singles(3);
  join_flush(join);
  assert_singles(JOIN_FLOWS + 3);
  for (size_t i = 0; i < emitted_count; i++) {
    assert_int_equal(emitted[i].port, i + 1);
  }
}

/* What was joined, cut again, is what came. */
static void what_is_joined_can_be_cut_again(void **state UNUSED) {
  for (int udp = 0; udp <= 1; udp++) {
    struct test_segment segment = udp ? udp_datagram() : tcp_segment(), piece = segment;
    emitted_count = 0;
    for (int i = 0; i < 20; i++) {
      add_and_advance(&segment);
    }
    segment.payload = 10;
    segment.flags = udp ? 0 : ACK | PSH;
    add(&segment);
    assert_int_equal(emitted_count, 1);
    struct segment_cut cut;
    struct span head, body;
    uint8_t buffer[SEGMENT_HEAD_MAX], expected[SEGMENT_SIZE_MAX];
    assert_int_equal(segment_begin(&cut, (struct span){last, emitted[0].size}, &emitted[0].offload,
                                   TUN_PACKET_MAX),
                     0);
    for (int i = 0; i <= 20; i++) {
      piece = i == 20 ? segment : piece;
      struct span wanted = test_segment_write(expected, &piece);
      assert_true(segment_next(&cut, buffer, &head, &body));
      assert_memory_equal(head.data, wanted.data, head.size);
      assert_int_equal(head.size + body.size, wanted.size);
      assert_memory_equal(body.data, wanted.data + head.size, body.size);
      advance(&piece);
    }
    assert_false(segment_next(&cut, buffer, &head, &body));
  }
}

#define joined(test)   cmocka_unit_test_setup_teardown(test, join_setup, join_teardown)
#define borrowed(test) cmocka_unit_test_setup_teardown(test, setup_borrowing, join_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      joined(segments_are_joined),
      joined(datagrams_are_joined),
      borrowed(borrowed_packets_are_joined_where_they_lie),
      borrowed(a_packet_that_stays_alone_is_as_it_came),
      joined(a_packet_that_stays_alone_is_as_it_came),
      joined(psh_and_fin_end_a_run_and_are_kept),
      joined(psh_lets_nothing_wait),
      joined(cwr_begins_a_run_and_is_said),
      joined(a_run_ends_at_the_largest_packet),
      joined(a_run_ends_at_the_largest_count),
      joined(a_packet_that_leaves_no_room_for_another_does_not_wait),
      joined(segments_that_are_not_consecutive_stay_apart),
      joined(a_larger_segment_begins_a_run_of_its_own),
      joined(headers_that_differ_stay_apart),
      joined(identifications_count_up_or_have_no_meaning),
      joined(urgent_pointers_that_differ_stay_apart),
      joined(segments_that_do_more_than_carry_data_stay_apart),
      joined(an_acknowledgement_does_not_wait_nor_overtake),
      joined(fragments_and_extension_headers_stay_apart),
      joined(datagrams_without_checksum_or_with_padding_stay_apart),
      cmocka_unit_test_setup_teardown(other_protocols_and_unwanted_udp_pass_through,
                                      setup_without_udp, join_teardown),
      joined(what_is_no_packet_passes_through),
      joined(flows_are_joined_side_by_side),
      joined(one_flow_too_many_drives_the_oldest_out),
      joined(what_is_joined_can_be_cut_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tunnel/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "segments.h"

static uint8_t super[SEGMENT_SIZE_MAX]; /* what is cut */

static struct tun_offload offload_of(const struct test_segment *segment, size_t each) {
  size_t transport = test_segment_transport(segment);
  return (struct tun_offload){
      .kind = segment->udp    ? TUN_OFFLOAD_UDP
              : segment->ipv6 ? TUN_OFFLOAD_TCP_IPV6
                              : TUN_OFFLOAD_TCP_IPV4,
      .segment_size = (uint16_t)each,
      .header_size = (uint16_t)test_segment_headers(segment),
      .needs_checksum = true,
      .checksum_start = (uint16_t)transport,
      .checksum_offset = segment->udp ? 6 : 16,
  };
}

/* The packet that comes next is `expected`, bit by bit. */
static void assert_next(struct segment_cut *cut, const struct test_segment *expected) {
  static uint8_t got[SEGMENT_SIZE_MAX], wanted[SEGMENT_SIZE_MAX];
  uint8_t buffer[SEGMENT_HEAD_MAX];
  struct span head, body;
  assert_true(segment_next(cut, buffer, &head, &body));
  struct span packet = test_segment_write(wanted, expected);
  assert_int_equal(head.size + body.size, packet.size);
  memcpy(got, head.data, head.size);
  memcpy(got + head.size, body.data, body.size);
  assert_memory_equal(got, packet.data, packet.size);
}

static void assert_no_more(struct segment_cut *cut) {
  uint8_t buffer[SEGMENT_HEAD_MAX];
  struct span head, body;
  assert_false(segment_next(cut, buffer, &head, &body));
  assert_false(segment_next(cut, buffer, &head, &body));
}

/* Cuts the segment with its flags and finds all packets as they ought to be. */
static void cuts(struct test_segment whole, size_t agreed, size_t packet_max, size_t each,
                 bool leave, bool left_out) {
  whole.partial = true;
  struct span packet = test_segment_write(super, &whole);
  struct tun_offload offload = offload_of(&whole, agreed);
  struct segment_cut cut;
  assert_int_equal(segment_begin(&cut, packet, &offload, packet_max), 0);
  if (leave) {
    segment_leave_checksums(&cut);
  }
  struct test_segment piece = whole;
  piece.partial = false;
  piece.left_out = left_out;
  for (size_t offset = 0; offset < whole.payload; offset += each) {
    bool last = whole.payload - offset <= each;
    piece.offset = whole.offset + offset;
    piece.payload = last ? whole.payload - offset : each;
    piece.sequence = whole.sequence + (uint32_t)offset;
    piece.identification = (uint16_t)(whole.identification + offset / each);
    piece.flags = whole.flags;
    piece.flags &= (uint8_t)(offset == 0 ? 0xff : ~CWR);
    piece.flags &= (uint8_t)(last ? 0xff : ~(FIN | PSH));
    assert_next(&cut, &piece);
  }
  assert_no_more(&cut);
}

static void cuts_into(struct test_segment whole, size_t agreed, size_t packet_max, size_t each) {
  cuts(whole, agreed, packet_max, each, false, false);
}

static const struct test_segment tcp = {
    .port = 40000,
    .class_of_traffic = 0x02, /* ECT(0) */
    .identification = 0xfffe, /* goes round */
    .sequence = 0xffffff00,   /* goes round */
    .acknowledgement = 12345,
    .flags = ACK | PSH | FIN | CWR | ECE,
    .window = 501,
    .timestamp = 99,
    .payload = 10000,
};

static void tcp_over_ipv4_is_cut_into_segments(void **state UNUSED) {
  cuts_into(tcp, 1348, TUN_PACKET_MAX, 1348);
}

static void tcp_over_ipv6_is_cut_into_segments(void **state UNUSED) {
  struct test_segment segment = tcp;
  segment.ipv6 = true;
  cuts_into(segment, 1328, TUN_PACKET_MAX, 1328);
  segment.extension = 8;
  cuts_into(segment, 1320, TUN_PACKET_MAX, 1320);
}

static void checksums_of_tcp_can_be_left_out(void **state UNUSED) {
  struct test_segment segment = tcp;
  cuts(segment, 1348, TUN_PACKET_MAX, 1348, true, true);
  segment.ipv6 = true;
  cuts(segment, 1328, TUN_PACKET_MAX, 1328, true, true);
}

static void checksums_that_the_receiver_would_miss_are_not_left_out(void **state UNUSED) {
  struct test_segment segment = tcp;
  segment.ipv6 = true;
  segment.extension = 8;
  cuts(segment, 1320, TUN_PACKET_MAX, 1320, true, false);
  struct test_segment datagrams = {.udp = true, .port = 443, .payload = 5050};
  cuts(datagrams, 1000, 1028, 1000, true, false);
}

static void udp_is_cut_into_datagrams(void **state UNUSED) {
  struct test_segment datagrams = {
      .udp = true, .port = 443, .payload = 5050, .may_be_fragmented = true};
  cuts_into(datagrams, 1000, 1028, 1000);
  datagrams.ipv6 = true;
  cuts_into(datagrams, 1001, 1049, 1001);
}

static void the_last_packet_may_be_whole_or_of_one_byte(void **state UNUSED) {
  struct test_segment segment = tcp;
  for (segment.payload = 1; segment.payload <= 301; segment.payload++) {
    cuts_into(segment, 100, TUN_PACKET_MAX, 100);
  }
}

static void the_largest_packet_is_cut(void **state UNUSED) {
  struct test_segment segment = tcp;
  segment.payload = 65535 - 52;
  cuts_into(segment, 1348, TUN_PACKET_MAX, 1348);
  segment.ipv6 = true;
  segment.payload = 65535 - 32;
  cuts_into(segment, 40000, TUN_PACKET_MAX, 40000);
}

static void segments_too_large_for_the_path_are_cut_smaller(void **state UNUSED) {
  cuts_into(tcp, 1348, 1280, 1280 - 52);
  cuts_into(tcp, 1348, 1400, 1348);
  cuts_into(tcp, 65000, 1399, 1347);
}

static void datagrams_too_large_for_the_path_are_the_callers(void **state UNUSED) {
  struct test_segment datagrams = {.udp = true, .payload = 3000, .partial = true};
  struct tun_offload offload = offload_of(&datagrams, 1000);
  struct span packet = test_segment_write(super, &datagrams);
  struct segment_cut cut;
  assert_int_equal(segment_begin(&cut, packet, &offload, 1027), ERROR_LIMIT);
  assert_int_equal(segment_begin(&cut, packet, &offload, 1028), 0);
}

static void a_path_without_room_behind_the_headers_is_an_error(void **state UNUSED) {
  struct test_segment segment = tcp;
  struct tun_offload offload = offload_of(&segment, 1348);
  struct span packet = test_segment_write(super, &segment);
  struct segment_cut cut;
  assert_int_equal(segment_begin(&cut, packet, &offload, 0), ERROR_LIMIT);
  assert_int_equal(segment_begin(&cut, packet, &offload, 52), ERROR_LIMIT);
  assert_int_equal(segment_begin(&cut, packet, &offload, 56), ERROR_LIMIT); /* 2,500 packets */
  assert_int_equal(segment_begin(&cut, packet, &offload, 57), 0);
}

static void a_path_may_change_in_the_midst_of_it(void **state UNUSED) {
  struct test_segment piece = tcp, whole = tcp;
  whole.partial = true;
  struct tun_offload offload = offload_of(&whole, 1348);
  struct span packet = test_segment_write(super, &whole);
  struct segment_cut cut;
  assert_int_equal(segment_begin(&cut, packet, &offload, 1400), 0);
  static const size_t limits[] = {1400, 1280, 40, 4000}, sizes[] = {1348, 1228, 1228, 1348};
  piece.flags = ACK | CWR | ECE;
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(segment_limit(&cut, limits[i]), limits[i] == 40 ? ERROR_LIMIT : 0);
    piece.payload = sizes[i];
    assert_next(&cut, &piece);
    piece.flags = ACK | ECE;
    piece.offset += sizes[i];
    piece.sequence += (uint32_t)sizes[i];
    piece.identification++;
  }
}

static void heads_may_be_written_over_what_is_cut_already(void **state UNUSED) {
  struct test_segment whole = tcp, piece = tcp;
  whole.partial = true;
  whole.payload = 400;
  struct tun_offload offload = offload_of(&whole, 10);
  struct segment_cut cut;
  struct span packet = test_segment_write(super, &whole), head, body;
  assert_int_equal(segment_begin(&cut, packet, &offload, TUN_PACKET_MAX), 0);
  uint8_t buffer[SEGMENT_HEAD_MAX], expected[SEGMENT_SIZE_MAX];
  piece.payload = 10;
  for (size_t i = 0; segment_next(&cut, buffer, &head, &body); i++) {
    uint8_t *at = super + (body.data - super) - head.size;
    memcpy(at, head.data, head.size);
    piece.flags = (uint8_t)(ACK | ECE | (i == 0 ? CWR : 0) | (i == 39 ? FIN | PSH : 0));
    struct span wanted = test_segment_write(expected, &piece);
    assert_memory_equal(at, wanted.data, wanted.size);
    piece.offset += 10;
    piece.sequence += 10;
    piece.identification++;
  }
}

static void what_the_kernel_left_in_the_checksums_field_does_not_matter(void **state UNUSED) {
  struct test_segment piece = tcp;
  struct tun_offload offload = offload_of(&piece, 20000);
  struct span packet = test_segment_write(super, &piece);
  memset(super + 20 + 16, 0x5a, 2);
  memset(super + 10, 0xa5, 2);
  struct segment_cut cut;
  assert_int_equal(segment_begin(&cut, packet, &offload, TUN_PACKET_MAX), 0);
  assert_next(&cut, &piece);
  offload.needs_checksum = false;
  assert_int_equal(segment_begin(&cut, packet, &offload, TUN_PACKET_MAX), 0);
  assert_next(&cut, &piece);
}

/* --- single packets --- */

static void a_complete_packet_comes_out_as_it_is(void **state UNUSED) {
  const struct tun_offload none = {0};
  struct span packet = test_segment_write(super, &tcp), head, body;
  uint8_t buffer[SEGMENT_HEAD_MAX];
  struct segment_cut cut;
  assert_int_equal(segment_begin(&cut, packet, &none, 100), 0);
  assert_int_equal(segment_limit(&cut, 100), 0);
  assert_true(segment_next(&cut, buffer, &head, &body));
  assert_int_equal(head.size, 0);
  assert_ptr_equal(body.data, packet.data);
  assert_int_equal(body.size, packet.size);
  assert_no_more(&cut);
}

static void a_single_packet_gets_its_checksum(void **state UNUSED) {
  for (int udp = 0; udp <= 1; udp++) {
    struct test_segment whole = tcp, expected = tcp;
    whole.udp = expected.udp = udp != 0;
    whole.partial = true;
    struct tun_offload offload = offload_of(&whole, 0);
    offload.kind = TUN_OFFLOAD_NONE;
    struct span packet = test_segment_write(super, &whole);
    struct segment_cut cut;
    assert_int_equal(segment_begin(&cut, packet, &offload, 1), 0);
    assert_next(&cut, &expected);
    assert_no_more(&cut);
    static uint8_t wanted[SEGMENT_SIZE_MAX];
    assert_int_equal(segment_complete(super, packet.size, &offload), 0);
    test_segment_write(wanted, &expected);
    assert_memory_equal(super, wanted, packet.size);
  }
}

static void a_checksum_of_zero_is_written_as_ones(void **state UNUSED) {
  /* Eight bytes of header and two of payload, which makes the sum full. */
  struct test_segment whole = {.udp = true, .payload = 2, .partial = true};
  struct test_segment same = whole;
  same.partial = false;
  struct span packet = test_segment_write(super, &same);
  uint16_t checksum = (uint16_t)(super[26] << 8 | super[27]);
  uint16_t payload = (uint16_t)(super[28] << 8 | super[29]);
  uint32_t sum = (uint32_t)checksum + payload;
  sum = (sum & 0xffff) + (sum >> 16);
  test_segment_write(super, &whole);
  super[28] = (uint8_t)(sum >> 8);
  super[29] = (uint8_t)sum;
  struct tun_offload offload = offload_of(&whole, 2);
  struct segment_cut cut;
  uint8_t buffer[SEGMENT_HEAD_MAX];
  struct span head, body;
  assert_int_equal(segment_begin(&cut, packet, &offload, 100), 0);
  assert_true(segment_next(&cut, buffer, &head, &body));
  assert_memory_equal(buffer + 26, "\xff\xff", 2);
  offload.kind = TUN_OFFLOAD_NONE;
  assert_int_equal(segment_complete(super, packet.size, &offload), 0);
  assert_memory_equal(super + 26, "\xff\xff", 2);
}

static void a_checksum_has_its_place_behind_the_ip_header(void **state UNUSED) {
  static const struct {
    uint16_t start, offset;
    bool valid;
  } places[] = {
      {20, 16, true},    {20, 78, true},     {20, 79, false},       {99, 0, false},
      {100, 0, false},   {19, 16, false},    {0, 16, false},        {16, 0, false},
      {65535, 0, false}, {20, 65535, false}, {65535, 65535, false}, {98, 0, true},
  };
  struct test_segment segment = {.payload = 60};
  struct span packet = test_segment_write(super, &segment);
  for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
    const struct tun_offload offload = {.needs_checksum = true,
                                        .checksum_start = places[i].start,
                                        .checksum_offset = places[i].offset};
    struct segment_cut cut;
    int expected = places[i].valid ? 0 : ERROR_INVALID;
    assert_int_equal(segment_begin(&cut, packet, &offload, 1500), expected);
    assert_int_equal(segment_complete(super, packet.size, &offload), expected);
  }
}

static void a_checksum_beyond_any_head_is_refused(void **state UNUSED) {
  struct test_segment segment = {.payload = 1000};
  struct span packet = test_segment_write(super, &segment);
  struct tun_offload offload = {.needs_checksum = true, .checksum_start = 20};
  struct segment_cut cut;
  offload.checksum_offset = SEGMENT_HEAD_MAX - 22;
  assert_int_equal(segment_begin(&cut, packet, &offload, 1500), 0);
  offload.checksum_offset++;
  assert_int_equal(segment_begin(&cut, packet, &offload, 1500), ERROR_INVALID);
  assert_int_equal(segment_complete(super, packet.size, &offload), 0);
}

static void a_super_packet_cannot_be_completed_in_place(void **state UNUSED) {
  struct tun_offload offload = offload_of(&tcp, 1000);
  struct span packet = test_segment_write(super, &tcp);
  assert_int_equal(segment_complete(super, packet.size, &offload), ERROR_INVALID);
}

/* --- lies --- */

static void refuses(size_t size, const struct tun_offload *offload) {
  struct segment_cut cut;
  struct span packet = {.data = super, .size = size};
  assert_int_equal(segment_begin(&cut, packet, offload, TUN_PACKET_MAX), ERROR_INVALID);
}

/* A byte is changed for one attempt. */
static void refuses_with(size_t size, const struct tun_offload *offload, size_t place,
                         uint8_t value) {
  uint8_t before = super[place];
  super[place] = value;
  refuses(size, offload);
  super[place] = before;
}

static void offloads_that_do_not_fit_the_packet_are_refused(void **state UNUSED) {
  struct tun_offload offload = offload_of(&tcp, 1000);
  size_t size = test_segment_write(super, &tcp).size;
  struct tun_offload lie = offload;
  lie.segment_size = 0;
  refuses(size, &lie);
  lie.segment_size = 4; /* more than 2,048 packets */
  refuses(size, &lie);
  lie = offload;
  lie.kind = TUN_OFFLOAD_TCP_IPV6;
  refuses(size, &lie);
  lie.kind = TUN_OFFLOAD_UDP;
  refuses(size, &lie);
  lie = offload;
  lie.checksum_start = 24;
  refuses(size, &lie);
}

static void broken_headers_are_refused(void **state UNUSED) {
  struct tun_offload offload = offload_of(&tcp, 1000);
  size_t size = test_segment_write(super, &tcp).size;
  refuses(0, &offload);
  refuses(size - 1, &offload);
  refuses_with(size, &offload, 0, 0x65);
  refuses_with(size, &offload, 0, 0x44);
  refuses_with(size, &offload, 0, 0x46); /* no TCP where the offload says */
  refuses_with(size, &offload, 6, 0x20); /* more fragments */
  refuses_with(size, &offload, 7, 1);    /* fragment offset */
  refuses_with(size, &offload, 9, 17);
  refuses_with(size, &offload, 32, 0x40);
  refuses_with(size, &offload, 33, ACK | SYN);
  refuses_with(size, &offload, 33, ACK | RST);
  refuses_with(size, &offload, 33, ACK | URG);
  struct test_segment small = tcp;
  for (small.payload = 0; small.payload < 8; small.payload++) {
    size = test_segment_write(super, &small).size;
    refuses_with(size, &offload, 32, 0xf0); /* a header larger than the packet */
  }
  small.payload = 0;
  refuses(test_segment_write(super, &small).size, &offload);
}

static void broken_datagrams_are_refused(void **state UNUSED) {
  struct test_segment datagrams = {.udp = true, .payload = 500};
  struct tun_offload offload = offload_of(&datagrams, 100);
  size_t size = test_segment_write(super, &datagrams).size;
  refuses_with(size, &offload, 25, 0);
  datagrams.payload = 0;
  refuses(test_segment_write(super, &datagrams).size, &offload);
}

static void extension_headers_that_cannot_be_repeated_are_refused(void **state UNUSED) {
  struct test_segment segment = tcp;
  segment.ipv6 = true;
  segment.extension = 8;
  struct tun_offload offload = offload_of(&segment, 1000);
  size_t size = test_segment_write(super, &segment).size;
  refuses_with(size, &offload, 6, 43);    /* routing */
  refuses_with(size, &offload, 6, 44);    /* fragment */
  refuses_with(size, &offload, 6, 59);    /* none */
  refuses_with(size, &offload, 41, 2);    /* TCP elsewhere */
  refuses_with(size, &offload, 41, 0xff); /* headers too large to repeat, or beyond the packet */
  segment.payload = 100;
  size = test_segment_write(super, &segment).size;
  refuses_with(size, &offload, 41, 0xff);
}

/* Every shorter packet, with lengths that fit: sanitizers look for a step outside. */
static void no_packet_is_too_short_to_be_looked_at(void **state UNUSED) {
  for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
    struct test_segment segment = tcp;
    segment.ipv6 = ipv6 != 0;
    segment.payload = 8;
    size_t whole = test_segment_headers(&segment);
    struct tun_offload offload = offload_of(&segment, 1000);
    for (size_t size = ipv6 ? 40 : 20; size <= whole; size++) {
      test_segment_write(super, &segment);
      size_t length = ipv6 ? size - 40 : size;
      super[ipv6 ? 4 : 2] = 0;
      super[ipv6 ? 5 : 3] = (uint8_t)length;
      uint8_t copy[128];
      uint8_t *end = copy + sizeof(copy) - size;
      memcpy(end, super, size);
      struct segment_cut cut;
      assert_int_equal(segment_begin(&cut, (struct span){end, size}, &offload, TUN_PACKET_MAX),
                       ERROR_INVALID);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tcp_over_ipv4_is_cut_into_segments),
      cmocka_unit_test(tcp_over_ipv6_is_cut_into_segments),
      cmocka_unit_test(checksums_of_tcp_can_be_left_out),
      cmocka_unit_test(checksums_that_the_receiver_would_miss_are_not_left_out),
      cmocka_unit_test(udp_is_cut_into_datagrams),
      cmocka_unit_test(the_last_packet_may_be_whole_or_of_one_byte),
      cmocka_unit_test(the_largest_packet_is_cut),
      cmocka_unit_test(segments_too_large_for_the_path_are_cut_smaller),
      cmocka_unit_test(datagrams_too_large_for_the_path_are_the_callers),
      cmocka_unit_test(a_path_without_room_behind_the_headers_is_an_error),
      cmocka_unit_test(a_path_may_change_in_the_midst_of_it),
      cmocka_unit_test(heads_may_be_written_over_what_is_cut_already),
      cmocka_unit_test(what_the_kernel_left_in_the_checksums_field_does_not_matter),
      cmocka_unit_test(a_complete_packet_comes_out_as_it_is),
      cmocka_unit_test(a_single_packet_gets_its_checksum),
      cmocka_unit_test(a_checksum_of_zero_is_written_as_ones),
      cmocka_unit_test(a_checksum_has_its_place_behind_the_ip_header),
      cmocka_unit_test(a_checksum_beyond_any_head_is_refused),
      cmocka_unit_test(a_super_packet_cannot_be_completed_in_place),
      cmocka_unit_test(offloads_that_do_not_fit_the_packet_are_refused),
      cmocka_unit_test(broken_headers_are_refused),
      cmocka_unit_test(broken_datagrams_are_refused),
      cmocka_unit_test(extension_headers_that_cannot_be_repeated_are_refused),
      cmocka_unit_test(no_packet_is_too_short_to_be_looked_at),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

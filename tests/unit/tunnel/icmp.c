#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "packets.h"
#include "tunnel/ip_packet.h"

static uint8_t data[PACKET_SIZE_MAX]; /* of the packet that is complained about */
static size_t data_size;
static uint8_t reply[ICMP_PACKET_MAX];

static void packet_make(const char *source, const char *destination, size_t size) {
  bool ipv4 = test_ip(source).family == 4;
  struct span packet =
      ipv4 ? test_ipv4(data, source, destination, PROTOCOL_UDP, FLAG_DONT_FRAGMENT, size, 0)
           : test_ipv6(data, source, destination, PROTOCOL_UDP, size, 0);
  data_size = packet.size;
}

static struct span packet_span(void) {
  return (struct span){.data = data, .size = data_size};
}

static void packet_set_payload(uint8_t protocol, const void *payload, size_t size) {
  bool ipv4 = data[0] >> 4 == 4;
  data[ipv4 ? 9 : 6] = protocol;
  memcpy(data + (ipv4 ? 20 : 40), payload, size);
}

static void packet_set_fragment_field(uint16_t flags_and_offset) {
  data[6] = (uint8_t)(flags_and_offset >> 8);
  data[7] = (uint8_t)flags_and_offset;
}

typedef size_t (*builder)(struct span packet, const struct ip_address *from);

static size_t too_big(struct span packet, const struct ip_address *from) {
  return icmp_packet_too_big(packet, from, 1360, reply);
}

static size_t unreachable(struct span packet, const struct ip_address *from) {
  return icmp_unreachable(packet, from, reply);
}

static const builder builders[] = {too_big, unreachable};

/* Both builders must give none for what stands in `data`. */
static void assert_no_answer(const char *from_text) {
  struct ip_address from = test_ip(from_text);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(builders[i](packet_span(), &from), 0);
  }
}

static void assert_answer(const char *from_text) {
  struct ip_address from = test_ip(from_text);
  for (size_t i = 0; i < 2; i++) {
    assert_int_not_equal(builders[i](packet_span(), &from), 0);
  }
}

static void assert_checksums(size_t size) {
  assert_true(test_icmp_checksums_hold((struct span){.data = reply, .size = size}));
}

/* --- what is built --- */

static void ipv4_fragmentation_needed_is_as_rfc_1191_has_it(void **state UNUSED) {
  static const uint8_t expected[] = {
      0x45, 0xc0, 0x00, 0x39, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x25, 0xfe, 0x0a, 0x01, 0x00,
      0x03, 0x0a, 0x01, 0x00, 0x02, 0x03, 0x04, 0x6b, 0x3b, 0x00, 0x00, 0x05, 0x50, 0x45, 0x00,
      0x00, 0x1d, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x26, 0xca, 0x0a, 0x01, 0x00, 0x02, 0x0a,
      0x01, 0x00, 0x03, 0x00, 0x07, 0x0e, 0x15, 0x1c, 0x23, 0x2a, 0x31, 0x38,
  };
  packet_make("10.1.0.2", "10.1.0.3", 29);
  struct ip_address from = test_ip("10.1.0.3");
  assert_int_equal(icmp_packet_too_big(packet_span(), &from, 1360, reply), sizeof(expected));
  assert_memory_equal(reply, expected, sizeof(expected));
}

static void ipv6_packet_too_big_is_as_rfc_4443_has_it(void **state UNUSED) {
  static const uint8_t expected[] = {
      0x60, 0x00, 0x00, 0x00, 0x00, 0x35, 0x3a, 0x40, 0xfd, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xfd, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00,
      0x68, 0xd1, 0x00, 0x00, 0x05, 0x50, 0x60, 0x00, 0x00, 0x00, 0x00, 0x05, 0x11, 0x40,
      0xfd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x02, 0xfd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x03, 0x00, 0x07, 0x0e, 0x15, 0x1c,
  };
  packet_make("fd00::2", "fd00::3", 45);
  struct ip_address from = test_ip("fd00::3");
  assert_int_equal(icmp_packet_too_big(packet_span(), &from, 1360, reply), sizeof(expected));
  assert_memory_equal(reply, expected, sizeof(expected));
}

static void a_host_that_cannot_be_reached_is_told_so(void **state UNUSED) {
  packet_make("10.1.0.2", "10.1.0.3", 29);
  struct ip_address from = test_ip("10.1.0.3");
  size_t size = icmp_unreachable(packet_span(), &from, reply);
  assert_int_equal(size, 20 + 8 + 29);
  assert_int_equal(reply[20], 3);
  assert_int_equal(reply[21], 1);
  assert_memory_equal(reply + 24, "\0\0\0\0", 4);
  assert_checksums(size);
  packet_make("fd00::2", "fd00::3", 45);
  from = test_ip("fd00::3");
  size = icmp_unreachable(packet_span(), &from, reply);
  assert_int_equal(size, 40 + 8 + 45);
  assert_int_equal(reply[40], 1);
  assert_int_equal(reply[41], 3);
  assert_memory_equal(reply + 44, "\0\0\0\0", 4);
  assert_checksums(size);
}

static void checksums_hold_for_every_size_and_sizes_keep_their_bounds(void **state UNUSED) {
  static const struct {
    const char *source, *destination;
    size_t header, largest;
  } cases[] = {{"10.1.255.2", "10.1.0.3", 20, 576}, {"fdff:ffff::2", "fd00::3", 40, 1280}};
  for (size_t i = 0; i < 2; i++) {
    struct ip_address from = test_ip(cases[i].destination);
    for (size_t packet_size = cases[i].header; packet_size < 1500; packet_size++) {
      packet_make(cases[i].source, cases[i].destination, packet_size);
      for (size_t j = 0; j < 2; j++) {
        size_t size = builders[j](packet_span(), &from);
        size_t whole = cases[i].header + 8 + packet_size;
        assert_int_equal(size, whole < cases[i].largest ? whole : cases[i].largest);
        assert_checksums(size);
        struct ip_packet packet;
        assert_int_equal(ip_packet_parse((struct span){reply, size}, &packet), 0);
        size_t quote = cases[i].header + 8;
        assert_memory_equal(reply + quote, data, size - quote);
      }
    }
  }
}

static void an_mtu_beyond_ipv4s_field_is_its_largest(void **state UNUSED) {
  packet_make("10.1.0.2", "10.1.0.3", 29);
  struct ip_address from = test_ip("10.1.0.3");
  assert_true(icmp_packet_too_big(packet_span(), &from, 70000, reply) > 0);
  assert_memory_equal(reply + 24, "\x00\x00\xff\xff", 4);
}

/* --- what gets no answer --- */

static void ipv4_without_df_is_not_told_to_send_less(void **state UNUSED) {
  packet_make("10.1.0.2", "10.1.0.3", 1400);
  packet_set_fragment_field(0);
  struct ip_address from = test_ip("10.1.0.3");
  assert_int_equal(too_big(packet_span(), &from), 0);
  assert_int_not_equal(unreachable(packet_span(), &from), 0);
}

static void fragments_but_the_first_get_no_answer(void **state UNUSED) {
  packet_make("10.1.0.2", "10.1.0.3", 100);
  packet_set_fragment_field(0x4001);
  assert_no_answer("10.1.0.3");
  packet_set_fragment_field(0x6000); /* more to come, and the first */
  assert_answer("10.1.0.3");
  packet_make("fd00::2", "fd00::3", 100);
  packet_set_payload(44, "\x11\x00\x00\x08\x00\x00\x00\x01", 8);
  assert_no_answer("fd00::3");
  packet_set_payload(44, "\x11\x00\x00\x01\x00\x00\x00\x01", 8);
  assert_answer("fd00::3");
}

static void icmp_errors_get_no_answer_and_other_icmp_does(void **state UNUSED) {
  static const uint8_t ipv4_errors[] = {3, 4, 5, 11, 12}, ipv4_others[] = {0, 8, 13, 14, 30};
  static const uint8_t ipv6_errors[] = {1, 2, 3, 4, 100, 127, 137}, ipv6_others[] = {128, 129, 135};
  packet_make("10.1.0.2", "10.1.0.3", 100);
  for (size_t i = 0; i < sizeof(ipv4_errors); i++) {
    packet_set_payload(1, &ipv4_errors[i], 1);
    assert_no_answer("10.1.0.3");
  }
  for (size_t i = 0; i < sizeof(ipv4_others); i++) {
    packet_set_payload(1, &ipv4_others[i], 1);
    assert_answer("10.1.0.3");
  }
  packet_make("fd00::2", "fd00::3", 100);
  for (size_t i = 0; i < sizeof(ipv6_errors); i++) {
    packet_set_payload(58, &ipv6_errors[i], 1);
    assert_no_answer("fd00::3");
  }
  for (size_t i = 0; i < sizeof(ipv6_others); i++) {
    packet_set_payload(58, &ipv6_others[i], 1);
    assert_answer("fd00::3");
  }
}

static void icmp_without_a_type_gets_no_answer(void **state UNUSED) {
  packet_make("10.1.0.2", "10.1.0.3", 20);
  packet_set_payload(1, "", 0);
  assert_no_answer("10.1.0.3");
  packet_make("fd00::2", "fd00::3", 40);
  packet_set_payload(58, "", 0);
  assert_no_answer("fd00::3");
}

static void icmpv6_is_found_behind_extension_headers(void **state UNUSED) {
  /* Hop-by-hop (8), routing (16), authentication (12), destination options (8), then ICMPv6. */
  static const uint8_t chain[] = {43, 0, 1, 4, 0, 0, 0,  0, 51, 1,  0, 0, 0, 0, 0,
                                  0,  0, 0, 0, 0, 0, 0,  0, 0,  60, 1, 0, 0, 0, 0,
                                  0,  0, 0, 0, 0, 0, 58, 0, 1,  4,  0, 0, 0, 0};
  uint8_t payload[sizeof(chain) + 1];
  memcpy(payload, chain, sizeof(chain));
  packet_make("fd00::2", "fd00::3", 200);
  payload[sizeof(chain)] = 1;
  packet_set_payload(0, payload, sizeof(payload));
  assert_no_answer("fd00::3");
  payload[sizeof(chain)] = 128;
  packet_set_payload(0, payload, sizeof(payload));
  assert_answer("fd00::3");
}

static void a_chain_of_headers_without_end_gets_no_answer(void **state UNUSED) {
  packet_make("fd00::2", "fd00::3", 1400);
  memset(data + 40, 0, 1360);
  packet_set_payload(60, "", 0);
  for (size_t i = 40; i < 1400; i += 8) {
    data[i] = 60;
  }
  assert_no_answer("fd00::3");
  packet_make("fd00::2", "fd00::3", 100); /* one that leads out of the packet */
  packet_set_payload(60, "\x3a\xff", 2);
  assert_no_answer("fd00::3");
}

static void addresses_of_more_than_one_host_get_no_answer(void **state UNUSED) {
  static const char *const ends[][2] = {
      {"10.1.0.2", "224.0.0.1"},
      {"10.1.0.2", "255.255.255.255"},
      {"0.0.0.0", "10.1.0.3"},
      {"239.1.1.1", "10.1.0.3"},
      {"255.255.255.255", "10.1.0.3"},
      {"fd00::2", "ff02::1"},
      {"ff02::1", "fd00::3"},
      {"::", "fd00::3"},
      {"fd00::2", "::"},
  };
  for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
    packet_make(ends[i][0], ends[i][1], 100);
    assert_no_answer(data[0] >> 4 == 4 ? "10.1.0.3" : "fd00::3");
  }
}

static void the_one_who_complains_is_of_the_packets_family(void **state UNUSED) {
  packet_make("10.1.0.2", "10.1.0.3", 100);
  assert_no_answer("fd00::3");
  packet_make("fd00::2", "fd00::3", 100);
  assert_no_answer("10.1.0.3");
  struct ip_address none = {0};
  assert_int_equal(too_big(packet_span(), &none), 0);
}

static void what_is_no_packet_gets_no_answer(void **state UNUSED) {
  packet_make("10.1.0.2", "10.1.0.3", 100);
  data_size = 99;
  assert_no_answer("10.1.0.3");
  data_size = 0;
  assert_no_answer("10.1.0.3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ipv4_fragmentation_needed_is_as_rfc_1191_has_it),
      cmocka_unit_test(ipv6_packet_too_big_is_as_rfc_4443_has_it),
      cmocka_unit_test(a_host_that_cannot_be_reached_is_told_so),
      cmocka_unit_test(checksums_hold_for_every_size_and_sizes_keep_their_bounds),
      cmocka_unit_test(an_mtu_beyond_ipv4s_field_is_its_largest),
      cmocka_unit_test(ipv4_without_df_is_not_told_to_send_less),
      cmocka_unit_test(fragments_but_the_first_get_no_answer),
      cmocka_unit_test(icmp_errors_get_no_answer_and_other_icmp_does),
      cmocka_unit_test(icmp_without_a_type_gets_no_answer),
      cmocka_unit_test(icmpv6_is_found_behind_extension_headers),
      cmocka_unit_test(a_chain_of_headers_without_end_gets_no_answer),
      cmocka_unit_test(addresses_of_more_than_one_host_get_no_answer),
      cmocka_unit_test(the_one_who_complains_is_of_the_packets_family),
      cmocka_unit_test(what_is_no_packet_gets_no_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

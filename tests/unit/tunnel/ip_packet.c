#include "tunnel/ip_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "packets.h"

static uint8_t data[PACKET_SIZE_MAX];

static void an_ipv4_packet_is_understood(void **state UNUSED) {
  struct span span = test_ipv4(data, "10.1.0.2", "10.1.0.3", PROTOCOL_UDP, 0, 100, 1);
  struct ip_packet packet;
  assert_int_equal(ip_packet_parse(span, &packet), 0);
  struct ip_address source = test_ip("10.1.0.2"), destination = test_ip("10.1.0.3");
  assert_true(ip_address_equal(&packet.source, &source));
  assert_true(ip_address_equal(&packet.destination, &destination));
  assert_int_equal(packet.protocol, PROTOCOL_UDP);
  assert_int_equal(packet.header_size, 20);
  assert_int_equal(packet.hop_limit, 64);
}

static void an_ipv6_packet_is_understood(void **state UNUSED) {
  struct span span = test_ipv6(data, "fd00::2", "fd00::3", PROTOCOL_UDP, 100, 1);
  struct ip_packet packet;
  assert_int_equal(ip_packet_parse(span, &packet), 0);
  struct ip_address source = test_ip("fd00::2"), destination = test_ip("fd00::3");
  assert_true(ip_address_equal(&packet.source, &source));
  assert_true(ip_address_equal(&packet.destination, &destination));
  assert_int_equal(packet.protocol, PROTOCOL_UDP);
  assert_int_equal(packet.header_size, 40);
  assert_int_equal(packet.hop_limit, 64);
}

static void ipv4_options_count_as_header(void **state UNUSED) {
  struct span span = test_ipv4(data, "10.1.0.2", "10.1.0.3", PROTOCOL_UDP, 0, 60, 1);
  struct ip_packet packet;
  data[0] = 0x4f;
  assert_int_equal(ip_packet_parse(span, &packet), 0);
  assert_int_equal(packet.header_size, 60);
  span = test_ipv4(data, "10.1.0.2", "10.1.0.3", PROTOCOL_UDP, 0, 59, 1);
  data[0] = 0x4f;
  assert_int_equal(ip_packet_parse(span, &packet), ERROR_INVALID);
  data[0] = 0x44;
  assert_int_equal(ip_packet_parse(span, &packet), ERROR_INVALID);
}

static void a_packet_of_header_alone_is_a_packet(void **state UNUSED) {
  struct ip_packet packet;
  assert_int_equal(ip_packet_parse(test_ipv4(data, "10.1.0.2", "10.1.0.3", 255, 0, 20, 0), &packet),
                   0);
  assert_int_equal(ip_packet_parse(test_ipv6(data, "fd00::2", "fd00::3", 59, 40, 0), &packet), 0);
}

static void a_length_other_than_the_spans_is_invalid(void **state UNUSED) {
  struct ip_packet packet;
  for (int version = 4; version <= 6; version += 2) {
    struct span span = version == 4
                           ? test_ipv4(data, "10.1.0.2", "10.1.0.3", PROTOCOL_UDP, 0, 100, 1)
                           : test_ipv6(data, "fd00::2", "fd00::3", PROTOCOL_UDP, 100, 1);
    for (size_t size = 0; size <= 120; size++) {
      span.size = size;
      assert_int_equal(ip_packet_parse(span, &packet), size == 100 ? 0 : ERROR_INVALID);
    }
  }
}

static void an_ipv6_jumbogram_is_invalid(void **state UNUSED) {
  struct span span = test_ipv6(data, "fd00::2", "fd00::3", 0, 100, 1);
  data[4] = data[5] = 0;
  struct ip_packet packet;
  assert_int_equal(ip_packet_parse(span, &packet), ERROR_INVALID);
}

static void other_versions_are_invalid(void **state UNUSED) {
  struct ip_packet packet;
  struct span span = test_ipv4(data, "10.1.0.2", "10.1.0.3", PROTOCOL_UDP, 0, 100, 1);
  for (unsigned version = 0; version < 16; version++) {
    if (version != 4 && version != 6) {
      data[0] = (uint8_t)(version << 4 | 5);
      assert_int_equal(ip_packet_parse(span, &packet), ERROR_INVALID);
    }
  }
  assert_int_equal(ip_packet_parse((struct span){0}, &packet), ERROR_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_ipv4_packet_is_understood),
      cmocka_unit_test(an_ipv6_packet_is_understood),
      cmocka_unit_test(ipv4_options_count_as_header),
      cmocka_unit_test(a_packet_of_header_alone_is_a_packet),
      cmocka_unit_test(a_length_other_than_the_spans_is_invalid),
      cmocka_unit_test(an_ipv6_jumbogram_is_invalid),
      cmocka_unit_test(other_versions_are_invalid),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

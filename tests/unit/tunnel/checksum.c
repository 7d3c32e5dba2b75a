#include "tunnel/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static uint16_t sum_of(const void *data, size_t size) {
  return checksum_fold(checksum_add(0, (struct span){.data = data, .size = size}));
}

static void the_example_of_rfc_1071_holds(void **state UNUSED) {
  static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  assert_int_equal(sum_of(example, sizeof(example)), 0xddf2);
  assert_int_equal(checksum_finish(checksum_add(0, (struct span){example, sizeof(example)})),
                   0xffff - 0xddf2);
}

static void an_odd_byte_counts_as_if_a_zero_followed(void **state UNUSED) {
  static const uint8_t bytes[] = {0x12, 0x34, 0x56};
  assert_int_equal(sum_of(bytes, 3), 0x1234 + 0x5600);
  assert_int_equal(sum_of(bytes, 1), 0x1200);
  assert_int_equal(sum_of(bytes, 0), 0);
  assert_int_equal(sum_of(NULL, 0), 0);
}

static uint16_t slow_sum(const uint8_t *data, size_t size) {
  uint64_t sum = 0;
  for (size_t i = 0; i < size; i++) {
    sum += (uint64_t)data[i] << (i % 2 == 0 ? 8 : 0);
  }
  return sum == 0 ? 0 : (uint16_t)((sum - 1) % 65535 + 1);
}

static void every_size_at_every_place_gives_the_sum_of_its_words(void **state UNUSED) {
  uint8_t bytes[400];
  for (size_t i = 0; i < sizeof(bytes); i++) {
    bytes[i] = (uint8_t)(i * 37 + i / 3 + 200);
  }
  for (size_t at = 0; at < 17; at++) {
    for (size_t size = 0; size <= sizeof(bytes) - at; size++) {
      assert_int_equal(sum_of(bytes + at, size), slow_sum(bytes + at, size));
    }
  }
}

static void no_carry_is_lost_in_the_largest_packet_of_ones(void **state UNUSED) {
  static uint8_t ones[65575];
  memset(ones, 0xff, sizeof(ones));
  assert_int_equal(sum_of(ones, sizeof(ones) - 1), 0xffff);
  assert_int_equal(sum_of(ones, sizeof(ones)), 0xff00);
  uint64_t sum = 0;
  for (int i = 0; i < 1000; i++) {
    sum = checksum_add(sum, (struct span){ones, sizeof(ones) - 1});
  }
  assert_int_equal(checksum_fold(sum), 0xffff);
}

static void fields_add_as_their_bytes_do(void **state UNUSED) {
  static const uint8_t bytes[] = {0x01, 0x02, 0xfe, 0xdc, 0xba, 0x98};
  uint64_t sum = checksum_add_u32(checksum_add_u16(0, 0x0102), 0xfedcba98);
  assert_int_equal(checksum_fold(sum), sum_of(bytes, sizeof(bytes)));
}

static void a_pseudo_header_is_addresses_protocol_and_length(void **state UNUSED) {
  static const uint8_t whole[] = {10, 1, 0, 2, 10, 1, 0, 3, 0, 6, 0, 1, 0x23, 0x45};
  uint64_t sum = checksum_pseudo_header((struct span){whole, 8}, 6, 0x12345);
  assert_int_equal(checksum_fold(sum), sum_of(whole, sizeof(whole)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_example_of_rfc_1071_holds),
      cmocka_unit_test(an_odd_byte_counts_as_if_a_zero_followed),
      cmocka_unit_test(every_size_at_every_place_gives_the_sum_of_its_words),
      cmocka_unit_test(no_carry_is_lost_in_the_largest_packet_of_ones),
      cmocka_unit_test(fields_add_as_their_bytes_do),
      cmocka_unit_test(a_pseudo_header_is_addresses_protocol_and_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

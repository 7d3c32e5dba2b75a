#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/span.h"

static void integers_are_read_big_endian(void **state UNUSED) {
  const uint8_t data[] = {0x01, 0x02, 0x03, 0xff, 0xfe, 0xfd, 0xfc};
  struct reader reader = reader_init(data, sizeof(data));
  assert_int_equal(reader_u8(&reader), 0x01);
  assert_int_equal(reader_u16(&reader), 0x0203);
  assert_int_equal(reader_u32(&reader), 0xfffefdfc);
  assert_int_equal(reader.rest.size, 0);
  assert_false(reader.failed);
}

static void bytes_are_borrowed_from_the_input(void **state UNUSED) {
  const uint8_t data[] = {1, 2, 3};
  struct reader reader = reader_init(data, sizeof(data));
  struct span span = reader_bytes(&reader, 2);
  assert_ptr_equal(span.data, data);
  assert_int_equal(span.size, 2);
  assert_int_equal(reader.rest.size, 1);
}

static void a_read_past_the_end_fails_and_all_later_ones_too(void **state UNUSED) {
  const uint8_t data[] = {1, 2, 3};
  struct reader reader = reader_init(data, sizeof(data));
  assert_int_equal(reader_u32(&reader), 0);
  assert_true(reader.failed);
  assert_int_equal(reader_u8(&reader), 0);
  assert_int_equal(reader_bytes(&reader, 0).size, 0);
  assert_true(reader.failed);
}

static void a_size_that_would_wrap_around_fails(void **state UNUSED) {
  const uint8_t data[] = {1, 2, 3};
  struct reader reader = reader_init(data, sizeof(data));
  assert_null(reader_bytes(&reader, SIZE_MAX).data);
  assert_true(reader.failed);
}

static void an_empty_input_gives_empty_bytes(void **state UNUSED) {
  struct reader reader = reader_init(NULL, 0);
  assert_int_equal(reader_bytes(&reader, 0).size, 0);
  assert_false(reader.failed);
  assert_int_equal(reader_u8(&reader), 0);
  assert_true(reader.failed);
}

static void what_is_written_can_be_read(void **state UNUSED) {
  uint8_t data[10];
  struct writer writer = writer_init(data, sizeof(data));
  writer_u8(&writer, 0xab);
  writer_u16(&writer, 0x1234);
  writer_u32(&writer, 0x89abcdef);
  writer_bytes(&writer, "xyz", 3);
  assert_false(writer.failed);
  assert_int_equal(writer.size, 10);
  assert_memory_equal(data,
                      "\xab\x12\x34\x89\xab\xcd\xef"
                      "xyz",
                      10);
}

static void a_write_past_the_end_fails_and_writes_nothing(void **state UNUSED) {
  uint8_t data[4] = {0, 0, 0, 0x77};
  struct writer writer = writer_init(data, 3);
  writer_u32(&writer, 0x01020304);
  assert_true(writer.failed);
  assert_int_equal(writer.size, 0);
  writer_u8(&writer, 1);
  assert_int_equal(writer.size, 0);
  assert_int_equal(data[3], 0x77);
}

static void nothing_can_be_written_to_nowhere(void **state UNUSED) {
  struct writer writer = writer_init(NULL, 0);
  writer_bytes(&writer, NULL, 0);
  assert_false(writer.failed);
  writer_bytes(&writer, "x", 1);
  assert_true(writer.failed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_are_read_big_endian),
      cmocka_unit_test(bytes_are_borrowed_from_the_input),
      cmocka_unit_test(a_read_past_the_end_fails_and_all_later_ones_too),
      cmocka_unit_test(a_size_that_would_wrap_around_fails),
      cmocka_unit_test(an_empty_input_gives_empty_bytes),
      cmocka_unit_test(what_is_written_can_be_read),
      cmocka_unit_test(a_write_past_the_end_fails_and_writes_nothing),
      cmocka_unit_test(nothing_can_be_written_to_nowhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

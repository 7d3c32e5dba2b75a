#include "../store/fixture.h"

#include <string.h>

#include "as/device_text.h"

static void expect(const char *said, const char *kept) {
  char text[STORE_TEXT_SIZE];
  as_device_text(said, text);
  assert_string_equal(text, kept);
}

static void plain_text_stays_as_it_is(void **state UNUSED) {
  expect("", "");
  expect("Debian GNU/Linux 12 (bookworm)", "Debian GNU/Linux 12 (bookworm)");
  expect("\xc3\xa9t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
         "\xc3\xa9t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80");
}

static void control_characters_are_replaced(void **state UNUSED) {
  expect("a\nb\tc\x1b[31m\x7f", "a?b?c?[31m?");
  expect("a\xc2\x9b"
         "31m",
         "a?31m");
  expect("a\xc2\xa0z", "a\xc2\xa0z");
}

static void bytes_that_are_no_utf8_are_replaced(void **state UNUSED) {
  expect("a\xff\xfe", "a??");
  expect("\x80", "?");
  expect("\xc0\xaf", "??");           /* overlong */
  expect("\xe0\x80\x80", "???");      /* overlong */
  expect("\xed\xa0\x80", "???");      /* surrogate */
  expect("\xf4\x90\x80\x80", "????"); /* beyond U+10FFFF */
  expect("end \xe6\x97", "end ??");   /* cut off */
  expect("\xe6"
         "abc",
         "?abc");
}

static void long_text_is_cut_between_characters(void **state UNUSED) {
  char said[400], text[STORE_TEXT_SIZE];
  memset(said, 'x', sizeof(said));
  said[sizeof(said) - 1] = '\0';
  as_device_text(said, text);
  assert_int_equal(strlen(text), STORE_TEXT_SIZE - 1);
  memcpy(said + STORE_TEXT_SIZE - 2, "\xe6\x97\xa5", 3); /* only one byte of it would fit */
  as_device_text(said, text);
  assert_int_equal(strlen(text), STORE_TEXT_SIZE - 2);
  assert_int_equal(text[STORE_TEXT_SIZE - 3], 'x');
  memcpy(said + STORE_TEXT_SIZE - 4, "\xe6\x97\xa5yy", 5); /* fits to the last byte */
  as_device_text(said, text);
  assert_int_equal(strlen(text), STORE_TEXT_SIZE - 1);
  assert_memory_equal(text + STORE_TEXT_SIZE - 4, "\xe6\x97\xa5", 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_text_stays_as_it_is),
      cmocka_unit_test(control_characters_are_replaced),
      cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
      cmocka_unit_test(long_text_is_cut_between_characters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

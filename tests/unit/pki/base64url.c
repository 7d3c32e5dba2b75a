#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "pki/base64url.h"

/* RFC 4648 section 10, without padding, and what tells this alphabet from the usual one. */
static const struct {
  const char *data, *text;
} vectors[] = {
    {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"},
};

static void the_vectors_of_the_rfc_hold_both_ways(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    size_t size = strlen(vectors[i].data), decoded;
    char text[16];
    uint8_t data[16];
    assert_int_equal(base64url_length(size), strlen(vectors[i].text));
    base64url_encode((const uint8_t *)vectors[i].data, size, text);
    assert_string_equal(text, vectors[i].text);
    assert_true(base64url_decode(text, strlen(text), data, &decoded));
    assert_int_equal(decoded, size);
    assert_memory_equal(data, vectors[i].data, size);
  }
}

static void other_spellings_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "A", "Zh", "Zm9", "Zg==", "Zm9v=", "+/8", "Z g", "Zm9vY", "Zm\xc3", "Zm9v\n"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    uint8_t data[16];
    size_t size;
    if (base64url_decode(wrong[i], strlen(wrong[i]), data, &size)) {
      fail_msg("\"%s\" was taken", wrong[i]);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_vectors_of_the_rfc_hold_both_ways),
      cmocka_unit_test(other_spellings_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

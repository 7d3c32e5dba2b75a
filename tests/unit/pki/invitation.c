#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pki/base64url.h"
#include "pki/invitation.h"

static struct invitation sample(void) {
  struct invitation invitation = {
      .address_count = 3,
      .address = {{"server.example.com", 443}, {"192.0.2.1", 4433}, {"2001:db8::1", 65535}},
  };
  for (size_t i = 0; i < PKI_HASH_SIZE; i++) {
    invitation.fingerprint[i] = (uint8_t)(i * 7 + 3);
  }
  for (size_t i = 0; i < INVITATION_SECRET_SIZE; i++) {
    invitation.secret[i] = (uint8_t)(251 - i * 11);
  }
  return invitation;
}

static void format(const struct invitation *invitation, char text[static INVITATION_TEXT_SIZE]) {
  struct error error = {0};
  if (invitation_format(invitation, text, &error) != 0) {
    fail_msg("%s", error.message);
  }
}

static void expect_refusal(const char *text) {
  struct invitation parsed, zero = {0};
  struct error error = {0};
  int code = invitation_parse(text, &parsed, &error);
  if (code != ERROR_INVALID) {
    fail_msg("\"%s\" gave %s", text, error_name(code));
  }
  assert_int_equal(error.code, ERROR_INVALID);
  assert_true(strlen(error.message) > 20);
  assert_memory_equal(&parsed, &zero, sizeof(zero));
}

static void what_was_written_is_read_back(void **state) {
  (void)state;
  struct invitation invitation = sample(), parsed;
  char text[INVITATION_TEXT_SIZE];
  struct error error = {0};
  format(&invitation, text);
  assert_int_equal(strncmp(text, "cyphonic:", 9), 0);
  assert_null(strpbrk(text, " \n=+/"));
  assert_int_equal(invitation_parse(text, &parsed, &error), 0);
  assert_memory_equal(&parsed, &invitation, sizeof(parsed));
}

static void surrounding_white_space_passes_and_inner_does_not(void **state) {
  (void)state;
  struct invitation invitation = sample(), parsed;
  char text[INVITATION_TEXT_SIZE], spaced[2 * INVITATION_TEXT_SIZE + 16];
  struct error error = {0};
  format(&invitation, text);
  snprintf(spaced, sizeof(spaced), " \t\r\n%s \r\n", text);
  assert_int_equal(invitation_parse(spaced, &parsed, &error), 0);
  assert_memory_equal(&parsed, &invitation, sizeof(parsed));
  snprintf(spaced, sizeof(spaced), "%.40s\n%s", text, text + 40);
  expect_refusal(spaced);
  snprintf(spaced, sizeof(spaced), "%s %s", text, text);
  expect_refusal(spaced);
}

static void each_single_mistyped_character_is_refused(void **state) {
  (void)state;
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                                 "=+/.: \n\x80";
  struct invitation invitation = sample();
  char text[INVITATION_TEXT_SIZE];
  format(&invitation, text);
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i++) {
    char right = text[i];
    for (size_t j = 0; j < sizeof(alphabet) - 1; j++) {
      /* White space for the last character leaves a truncated text, refused as well. */
      if (alphabet[j] != right) {
        text[i] = alphabet[j];
        expect_refusal(text);
      }
    }
    text[i] = right;
  }
}

static void lost_doubled_and_swapped_characters_are_refused(void **state) {
  (void)state;
  struct invitation invitation = sample();
  char text[INVITATION_TEXT_SIZE], wrong[2 * INVITATION_TEXT_SIZE];
  format(&invitation, text);
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i++) {
    snprintf(wrong, sizeof(wrong), "%.*s", (int)i, text);
    expect_refusal(wrong);
    snprintf(wrong, sizeof(wrong), "%.*s%s", (int)i, text, text + i + 1);
    expect_refusal(wrong);
    snprintf(wrong, sizeof(wrong), "%.*s%s", (int)i + 1, text, text + i);
    expect_refusal(wrong);
    if (i + 1 < length && text[i] != text[i + 1]) {
      strcpy(wrong, text);
      wrong[i] = text[i + 1];
      wrong[i + 1] = text[i];
      expect_refusal(wrong);
    }
  }
}

static void what_is_no_invitation_is_told_apart(void **state) {
  (void)state;
  static const char *const texts[] = {
      "", "   ", "cyphonic", "cyphonic:", "Cyphonic:", "cyphonic:A", "https://example.com/"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    expect_refusal(texts[i]);
  }
  char *huge = malloc(100001);
  assert_non_null(huge);
  memset(huge, 'A', 100000);
  huge[100000] = '\0';
  expect_refusal(huge);
  memcpy(huge, "cyphonic:", 9);
  expect_refusal(huge);
  memset(huge, ' ', 100000);
  expect_refusal(huge);
  free(huge);
}

/* Bytes with a check sum that holds, around a list of addresses of the test's own making. */
static void with_addresses(uint8_t version, const char *list, size_t size,
                           char text[static INVITATION_TEXT_SIZE]) {
  uint8_t bytes[2048] = {version}, hash[PKI_HASH_SIZE];
  size_t used = 1 + PKI_HASH_SIZE + INVITATION_SECRET_SIZE;
  memcpy(bytes + used, list, size);
  used += size;
  gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, used, hash);
  memcpy(bytes + used, hash, 4);
  strcpy(text, "cyphonic:");
  base64url_encode(bytes, used + 4, text + 9);
}

static void addresses_that_cannot_be_are_refused_though_the_sum_holds(void **state) {
  (void)state;
#define LIST(bytes)                                                                                \
  { bytes, sizeof(bytes) - 1 }
  static const struct {
    const char *list;
    size_t size;
  } wrong[] = {
      LIST(""),
      LIST("\0"),
      LIST("\x09"),
      LIST("\x01"),
      LIST("\x01\x05"
           "a:443x"),
      LIST("\x02\x05"
           "a:443"),
      LIST("\x01\x06"
           "a:443"),
      LIST("\x01\x00"),
      LIST("\x01\x01"
           "a"),
      LIST("\x01\x02"
           "a:"),
      LIST("\x01\x04"
           ":443"),
      LIST("\x01\x03"
           "a:0"),
      LIST("\x01\x04"
           "a:01"),
      LIST("\x01\x07"
           "a:65536"),
      LIST("\x01\x08"
           "a:100000"),
      LIST("\x01\x05"
           "a:4 3"),
      LIST("\x01\x05"
           "A:443"),
      LIST("\x01\x06"
           "a_:443"),
      LIST("\x01\x06"
           "a\0:443"),
      LIST("\x01\x06"
           "[]:443"),
      LIST("\x01\x05"
           "[:443"),
      LIST("\x01\x05"
           "]:443"),
      LIST("\x01\x07"
           "::1:443"),
      LIST("\x01\x07"
           "[a]:443"),
      LIST("\x01\x08"
           "[::1:443"),
      LIST("\x01\x0d"
           "[::1%eth0]:44"),
      LIST("\x01\x0f"
           "[0:0::0:0:1]:44"),
      LIST("\x01\x0d"
           "[1.2.3.4]:443"),
  };
  char text[INVITATION_TEXT_SIZE];
  struct invitation parsed;
  struct error error = {0};
  with_addresses(1,
                 "\x02\x05"
                 "a:443\x09[::1]:443",
                 17, text);
  assert_int_equal(invitation_parse(text, &parsed, &error), 0);
  assert_string_equal(parsed.address[1].host, "::1");
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    with_addresses(1, wrong[i].list, wrong[i].size, text);
    expect_refusal(text);
  }
  with_addresses(2,
                 "\x01\x05"
                 "a:443",
                 7, text);
  expect_refusal(text);
#undef LIST
}

static void what_cannot_be_written_is_refused(void **state) {
  (void)state;
  static const char *const hosts[] = {"",      "a b",  "A",   "a_b", "*.a",
                                      "[::1]", "::01", "a:1", "a.",  "-a"};
  char text[INVITATION_TEXT_SIZE];
  struct error error = {0};
  for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
    struct invitation invitation = sample();
    strcpy(invitation.address[1].host, hosts[i]);
    assert_int_equal(invitation_format(&invitation, text, &error), ERROR_INVALID);
    assert_string_equal(text, "");
  }
  struct invitation invitation = sample();
  invitation.address[0].port = 0;
  assert_int_equal(invitation_format(&invitation, text, &error), ERROR_INVALID);
  invitation = sample();
  invitation.address_count = 0;
  assert_int_equal(invitation_format(&invitation, text, &error), ERROR_LIMIT);
  invitation.address_count = INVITATION_ADDRESSES_MAX + 1;
  assert_int_equal(invitation_format(&invitation, text, &error), ERROR_LIMIT);
  invitation = sample();
  memset(invitation.address[2].host, 'a', INVITATION_HOST_SIZE);
  assert_int_equal(invitation_format(&invitation, text, &error), ERROR_INVALID);
}

static void the_longest_invitation_fits_and_longer_names_do_not(void **state) {
  (void)state;
  struct invitation invitation = sample(), parsed;
  char text[INVITATION_TEXT_SIZE];
  struct error error = {0};
  invitation.address_count = INVITATION_ADDRESSES_MAX;
  for (size_t i = 0; i < INVITATION_ADDRESSES_MAX; i++) {
    char *host = invitation.address[i].host;
    memset(host, 0, INVITATION_HOST_SIZE);
    for (size_t j = 0; j < 249; j++) {
      host[j] = j % 60 == 59 ? '.' : 'a';
    }
    invitation.address[i].port = 65535;
  }
  format(&invitation, text);
  assert_int_equal(invitation_parse(text, &parsed, &error), 0);
  assert_memory_equal(&parsed, &invitation, sizeof(parsed));
  invitation.address[7].host[249] = 'a';
  assert_int_equal(invitation_format(&invitation, text, &error), ERROR_LIMIT);
  assert_string_equal(text, "");
  invitation.address[7].port = 443;
  format(&invitation, text);
}

static void the_database_keeps_the_hash_of_the_secret(void **state) {
  (void)state;
  /* SHA-256 of sixteen zero bytes. */
  static const uint8_t expected[] = {0x37, 0x47, 0x08, 0xff, 0xf7, 0x71, 0x9d, 0xd5,
                                     0x97, 0x9e, 0xc8, 0x75, 0xd5, 0x6c, 0xd2, 0x28,
                                     0x6f, 0x6d, 0x3c, 0xf7, 0xec, 0x31, 0x7a, 0x3b,
                                     0x25, 0x63, 0x2a, 0xab, 0x28, 0xec, 0x37, 0xbb};
  const uint8_t secret[INVITATION_SECRET_SIZE] = {0};
  uint8_t hash[PKI_HASH_SIZE];
  invitation_secret_hash(secret, hash);
  assert_memory_equal(hash, expected, sizeof(expected));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_written_is_read_back),
      cmocka_unit_test(surrounding_white_space_passes_and_inner_does_not),
      cmocka_unit_test(each_single_mistyped_character_is_refused),
      cmocka_unit_test(lost_doubled_and_swapped_characters_are_refused),
      cmocka_unit_test(what_is_no_invitation_is_told_apart),
      cmocka_unit_test(addresses_that_cannot_be_are_refused_though_the_sum_holds),
      cmocka_unit_test(what_cannot_be_written_is_refused),
      cmocka_unit_test(the_longest_invitation_fits_and_longer_names_do_not),
      cmocka_unit_test(the_database_keeps_the_hash_of_the_secret),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

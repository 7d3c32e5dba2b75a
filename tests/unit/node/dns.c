#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/dns.h"

enum { TYPE_A = 1, TYPE_SOA = 6, TYPE_PTR = 12, TYPE_AAAA = 28, TYPE_OPT = 41, TYPE_ANY = 255 };

struct message {
  uint8_t data[2048];
  size_t size;
};

static void put(struct message *message, const void *data, size_t size) {
  memcpy(message->data + message->size, data, size);
  message->size += size;
}

static void put_u16(struct message *message, unsigned value) {
  uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
  put(message, bytes, 2);
}

static void put_name(struct message *message, const char *name) {
  while (*name != '\0') {
    const char *dot = strchr(name, '.');
    size_t size = dot != NULL ? (size_t)(dot - name) : strlen(name);
    uint8_t length = (uint8_t)size;
    put(message, &length, 1);
    put(message, name, size);
    name += size + (dot != NULL ? 1 : 0);
  }
  put(message, "", 1);
}

static struct message header(unsigned flags, unsigned questions, unsigned additional) {
  struct message message = {.size = 0};
  put_u16(&message, 0xabcd);
  put_u16(&message, flags);
  put_u16(&message, questions);
  put_u16(&message, 0);
  put_u16(&message, 0);
  put_u16(&message, additional);
  return message;
}

static struct message query(const char *name, unsigned type) {
  struct message message = header(0x0100, 1, 0);
  put_name(&message, name);
  put_u16(&message, type);
  put_u16(&message, 1);
  return message;
}

static struct message query_edns(const char *name, unsigned type, unsigned version) {
  struct message message = query(name, type);
  message.data[11] = 1;
  put(&message, "", 1);
  put_u16(&message, TYPE_OPT);
  put_u16(&message, 4096);
  put_u16(&message, version);
  put_u16(&message, 0);
  put_u16(&message, 0);
  return message;
}

static struct span span_of(const struct message *message) {
  return (struct span){.data = message->data, .size = message->size};
}

static unsigned u16_at(const uint8_t *data, size_t offset) {
  return (unsigned)(data[offset] << 8 | data[offset + 1]);
}

static void assert_question(const struct message *message, enum dns_kind kind, const char *name) {
  struct dns_question question;
  bool answerable;
  int rcode;
  assert_int_equal(dns_query_parse(span_of(message), &question, &answerable, &rcode), ERROR_NONE);
  assert_true(answerable);
  assert_int_equal(question.kind, kind);
  assert_string_equal(question.name, name);
}

static void assert_refused(const struct message *message, bool expected_answerable,
                           int expected_rcode) {
  struct dns_question question;
  bool answerable;
  int rcode;
  assert_int_equal(dns_query_parse(span_of(message), &question, &answerable, &rcode),
                   ERROR_INVALID);
  assert_int_equal(answerable, expected_answerable);
  if (expected_answerable) {
    assert_int_equal(rcode, expected_rcode);
  }
}

static void a_name_is_read_in_lower_case(void **state) {
  (void)state;
  struct message message = query("LapTop.Cyphonic.INTERNAL", TYPE_A);
  assert_question(&message, DNS_A, "laptop.cyphonic.internal");
  message = query("laptop.cyphonic.internal", TYPE_AAAA);
  assert_question(&message, DNS_AAAA, "laptop.cyphonic.internal");
  message = query("", TYPE_A);
  assert_question(&message, DNS_A, "");
}

static void other_types_are_told_as_other(void **state) {
  (void)state;
  struct message message = query("a.b", TYPE_ANY);
  assert_question(&message, DNS_OTHER, "a.b");
  message = query("a.b", TYPE_SOA);
  assert_question(&message, DNS_OTHER, "a.b");
  message = query("a.b", TYPE_PTR);
  assert_question(&message, DNS_OTHER, "a.b");
}

static void a_reverse_name_gives_its_address(void **state) {
  (void)state;
  struct dns_question question;
  bool answerable;
  int rcode;
  char text[ADDRESS_TEXT_SIZE];
  struct message message = query("4.3.20.10.IN-ADDR.ARPA", TYPE_PTR);
  assert_int_equal(dns_query_parse(span_of(&message), &question, &answerable, &rcode), 0);
  assert_int_equal(question.kind, DNS_REVERSE);
  assert_string_equal(ip_address_text(&question.address, text), "10.20.3.4");
  message =
      query("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.a.9.8.7.6.5.4.3.d.f.ip6.arpa", TYPE_PTR);
  assert_int_equal(dns_query_parse(span_of(&message), &question, &answerable, &rcode), 0);
  assert_int_equal(question.kind, DNS_REVERSE);
  assert_string_equal(ip_address_text(&question.address, text), "fd34:5678:9abc::1");
}

static void names_that_look_like_reverse_names_are_not_taken_for_them(void **state) {
  (void)state;
  static const char *const names[] = {
      "20.10.in-addr.arpa",
      "5.4.3.20.10.in-addr.arpa",
      "256.3.20.10.in-addr.arpa",
      "04.3.20.10.in-addr.arpa",
      "x.3.20.10.in-addr.arpa",
      "1.ip6.arpa",
      "in-addr.arpa",
      "4.3.20.10.in-addr.arpa.x",
  };
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    struct message message = query(names[i], TYPE_PTR);
    assert_question(&message, DNS_OTHER, names[i]);
  }
}

static void a_zone_of_the_reverse_tree_is_a_prefix(void **state) {
  (void)state;
  struct ip_prefix prefix;
  char text[ADDRESS_TEXT_SIZE];
  assert_int_equal(dns_reverse_parse("20.10.in-addr.arpa", &prefix), ERROR_NONE);
  assert_string_equal(ip_prefix_text(&prefix, text), "10.20.0.0/16");
  assert_int_equal(dns_reverse_parse("3.d.f.ip6.arpa", &prefix), ERROR_NONE);
  assert_string_equal(ip_prefix_text(&prefix, text), "fd30::/12");
  assert_int_equal(dns_reverse_parse("g.d.f.ip6.arpa", &prefix), ERROR_INVALID);
  assert_int_equal(dns_reverse_parse("example.org", &prefix), ERROR_INVALID);
  assert_int_equal(dns_reverse_parse("..in-addr.arpa", &prefix), ERROR_INVALID);
}

static void an_answer_echoes_the_question_as_it_was_asked(void **state) {
  (void)state;
  struct message message = query("LaPtOp.x.internal", TYPE_A);
  struct ip_address ip = {.family = 4, .bytes = {10, 1, 2, 3}};
  uint8_t reply[DNS_MESSAGE_MAX];
  size_t size = dns_answer_address(span_of(&message), &ip, reply);
  assert_int_equal(size, message.size + 16);
  assert_int_equal(u16_at(reply, 0), 0xabcd);
  /* QR, AA, RD echoed, no error */
  assert_int_equal(u16_at(reply, 2), 0x8500);
  assert_int_equal(u16_at(reply, 6), 1);
  assert_memory_equal(reply + 12, message.data + 12, message.size - 12);
  const uint8_t *record = reply + message.size;
  assert_int_equal(u16_at(record, 0), 0xc00c);
  assert_int_equal(u16_at(record, 2), TYPE_A);
  assert_int_equal(u16_at(record, 6) << 16 | u16_at(record, 8), DNS_TTL);
  assert_int_equal(u16_at(record, 10), 4);
  assert_memory_equal(record + 12, ip.bytes, 4);
}

static void an_ipv6_answer_has_sixteen_bytes(void **state) {
  (void)state;
  struct message message = query("a.x.internal", TYPE_AAAA);
  struct ip_address ip = {.family = 6, .bytes = {0xfd, 1, 2, 3, [15] = 9}};
  uint8_t reply[DNS_MESSAGE_MAX];
  size_t size = dns_answer_address(span_of(&message), &ip, reply);
  assert_int_equal(size, message.size + 28);
  assert_int_equal(u16_at(reply, message.size + 2), TYPE_AAAA);
  assert_memory_equal(reply + message.size + 12, ip.bytes, 16);
}

static void a_reverse_answer_has_the_name(void **state) {
  (void)state;
  struct message message = query("4.3.20.10.in-addr.arpa", TYPE_PTR);
  uint8_t reply[DNS_MESSAGE_MAX];
  size_t size = dns_answer_name(span_of(&message), "laptop.x.internal", reply);
  static const uint8_t name[] = "\6laptop\1x\10internal";
  assert_true(size > message.size + 12 + sizeof(name) - 1);
  assert_int_equal(u16_at(reply, message.size + 2), TYPE_PTR);
  assert_memory_equal(reply + message.size + 12, name, sizeof(name));
}

static void edns_is_answered_with_edns(void **state) {
  (void)state;
  struct message plain = query("a.x.internal", TYPE_A);
  struct message message = query_edns("a.x.internal", TYPE_A, 0);
  assert_question(&message, DNS_A, "a.x.internal");
  struct ip_address ip = {.family = 4, .bytes = {10, 1, 2, 3}};
  uint8_t reply[DNS_MESSAGE_MAX];
  size_t size = dns_answer_address(span_of(&message), &ip, reply);
  assert_int_equal(size, plain.size + 16 + 11);
  assert_int_equal(u16_at(reply, 10), 1);
  const uint8_t *record = reply + plain.size + 16;
  assert_int_equal(record[0], 0);
  assert_int_equal(u16_at(record, 1), TYPE_OPT);
  assert_int_equal(u16_at(record, 3), DNS_MESSAGE_MAX);
}

static void another_version_of_edns_is_told_so(void **state) {
  (void)state;
  struct message plain = query("a.x.internal", TYPE_A);
  struct message message = query_edns("a.x.internal", TYPE_A, 1);
  assert_refused(&message, true, DNS_RCODE_BAD_VERSION);
  uint8_t reply[DNS_MESSAGE_MAX];
  size_t size = dns_answer_empty(span_of(&message), DNS_RCODE_BAD_VERSION, reply);
  assert_int_equal(size, plain.size + 11);
  assert_int_equal(reply[3] & 0x0f, 0);
  assert_int_equal(reply[plain.size + 5], 1); /* the upper bits of the code */
}

static void an_error_has_no_records(void **state) {
  (void)state;
  struct message message = query("no.x.internal", TYPE_A);
  uint8_t reply[DNS_MESSAGE_MAX];
  size_t size = dns_answer_empty(span_of(&message), DNS_RCODE_NO_NAME, reply);
  assert_int_equal(size, message.size);
  assert_int_equal(u16_at(reply, 2), 0x8503);
  size = dns_answer_empty(span_of(&message), DNS_RCODE_FAILURE, reply);
  assert_int_equal(size, message.size);
  assert_int_equal(u16_at(reply, 2), 0x8102); /* nothing authoritative about a failure */
  size = dns_answer_empty(span_of(&message), DNS_RCODE_OK, reply);
  assert_int_equal(u16_at(reply, 2), 0x8500);
  assert_int_equal(u16_at(reply, 6), 0);
}

static void an_answer_is_never_answered(void **state) {
  (void)state;
  struct message message = query("a.x.internal", TYPE_A);
  message.data[2] |= 0x80;
  assert_refused(&message, false, 0);
}

static void what_is_no_dns_is_never_answered(void **state) {
  (void)state;
  struct message message = {.data = {1, 2, 3}, .size = 3};
  assert_refused(&message, false, 0);
  message.size = 0;
  assert_refused(&message, false, 0);
  message = query("a.x.internal", TYPE_A);
  message.size = DNS_MESSAGE_MAX + 1;
  assert_refused(&message, false, 0);
}

static void a_broken_question_is_a_format_error_without_a_question(void **state) {
  (void)state;
  struct message message = query("a.x.internal", TYPE_A);
  message.size -= 3;
  assert_refused(&message, true, DNS_RCODE_FORMAT);
  uint8_t reply[DNS_MESSAGE_MAX];
  size_t size = dns_answer_empty(span_of(&message), DNS_RCODE_FORMAT, reply);
  assert_int_equal(size, 12);
  assert_int_equal(u16_at(reply, 4), 0);
  assert_int_equal(reply[3] & 0x0f, DNS_RCODE_FORMAT);
}

static void none_or_two_questions_are_a_format_error(void **state) {
  (void)state;
  struct message message = header(0x0100, 0, 0);
  assert_refused(&message, true, DNS_RCODE_FORMAT);
  message = query("a.x.internal", TYPE_A);
  message.data[5] = 2;
  put_name(&message, "b.x.internal");
  put_u16(&message, TYPE_A);
  put_u16(&message, 1);
  assert_refused(&message, true, DNS_RCODE_FORMAT);
}

static void other_operations_are_not_implemented(void **state) {
  (void)state;
  struct message message = query("a.x.internal", TYPE_A);
  message.data[2] = 0x28; /* UPDATE */
  assert_refused(&message, true, DNS_RCODE_NOT_IMPLEMENTED);
}

static void other_classes_are_refused(void **state) {
  (void)state;
  struct message message = query("version.bind", 16);
  message.data[message.size - 1] = 3; /* CHAOS */
  assert_refused(&message, true, DNS_RCODE_REFUSED);
}

static void names_that_are_no_printable_text_are_refused(void **state) {
  (void)state;
  static const char *const names[] = {"a\001b.x.internal", "a b.x.internal", "a\\b.x.internal",
                                      "\xc3\xa4.x.internal"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    struct message message = query(names[i], TYPE_A);
    assert_refused(&message, true, DNS_RCODE_REFUSED);
  }
  /* "a.b" as one label is not the name a.b */
  struct message message = query("a-b.x", TYPE_A);
  message.data[14] = '.';
  assert_refused(&message, true, DNS_RCODE_REFUSED);
}

static void the_longest_name_passes(void **state) {
  (void)state;
  char name[DNS_NAME_SIZE];
  memset(name, 'a', sizeof(name) - 1);
  name[63] = name[127] = name[191] = '.';
  name[sizeof(name) - 1] = '\0';
  struct message message = query(name, TYPE_A);
  assert_question(&message, DNS_A, name);
  struct ip_address ip = {.family = 4, .bytes = {10, 1, 2, 3}};
  uint8_t reply[DNS_MESSAGE_MAX];
  assert_int_equal(dns_answer_address(span_of(&message), &ip, reply), message.size + 16);
}

static void what_cannot_be_built_is_not_sent(void **state) {
  (void)state;
  struct message message = query("a.x.internal", TYPE_A);
  struct ip_address none = {.family = 0};
  uint8_t reply[DNS_MESSAGE_MAX];
  assert_int_equal(dns_answer_address(span_of(&message), &none, reply), 0);
  assert_int_equal(dns_answer_name(span_of(&message), "..", reply), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_is_read_in_lower_case),
      cmocka_unit_test(other_types_are_told_as_other),
      cmocka_unit_test(a_reverse_name_gives_its_address),
      cmocka_unit_test(names_that_look_like_reverse_names_are_not_taken_for_them),
      cmocka_unit_test(a_zone_of_the_reverse_tree_is_a_prefix),
      cmocka_unit_test(an_answer_echoes_the_question_as_it_was_asked),
      cmocka_unit_test(an_ipv6_answer_has_sixteen_bytes),
      cmocka_unit_test(a_reverse_answer_has_the_name),
      cmocka_unit_test(edns_is_answered_with_edns),
      cmocka_unit_test(another_version_of_edns_is_told_so),
      cmocka_unit_test(an_error_has_no_records),
      cmocka_unit_test(an_answer_is_never_answered),
      cmocka_unit_test(what_is_no_dns_is_never_answered),
      cmocka_unit_test(a_broken_question_is_a_format_error_without_a_question),
      cmocka_unit_test(none_or_two_questions_are_a_format_error),
      cmocka_unit_test(other_operations_are_not_implemented),
      cmocka_unit_test(other_classes_are_refused),
      cmocka_unit_test(names_that_are_no_printable_text_are_refused),
      cmocka_unit_test(the_longest_name_passes),
      cmocka_unit_test(what_cannot_be_built_is_not_sent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

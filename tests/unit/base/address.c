#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/address.h"

static struct ip_address ip(const char *text) {
  struct ip_address parsed;
  if (ip_address_parse(text, &parsed) != 0) {
    fail_msg("%s does not parse", text);
  }
  return parsed;
}

static struct ip_prefix prefix(const char *text) {
  struct ip_prefix parsed;
  if (ip_prefix_parse(text, &parsed) != 0) {
    fail_msg("%s does not parse", text);
  }
  return parsed;
}

static void ip_addresses_print_as_they_parse(void **state UNUSED) {
  static const char *const texts[] = {
      "0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "ff02::1"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct ip_address parsed = ip(texts[i]);
    char text[ADDRESS_TEXT_SIZE];
    assert_string_equal(ip_address_text(&parsed, text), texts[i]);
  }
  struct ip_address none = {0};
  char text[ADDRESS_TEXT_SIZE];
  assert_string_equal(ip_address_text(&none, text), "-");
}

static void what_is_no_ip_address_is_refused(void **state UNUSED) {
  static const char *const texts[] = {
      "",      "1.2.3", "1.2.3.256",         "1.2.3.4.5", "01.2.3.4x", "example",
      "[::1]", ":::",   "1:2:3:4:5:6:7:8:9", "::1%lo",    " 1.2.3.4",  "1.2.3.4 "};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct ip_address parsed;
    if (ip_address_parse(texts[i], &parsed) != ERROR_INVALID) {
      fail_msg("'%s' was taken", texts[i]);
    }
  }
}

static void raw_bytes_make_an_address_only_with_4_or_16(void **state UNUSED) {
  const uint8_t bytes[17] = {192, 0, 2, 1};
  struct ip_address parsed;
  assert_int_equal(ip_address_from_bytes(&parsed, bytes, 4), 0);
  struct ip_address expected = ip("192.0.2.1");
  assert_memory_equal(&parsed, &expected, sizeof(parsed));
  assert_int_equal(ip_address_size(&parsed), 4);
  assert_int_equal(ip_address_from_bytes(&parsed, bytes, 16), 0);
  assert_int_equal(ip_address_size(&parsed), 16);
  static const size_t wrong[] = {0, 1, 3, 5, 15, 17};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    assert_int_equal(ip_address_from_bytes(&parsed, bytes, wrong[i]), ERROR_INVALID);
  }
}

static void equal_means_family_and_bytes(void **state UNUSED) {
  struct ip_address a = ip("1.2.3.4"), b = ip("1.2.3.4"), c = ip("1.2.3.5"), d = ip("102:304::");
  assert_true(ip_address_equal(&a, &b));
  assert_false(ip_address_equal(&a, &c));
  assert_false(ip_address_equal(&a, &d));
  struct ip_address none = {0};
  assert_true(ip_address_is_set(&a));
  assert_false(ip_address_is_set(&none));
  assert_int_equal(ip_address_size(&none), 0);
}

enum { GLOBAL = 1, LOOPBACK = 2, LINK_LOCAL = 4, MULTICAST = 8 };

static void addresses_are_classified_by_the_ranges_of_the_rfcs(void **state UNUSED) {
  static const struct {
    const char *text;
    int class;
  } table[] = {
      {"8.8.8.8", GLOBAL},
      {"9.255.255.255", GLOBAL},
      {"10.0.0.0", 0},
      {"10.255.255.255", 0},
      {"11.0.0.0", GLOBAL},
      {"100.63.255.255", GLOBAL},
      {"100.64.0.0", 0},
      {"100.127.255.255", 0},
      {"100.128.0.0", GLOBAL},
      {"127.0.0.1", LOOPBACK},
      {"127.255.0.1", LOOPBACK},
      {"169.254.1.1", LINK_LOCAL},
      {"172.15.255.255", GLOBAL},
      {"172.16.0.0", 0},
      {"172.31.255.255", 0},
      {"172.32.0.0", GLOBAL},
      {"192.168.0.1", 0},
      {"192.169.0.1", GLOBAL},
      {"224.0.0.1", MULTICAST},
      {"239.255.255.255", MULTICAST},
      {"240.0.0.1", 0},
      {"255.255.255.255", 0},
      {"0.0.0.0", 0},
      {"::", 0},
      {"::1", LOOPBACK},
      {"2001:db8::1", GLOBAL},
      {"2606:4700::1111", GLOBAL},
      {"fbff::1", GLOBAL},
      {"fc00::1", 0},
      {"fdff::1", 0},
      {"fe80::1", LINK_LOCAL},
      {"febf::1", LINK_LOCAL},
      {"ff02::1", MULTICAST},
      {"::ffff:8.8.8.8", 0},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    struct ip_address address = ip(table[i].text);
    int class = (ip_address_is_global(&address) ? GLOBAL : 0) |
                (ip_address_is_loopback(&address) ? LOOPBACK : 0) |
                (ip_address_is_link_local(&address) ? LINK_LOCAL : 0) |
                (ip_address_is_multicast(&address) ? MULTICAST : 0);
    if (class != table[i].class) {
      fail_msg("%s is %d, not %d", table[i].text, class, table[i].class);
    }
  }
  struct ip_address none = {0};
  assert_false(ip_address_is_global(&none));
  assert_false(ip_address_is_loopback(&none));
}

static void prefixes_print_as_they_parse(void **state UNUSED) {
  static const char *const texts[] = {"0.0.0.0/0", "10.77.0.0/16", "10.77.128.0/17", "1.2.3.4/32",
                                      "::/0",      "fd00:77::/64", "2001:db8::1/128"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct ip_prefix parsed = prefix(texts[i]);
    char text[ADDRESS_TEXT_SIZE];
    assert_string_equal(ip_prefix_text(&parsed, text), texts[i]);
  }
}

static void what_is_no_prefix_is_refused(void **state UNUSED) {
  static const char *const texts[] = {
      "",
      "10.0.0.0",
      "10.0.0.0/",
      "/8",
      "10.0.0.0/33",
      "10.0.0.1/8",
      "10.0.0.0/-1",
      "10.0.0.0/+8",
      "10.0.0.0/8x",
      "::/129",
      "fd00::1/64",
      "10.0.0.0/8/8",
      "10.0.0.0/99999999999999999999",
      "1111111111111111111111111111111111111111111111111111111111111111111111/8"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct ip_prefix parsed;
    if (ip_prefix_parse(texts[i], &parsed) != ERROR_INVALID) {
      fail_msg("'%s' was taken", texts[i]);
    }
  }
}

static void a_prefix_contains_what_shares_its_bits(void **state UNUSED) {
  static const struct {
    const char *prefix, *ip;
    bool inside;
  } table[] = {
      {"10.77.0.0/16", "10.77.255.255", true},
      {"10.77.0.0/16", "10.78.0.0", false},
      {"10.77.128.0/17", "10.77.127.1", false},
      {"10.77.128.0/17", "10.77.200.1", true},
      {"0.0.0.0/0", "255.1.2.3", true},
      {"0.0.0.0/0", "::", false},
      {"1.2.3.4/32", "1.2.3.4", true},
      {"1.2.3.4/32", "1.2.3.5", false},
      {"fd00:77::/64", "fd00:77::ffff", true},
      {"fd00:77::/64", "fd00:77:0:1::", false},
      {"::1/128", "::1", true},
      {"::/0", "0.0.0.0", false},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    struct ip_prefix range = prefix(table[i].prefix);
    struct ip_address address = ip(table[i].ip);
    if (ip_prefix_contains(&range, &address) != table[i].inside) {
      fail_msg("%s in %s", table[i].ip, table[i].prefix);
    }
  }
}

static void prefixes_overlap_either_way_round(void **state UNUSED) {
  static const struct {
    const char *a, *b;
    bool overlap;
  } table[] = {
      {"10.0.0.0/8", "10.77.0.0/16", true},
      {"10.77.0.0/16", "10.77.0.0/16", true},
      {"10.76.0.0/16", "10.77.0.0/16", false},
      {"0.0.0.0/0", "10.0.0.0/8", true},
      {"::/0", "0.0.0.0/0", false},
      {"fd00::/8", "fd00:77::/64", true},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    struct ip_prefix a = prefix(table[i].a), b = prefix(table[i].b);
    assert_int_equal(ip_prefix_overlaps(&a, &b), table[i].overlap);
    assert_int_equal(ip_prefix_overlaps(&b, &a), table[i].overlap);
  }
}

static void endpoints_print_as_they_parse(void **state UNUSED) {
  static const char *const texts[] = {"192.0.2.1:443", "[2001:db8::1]:443", "[::]:1",
                                      "0.0.0.0:65535"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct address parsed;
    char text[ADDRESS_TEXT_SIZE];
    assert_int_equal(address_parse(texts[i], 1, &parsed), 0);
    assert_string_equal(address_text(&parsed, text), texts[i]);
  }
}

static void the_longest_endpoint_fits_its_text(void **state UNUSED) {
  struct address address = {.ip = {.family = 6}, .port = 65535};
  memset(address.ip.bytes, 0xff, 16);
  char text[ADDRESS_TEXT_SIZE];
  assert_string_equal(address_text(&address, text),
                      "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void without_a_port_the_default_is_taken(void **state UNUSED) {
  static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "[2001:db8::1]"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct address parsed;
    assert_int_equal(address_parse(texts[i], 4501, &parsed), 0);
    assert_int_equal(parsed.port, 4501);
  }
}

static void what_is_no_endpoint_is_refused(void **state UNUSED) {
  static const char *const texts[] = {
      "",
      ":443",
      "192.0.2.1:",
      "192.0.2.1:0",
      "192.0.2.1:65536",
      "192.0.2.1:+1",
      "192.0.2.1:x",
      "192.0.2.1: 1",
      "[192.0.2.1]",
      "[::1",
      "[::1]x",
      "[::1]:",
      "[]:443",
      "example:443",
      "::1:65536:x",
      "[::1]]:1",
      "2222222222222222222222222222222222222222222222222222222222222222222222222222:1"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct address parsed;
    if (address_parse(texts[i], 443, &parsed) != ERROR_INVALID) {
      fail_msg("'%s' was taken", texts[i]);
    }
  }
}

static void endpoints_differ_by_port_or_address(void **state UNUSED) {
  struct address a = {ip("192.0.2.1"), 443}, b = a, c = {ip("192.0.2.1"), 444},
                 d = {ip("192.0.2.2"), 443};
  assert_true(address_equal(&a, &b));
  assert_false(address_equal(&a, &c));
  assert_false(address_equal(&a, &d));
}

static void socket_addresses_go_there_and_back(void **state UNUSED) {
  static const char *const texts[] = {"192.0.2.1:443", "[2001:db8::1]:65535"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct address before, after;
    struct sockaddr_storage storage;
    assert_int_equal(address_parse(texts[i], 1, &before), 0);
    socklen_t size = address_to_sockaddr(&before, &storage);
    assert_int_equal(size, before.ip.family == 4 ? sizeof(struct sockaddr_in)
                                                 : sizeof(struct sockaddr_in6));
    assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, &after), 0);
    assert_true(address_equal(&before, &after));
  }
}

static void an_ipv4_mapped_socket_address_becomes_ipv4(void **state UNUSED) {
  struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
  assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr), 1);
  struct address address;
  assert_int_equal(address_from_sockaddr((struct sockaddr *)&mapped, &address), 0);
  char text[ADDRESS_TEXT_SIZE];
  assert_string_equal(address_text(&address, text), "192.0.2.1:53");
}

static void a_socket_address_of_another_family_is_refused(void **state UNUSED) {
  struct sockaddr_storage local = {.ss_family = AF_UNIX};
  struct address address;
  assert_int_equal(address_from_sockaddr((struct sockaddr *)&local, &address), ERROR_INVALID);
  assert_int_equal(address.ip.family, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ip_addresses_print_as_they_parse),
      cmocka_unit_test(what_is_no_ip_address_is_refused),
      cmocka_unit_test(raw_bytes_make_an_address_only_with_4_or_16),
      cmocka_unit_test(equal_means_family_and_bytes),
      cmocka_unit_test(addresses_are_classified_by_the_ranges_of_the_rfcs),
      cmocka_unit_test(prefixes_print_as_they_parse),
      cmocka_unit_test(what_is_no_prefix_is_refused),
      cmocka_unit_test(a_prefix_contains_what_shares_its_bits),
      cmocka_unit_test(prefixes_overlap_either_way_round),
      cmocka_unit_test(endpoints_print_as_they_parse),
      cmocka_unit_test(the_longest_endpoint_fits_its_text),
      cmocka_unit_test(without_a_port_the_default_is_taken),
      cmocka_unit_test(what_is_no_endpoint_is_refused),
      cmocka_unit_test(endpoints_differ_by_port_or_address),
      cmocka_unit_test(socket_addresses_go_there_and_back),
      cmocka_unit_test(an_ipv4_mapped_socket_address_becomes_ipv4),
      cmocka_unit_test(a_socket_address_of_another_family_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

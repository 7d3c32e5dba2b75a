#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/host_addresses.h"

static struct ip_address ip(const char *text) {
  struct ip_address address;
  assert_int_equal(ip_address_parse(text, &address), 0);
  return address;
}

static struct ip_prefix prefix(const char *text) {
  struct ip_prefix parsed;
  assert_int_equal(ip_prefix_parse(text, &parsed), 0);
  return parsed;
}

static void what_a_peer_may_be_told_of(void **state) {
  (void)state;
  struct host_filter filter = {
      .except = 7, .ipv4_overlay = prefix("10.9.0.0/16"), .ipv6_overlay = prefix("fd12::/64")};
  const struct {
    struct netlink_address address;
    bool wanted;
  } cases[] = {
      {{.interface = 2, .ip = ip("192.0.2.1"), .length = 24}, true},
      {{.interface = 2, .ip = ip("192.168.1.4"), .length = 24}, true},
      {{.interface = 2, .ip = ip("2001:db8::1"), .length = 64}, true},
      {{.interface = 2, .ip = ip("2001:db8::2"), .length = 64, .temporary = true}, true},
      {{.interface = 2, .ip = ip("2001:db8::3"), .length = 64, .deprecated = true}, false},
      {{.interface = 2, .ip = ip("2001:db8::4"), .length = 64, .tentative = true}, false},
      {{.interface = 1, .ip = ip("127.0.0.1"), .length = 8}, false},
      {{.interface = 1, .ip = ip("::1"), .length = 128}, false},
      {{.interface = 2, .ip = ip("169.254.3.4"), .length = 16}, false},
      {{.interface = 2, .ip = ip("fe80::1"), .length = 64}, false},
      {{.interface = 7, .ip = ip("192.0.2.7"), .length = 24}, false}, /* our own device */
      {{.interface = 3, .ip = ip("10.9.0.5"), .length = 16}, false},  /* of the overlay */
      {{.interface = 3, .ip = ip("fd12::5"), .length = 64}, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[ADDRESS_TEXT_SIZE];
    if (host_address_wanted(&cases[i].address, &filter) != cases[i].wanted)
      fail_msg("%s", ip_address_text(&cases[i].address.ip, text));
  }
}

static void the_order_in_which_addresses_come_does_not_matter(void **state) {
  (void)state;
  struct ip_address items[] = {ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2")};
  struct host_addresses a = {0}, b = {0};
  for (size_t i = 0; i < 3; i++) {
    host_addresses_add(&a, &items[i]);
    host_addresses_add(&b, &items[2 - i]);
  }
  host_addresses_add(&a, &items[0]); /* twice is once */
  assert_int_equal(a.count, 3);
  assert_true(host_addresses_equal(&a, &b));
  assert_true(host_addresses_have(&a, &items[1]));
  assert_true(host_addresses_have_family(&a, 6));
  struct host_addresses none = {0};
  assert_false(host_addresses_equal(&a, &none));
  assert_false(host_addresses_have_family(&none, 4));
}

static void the_list_is_bounded(void **state) {
  (void)state;
  struct host_addresses list = {0};
  for (uint8_t i = 0; i < HOST_ADDRESSES_MAX + 4; i++) {
    struct ip_address item = {.family = 4, .bytes = {192, 0, 2, i}};
    host_addresses_add(&list, &item);
  }
  assert_int_equal(list.count, HOST_ADDRESSES_MAX);
}

static void a_local_network_that_overlaps_is_noticed(void **state) {
  (void)state;
  struct ip_prefix range = prefix("10.9.0.0/16");
  struct netlink_address inside = {.interface = 2, .ip = ip("10.9.3.4"), .length = 24};
  struct netlink_address around = {.interface = 2, .ip = ip("10.200.3.4"), .length = 8};
  struct netlink_address beside = {.interface = 2, .ip = ip("10.10.3.4"), .length = 16};
  struct netlink_address other = {.interface = 2, .ip = ip("2001:db8::1"), .length = 64};
  assert_true(host_network_overlaps(&inside, 7, &range));
  assert_true(host_network_overlaps(&around, 7, &range));
  assert_false(host_network_overlaps(&beside, 7, &range));
  assert_false(host_network_overlaps(&other, 7, &range));
  assert_false(host_network_overlaps(&inside, 2, &range)); /* our own device */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_peer_may_be_told_of),
      cmocka_unit_test(the_order_in_which_addresses_come_does_not_matter),
      cmocka_unit_test(the_list_is_bounded),
      cmocka_unit_test(a_local_network_that_overlaps_is_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "../store/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nms/allocator.h"

/* The prefixes of the place's network, changed for a test. */
static struct store *with_prefixes(struct place *place, const char *ipv4, const char *ipv6) {
  char text[256];
  snprintf(text, sizeof(text), "UPDATE network SET ipv4 = '%s', ipv6 = '%s'", ipv4, ipv6);
  meddle(place, text);
  return place->store;
}

static int64_t device(struct store *store, unsigned number) {
  char name[STORE_NAME_SIZE];
  snprintf(name, sizeof(name), "node-%u", number);
  return added_device(store, name).id;
}

static void a_device_gets_an_address_of_each_prefix(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_network network = some_network();
  struct store_device found;
  for (unsigned i = 0; i < 20; i++) {
    int64_t id = device(place->store, i);
    struct ip_address ipv4, ipv6;
    must(nms_allocate(place->store, id, 1, &ipv4, &ipv6, &error), &error);
    assert_true(ip_prefix_contains(&network.ipv4, &ipv4));
    assert_true(ip_prefix_contains(&network.ipv6, &ipv6));
    must(store_device_by_address(place->store, &ipv4, &found, &error), &error);
    assert_int_equal(found.id, id);
    must(store_device_by_address(place->store, &ipv6, &found, &error), &error);
    assert_int_equal(found.id, id);
  }
}

static void a_device_keeps_its_addresses(void **state) {
  struct place *place = *state;
  struct error error = {0};
  int64_t id = device(place->store, 1);
  struct ip_address ipv4, ipv6, again4, again6;
  must(nms_allocate(place->store, id, 1, &ipv4, &ipv6, &error), &error);
  must(nms_allocate(place->store, id, 2, &again4, &again6, &error), &error);
  assert_true(ip_address_equal(&ipv4, &again4));
  assert_true(ip_address_equal(&ipv6, &again6));
}

/* Devices until there is no address; every address in first..last of the last byte comes once. */
static void fill(struct store *store, unsigned first, unsigned last, bool ipv6) {
  struct error error = {0};
  bool seen[256] = {false};
  for (unsigned i = first; i <= last; i++) {
    struct ip_address address4, address6;
    must(nms_allocate(store, device(store, i), 1, &address4, &address6, &error), &error);
    unsigned host = ipv6 ? address6.bytes[15] : address4.bytes[3];
    if (host < first || host > last || seen[host]) {
      fail_msg("host number %u is outside %u..%u or was given before", host, first, last);
    }
    seen[host] = true;
  }
  struct ip_address address4, address6;
  int64_t one_too_many = device(store, last + 1);
  must_fail(nms_allocate(store, one_too_many, 1, &address4, &address6, &error), ERROR_LIMIT, &error,
            "no free virtual address");
}

static void a_small_range_is_given_out_to_its_last_address(void **state) {
  fill(with_prefixes(*state, "10.9.8.0/29", "fd00:1::/64"), 1, 6, false);
}

static void a_range_of_126_is_given_out_to_its_last_address(void **state) {
  fill(with_prefixes(*state, "10.9.8.0/25", "fd00:1::/64"), 1, 126, false);
}

static void a_small_ipv6_range_is_given_out_but_for_zero(void **state) {
  fill(with_prefixes(*state, "10.9.0.0/16", "fd00:1::/125"), 1, 7, true);
}

static void a_range_of_two_has_no_broadcast_address(void **state) {
  fill(with_prefixes(*state, "10.9.8.0/31", "fd00:1::/64"), 0, 1, false);
}

static void a_range_of_one_ipv6_address_has_none_to_give(void **state) {
  struct store *store = with_prefixes(*state, "10.9.0.0/16", "fd00:1::/128");
  struct error error = {0};
  struct ip_address ipv4, ipv6;
  must_fail(nms_allocate(store, device(store, 1), 1, &ipv4, &ipv6, &error), ERROR_LIMIT, &error,
            "fd00:1::/128");
}

static void a_nearly_full_16_is_still_searched(void **state) {
  struct store *store = with_prefixes(*state, "10.9.0.0/16", "fd00:1::/64");
  struct error error = {0};
  /* One address is free: luck will hardly find it. */
  must(store_begin(store, &error), &error);
  for (unsigned host = 1; host < 65535; host++) {
    if (host != 40000) {
      struct ip_address address = {.family = 4,
                                   .bytes = {10, 9, (uint8_t)(host >> 8), (uint8_t)host}};
      must(store_address_add(store, device(store, host), &address, 1, &error), &error);
    }
  }
  must(store_commit(store, &error), &error);
  struct ip_address ipv4, ipv6;
  must(nms_allocate(store, added_device(store, "the-last").id, 1, &ipv4, &ipv6, &error), &error);
  char text[ADDRESS_TEXT_SIZE];
  assert_string_equal(ip_address_text(&ipv4, text), "10.9.156.64");
}

static void a_wide_ipv6_range_uses_64_bits_of_it(void **state) {
  struct store *store = with_prefixes(*state, "10.9.0.0/16", "fd00:1::/48");
  struct error error = {0};
  struct ip_address ipv4, ipv6;
  must(nms_allocate(store, device(store, 1), 1, &ipv4, &ipv6, &error), &error);
  assert_memory_equal(ipv6.bytes, "\xfd\0\0\1\0\0\0\0", 8);
}

static void a_device_that_does_not_exist_gets_nothing(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct ip_address ipv4, ipv6;
  assert_int_equal(nms_allocate(place->store, 99, 1, &ipv4, &ipv6, &error), ERROR_DATABASE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_device_gets_an_address_of_each_prefix),
      TEST(a_device_keeps_its_addresses),
      TEST(a_small_range_is_given_out_to_its_last_address),
      TEST(a_range_of_126_is_given_out_to_its_last_address),
      TEST(a_small_ipv6_range_is_given_out_but_for_zero),
      TEST(a_range_of_two_has_no_broadcast_address),
      TEST(a_range_of_one_ipv6_address_has_none_to_give),
      TEST(a_nearly_full_16_is_still_searched),
      TEST(a_wide_ipv6_range_uses_64_bits_of_it),
      TEST(a_device_that_does_not_exist_gets_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

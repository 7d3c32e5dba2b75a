#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/name_cache.h"

#define NOW (5 * NANOSECONDS_PER_SECOND)

static struct ip_address ip(const char *text) {
  struct ip_address address;
  assert_int_equal(ip_address_parse(text, &address), 0);
  return address;
}

static struct node_name named(const char *fqdn, const char *ipv4, const char *ipv6) {
  struct node_name name = {.ipv4 = ip(ipv4), .ipv6 = ip(ipv6)};
  snprintf(name.fqdn, sizeof name.fqdn, "%s", fqdn);
  return name;
}

/* One of many devices. */
static struct node_name numbered(unsigned number) {
  struct node_name name = {
      .ipv4 = {.family = 4, .bytes = {10, 1, (uint8_t)(number >> 8), (uint8_t)number}},
      .ipv6 = {.family = 6, .bytes = {0xfd, [14] = (uint8_t)(number >> 8), (uint8_t)number}}};
  snprintf(name.fqdn, sizeof name.fqdn, "device-%u.x", number);
  return name;
}

static enum name_cache_result by_name(const struct name_cache *cache, const char *fqdn,
                                      uint64_t now) {
  struct node_name name;
  return name_cache_find(cache, fqdn, NULL, now, &name);
}

static enum name_cache_result by_address(const struct name_cache *cache, const char *text,
                                         uint64_t now) {
  struct node_name name;
  struct ip_address address = ip(text);
  return name_cache_find(cache, NULL, &address, now, &name);
}

static void assert_finds(const struct name_cache *cache, const char *fqdn, const char *address,
                         const struct node_name *expected) {
  struct node_name name = {0};
  struct ip_address is = address ? ip(address) : (struct ip_address){0};
  assert_int_equal(name_cache_find(cache, fqdn, &is, NOW, &name), NAME_CACHE_FOUND);
  assert_string_equal(name.fqdn, expected->fqdn);
  assert_true(ip_address_equal(&name.ipv4, &expected->ipv4));
  assert_true(ip_address_equal(&name.ipv6, &expected->ipv6));
}

static int open_cache(void **state) {
  *state = calloc(1, sizeof(struct name_cache));
  return *state ? 0 : -1;
}

static int close_cache(void **state) {
  free(*state);
  return 0;
}

/* --- tests --- */

static void an_empty_cache_knows_nothing(void **state) {
  const struct name_cache *cache = *state;
  struct ip_address none = {0};
  struct node_name name;
  assert_int_equal(by_name(cache, "bob.x", NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_name(cache, "", NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_address(cache, "10.1.0.2", NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(name_cache_find(cache, NULL, &none, NOW, &name), NAME_CACHE_UNKNOWN);
}

static void a_device_is_found_by_its_name_and_by_both_addresses(void **state) {
  struct name_cache *cache = *state;
  struct node_name bob = named("bob.x", "10.1.0.2", "fd00::2");
  struct node_name eve = named("eve.x", "10.1.0.3", "fd00::3");
  name_cache_put(cache, &bob, NOW);
  name_cache_put(cache, &eve, NOW);
  assert_finds(cache, "bob.x", NULL, &bob);
  assert_finds(cache, NULL, "10.1.0.2", &bob);
  assert_finds(cache, NULL, "fd00::2", &bob);
  assert_finds(cache, "eve.x", NULL, &eve);
  assert_finds(cache, NULL, "fd00::3", &eve);
  assert_int_equal(by_name(cache, "bob", NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_address(cache, "10.1.0.4", NOW), NAME_CACHE_UNKNOWN);
}

static void the_case_of_a_name_does_not_matter(void **state) {
  struct name_cache *cache = *state;
  struct node_name typed = named("BoB.x", "10.1.0.2", "fd00::2");
  struct node_name bob = named("bob.x", "10.1.0.2", "fd00::2");
  name_cache_put(cache, &typed, NOW);
  assert_finds(cache, "bob.x", NULL, &bob);
  assert_finds(cache, "BOB.X", NULL, &bob);
  name_cache_put_absent(cache, "Nobody.X", NULL, NOW);
  assert_int_equal(by_name(cache, "nobody.x", NOW), NAME_CACHE_ABSENT);
}

static void what_was_learnt_holds_for_the_lifetime_of_a_dns_answer(void **state) {
  struct name_cache *cache = *state;
  struct node_name bob = named("bob.x", "10.1.0.2", "fd00::2");
  name_cache_put(cache, &bob, NOW);
  uint64_t end = NOW + DNS_TTL * NANOSECONDS_PER_SECOND;
  assert_int_equal(by_name(cache, "bob.x", end - 1), NAME_CACHE_FOUND);
  assert_int_equal(by_address(cache, "fd00::2", end - 1), NAME_CACHE_FOUND);
  assert_int_equal(by_name(cache, "bob.x", end), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_address(cache, "10.1.0.2", end), NAME_CACHE_UNKNOWN);
  name_cache_put(cache, &bob, end);
  assert_int_equal(by_address(cache, "10.1.0.2", end), NAME_CACHE_FOUND);
}

static void that_a_name_does_not_exist_holds_for_two_seconds(void **state) {
  struct name_cache *cache = *state;
  struct ip_address ipv4 = ip("10.1.0.9"), ipv6 = ip("fd00::9");
  name_cache_put_absent(cache, "nobody.x", NULL, NOW);
  name_cache_put_absent(cache, NULL, &ipv4, NOW);
  name_cache_put_absent(cache, NULL, &ipv6, NOW);
  uint64_t end = NOW + 2 * NANOSECONDS_PER_SECOND;
  assert_int_equal(by_name(cache, "nobody.x", end - 1), NAME_CACHE_ABSENT);
  assert_int_equal(by_address(cache, "10.1.0.9", end - 1), NAME_CACHE_ABSENT);
  assert_int_equal(by_address(cache, "fd00::9", end - 1), NAME_CACHE_ABSENT);
  assert_int_equal(by_name(cache, "nobody.x", end), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_address(cache, "10.1.0.9", end), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_address(cache, "fd00::9", end), NAME_CACHE_UNKNOWN);
}

static void whoever_signs_up_is_absent_no_more(void **state) {
  struct name_cache *cache = *state;
  struct node_name bob = named("bob.x", "10.1.0.2", "fd00::2");
  name_cache_put_absent(cache, "bob.x", NULL, NOW);
  name_cache_put_absent(cache, NULL, &bob.ipv4, NOW);
  name_cache_put_absent(cache, NULL, &bob.ipv6, NOW);
  name_cache_put(cache, &bob, NOW);
  assert_finds(cache, "bob.x", NULL, &bob);
  assert_finds(cache, NULL, "10.1.0.2", &bob);
  assert_finds(cache, NULL, "fd00::2", &bob);
}

static void whoever_is_gone_is_found_by_no_key(void **state) {
  struct name_cache *cache = *state;
  struct node_name bob = named("bob.x", "10.1.0.2", "fd00::2");
  name_cache_put(cache, &bob, NOW);
  name_cache_put_absent(cache, NULL, &bob.ipv6, NOW);
  assert_int_equal(by_address(cache, "fd00::2", NOW), NAME_CACHE_ABSENT);
  assert_int_equal(by_address(cache, "10.1.0.2", NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_name(cache, "bob.x", NOW), NAME_CACHE_UNKNOWN);
}

static void later_word_replaces_all_that_contradicts_it(void **state) {
  struct name_cache *cache = *state;
  struct node_name bob = named("bob.x", "10.1.0.2", "fd00::2");
  struct node_name eve = named("eve.x", "10.1.0.3", "fd00::3");
  struct node_name newcomer = named("bob.x", "10.1.0.3", "fd00::4");
  name_cache_put(cache, &bob, NOW);
  name_cache_put(cache, &eve, NOW);
  name_cache_put(cache, &newcomer, NOW);
  assert_finds(cache, "bob.x", NULL, &newcomer);
  assert_finds(cache, NULL, "10.1.0.3", &newcomer);
  assert_int_equal(by_address(cache, "10.1.0.2", NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_name(cache, "eve.x", NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(by_address(cache, "fd00::3", NOW), NAME_CACHE_UNKNOWN);
}

static void the_one_learnt_first_gives_way(void **state) {
  struct name_cache *cache = *state;
  for (unsigned i = 0; i < NAME_CACHE_MAX; i++) {
    struct node_name name = numbered(i);
    name_cache_put(cache, &name, NOW);
  }
  for (unsigned i = 0; i < NAME_CACHE_MAX; i++) {
    struct node_name name = numbered(i), found;
    assert_finds(cache, name.fqdn, NULL, &name);
    assert_int_equal(name_cache_find(cache, NULL, &name.ipv4, NOW, &found), NAME_CACHE_FOUND);
    assert_string_equal(found.fqdn, name.fqdn);
    assert_int_equal(name_cache_find(cache, NULL, &name.ipv6, NOW, &found), NAME_CACHE_FOUND);
    assert_string_equal(found.fqdn, name.fqdn);
  }
  name_cache_put_absent(cache, "nobody.x", NULL, NOW);
  struct node_name first = numbered(0), second = numbered(1), found;
  assert_int_equal(by_name(cache, first.fqdn, NOW), NAME_CACHE_UNKNOWN);
  assert_int_equal(name_cache_find(cache, NULL, &first.ipv4, NOW, &found), NAME_CACHE_UNKNOWN);
  assert_finds(cache, second.fqdn, NULL, &second);
  assert_int_equal(by_name(cache, "nobody.x", NOW), NAME_CACHE_ABSENT);
}

static void it_stays_whole_while_entries_come_and_go(void **state) {
  struct name_cache *cache = *state;
  /* Some of everything, over and over, with keys that wander between devices. */
  for (unsigned i = 0; i < 20 * NAME_CACHE_MAX; i++) {
    struct node_name name = numbered(i * 7919 % (2 * NAME_CACHE_MAX));
    if (i % 5 == 0)
      name.ipv4 = numbered(i % NAME_CACHE_MAX).ipv4;
    if (i % 11 == 0) {
      name_cache_put_absent(cache, NULL, &name.ipv6, NOW);
      struct node_name found;
      assert_int_equal(name_cache_find(cache, NULL, &name.ipv6, NOW, &found), NAME_CACHE_ABSENT);
    } else {
      name_cache_put(cache, &name, NOW);
      assert_finds(cache, name.fqdn, NULL, &name);
    }
  }
}

static void the_longest_name_is_kept_whole(void **state) {
  struct name_cache *cache = *state;
  char fqdn[FQDN_SIZE];
  memset(fqdn, 'a', sizeof fqdn - 1);
  fqdn[sizeof fqdn - 1] = '\0';
  struct node_name name = named(fqdn, "10.1.0.2", "fd00::2");
  name_cache_put(cache, &name, NOW);
  assert_finds(cache, fqdn, NULL, &name);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(an_empty_cache_knows_nothing),
      CASE(a_device_is_found_by_its_name_and_by_both_addresses),
      CASE(the_case_of_a_name_does_not_matter),
      CASE(what_was_learnt_holds_for_the_lifetime_of_a_dns_answer),
      CASE(that_a_name_does_not_exist_holds_for_two_seconds),
      CASE(whoever_signs_up_is_absent_no_more),
      CASE(whoever_is_gone_is_found_by_no_key),
      CASE(later_word_replaces_all_that_contradicts_it),
      CASE(the_one_learnt_first_gives_way),
      CASE(it_stays_whole_while_entries_come_and_go),
      CASE(the_longest_name_is_kept_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

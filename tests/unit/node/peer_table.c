#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/peer_table.h"

static struct ip_address ip(const char *text) {
  struct ip_address address;
  assert_int_equal(ip_address_parse(text, &address), 0);
  return address;
}

static struct peer_entry named(const char *fqdn, const char *ipv4, const char *ipv6) {
  struct peer_entry entry = {.ipv4 = ip(ipv4), .ipv6 = ip(ipv6)};
  snprintf(entry.fqdn, sizeof entry.fqdn, "%s", fqdn);
  return entry;
}

static void a_peer_is_found_by_each_of_its_keys(void **state) {
  (void)state;
  struct peer_table *table = peer_table_new();
  struct peer_entry bob = named("bob.x", "10.1.0.2", "fd00::2");
  struct peer_entry eve = named("eve.x", "10.1.0.3", "fd00::3");
  assert_int_equal(peer_table_add(table, &bob), 0);
  assert_int_equal(peer_table_add(table, &eve), 0);
  struct ip_address addresses[] = {ip("10.1.0.2"), ip("fd00::2"), ip("10.1.0.3"), ip("10.1.0.4")};
  assert_ptr_equal(peer_table_find_fqdn(table, "bob.x"), &bob);
  assert_ptr_equal(peer_table_find_address(table, &addresses[0]), &bob);
  assert_ptr_equal(peer_table_find_address(table, &addresses[1]), &bob);
  assert_ptr_equal(peer_table_find_address(table, &addresses[2]), &eve);
  assert_null(peer_table_find_address(table, &addresses[3]));
  assert_null(peer_table_find_fqdn(table, "mallory.x"));
  assert_int_equal(peer_table_count(table), 2);
  peer_table_free(table);
}

static void a_key_belongs_to_one_peer(void **state) {
  (void)state;
  struct peer_table *table = peer_table_new();
  struct peer_entry bob = named("bob.x", "10.1.0.2", "fd00::2");
  struct peer_entry same_name = named("bob.x", "10.1.0.9", "fd00::9");
  struct peer_entry same_ipv6 = named("eve.x", "10.1.0.9", "fd00::2");
  assert_int_equal(peer_table_add(table, &bob), 0);
  assert_int_equal(peer_table_add(table, &same_name), ERROR_EXISTS);
  assert_int_equal(peer_table_add(table, &same_ipv6), ERROR_EXISTS);
  assert_int_equal(peer_table_count(table), 1);
  peer_table_free(table);
}

static void an_entry_known_by_address_learns_its_name(void **state) {
  (void)state;
  struct peer_table *table = peer_table_new();
  struct peer_entry unnamed = {.ipv4 = ip("10.1.0.2")};
  struct ip_address none = {0}, ipv4 = ip("10.1.0.2"), ipv6 = ip("fd00::2");
  assert_int_equal(peer_table_add(table, &unnamed), 0);
  assert_null(peer_table_find_fqdn(table, "bob.x"));
  assert_null(peer_table_find_address(table, &none));
  assert_int_equal(peer_table_set_keys(table, &unnamed, "bob.x", &ipv4, &ipv6), 0);
  assert_ptr_equal(peer_table_find_fqdn(table, "bob.x"), &unnamed);
  assert_ptr_equal(peer_table_find_address(table, &ipv6), &unnamed);
  peer_table_free(table);
}

static void keys_given_up_lead_nowhere(void **state) {
  (void)state;
  struct peer_table *table = peer_table_new();
  struct peer_entry bob = named("bob.x", "10.1.0.2", "fd00::2");
  struct ip_address old = ip("10.1.0.2"), new4 = ip("10.1.0.7"), new6 = ip("fd00::7");
  assert_int_equal(peer_table_add(table, &bob), 0);
  assert_ptr_equal(peer_table_find_address(table, &old), &bob); /* and is remembered as last hit */
  assert_int_equal(peer_table_set_keys(table, &bob, "bob.x", &new4, &new6), 0);
  assert_null(peer_table_find_address(table, &old));
  assert_ptr_equal(peer_table_find_address(table, &new4), &bob);
  peer_table_remove(table, &bob);
  assert_null(peer_table_find_address(table, &new4));
  assert_int_equal(peer_table_count(table), 0);
  peer_table_free(table);
}

static void keys_of_another_are_refused_and_the_old_ones_stay(void **state) {
  (void)state;
  struct peer_table *table = peer_table_new();
  struct peer_entry bob = named("bob.x", "10.1.0.2", "fd00::2");
  struct peer_entry eve = named("eve.x", "10.1.0.3", "fd00::3");
  assert_int_equal(peer_table_add(table, &bob), 0);
  assert_int_equal(peer_table_add(table, &eve), 0);
  assert_int_equal(peer_table_set_keys(table, &eve, "eve.x", &bob.ipv4, &eve.ipv6), ERROR_EXISTS);
  assert_string_equal(eve.fqdn, "eve.x");
  assert_ptr_equal(peer_table_find_address(table, &eve.ipv4), &eve);
  peer_table_free(table);
}

static void a_full_table_takes_no_more(void **state) {
  (void)state;
  struct peer_table *table = peer_table_new();
  struct peer_entry *entries = calloc(PEER_TABLE_MAX + 1, sizeof *entries);
  assert_non_null(entries);
  for (size_t i = 0; i <= PEER_TABLE_MAX; i++) {
    snprintf(entries[i].fqdn, sizeof entries[i].fqdn, "n%zu.x", i);
    assert_int_equal(peer_table_add(table, &entries[i]), i < PEER_TABLE_MAX ? 0 : ERROR_LIMIT);
  }
  assert_ptr_equal(peer_table_first(table), &entries[0]);
  assert_ptr_equal(peer_table_first(table)->next, &entries[1]);
  peer_table_free(table);
  free(entries);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_peer_is_found_by_each_of_its_keys),
      cmocka_unit_test(a_key_belongs_to_one_peer),
      cmocka_unit_test(an_entry_known_by_address_learns_its_name),
      cmocka_unit_test(keys_given_up_lead_nowhere),
      cmocka_unit_test(keys_of_another_are_refused_and_the_old_ones_stay),
      cmocka_unit_test(a_full_table_takes_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "../store/fixture.h"

#include <stdio.h>
#include <string.h>

#include "nms/directory.h"

/* The directory only compares these. */
static char controls[4];

static struct control *control(size_t number) {
  return (struct control *)(void *)&controls[number];
}

static struct address at(const char *text) {
  struct address address;
  assert_int_equal(address_parse(text, 443, &address), 0);
  return address;
}

static struct store_device node(unsigned number) {
  char name[STORE_NAME_SIZE];
  snprintf(name, sizeof(name), "node-%u", number);
  struct store_device device = some_device(name);
  device.id = number;
  device.ipv4 = (struct ip_address){.family = 4, .bytes = {10, 77, 0, (uint8_t)number}};
  device.ipv6 = (struct ip_address){.family = 6, .bytes = {0xfd, [15] = (uint8_t)number}};
  return device;
}

static struct directory_entry *registered(struct directory *directory, unsigned number,
                                          size_t connection, struct control **replaced) {
  struct store_device device = node(number);
  struct address own = at("192.0.2.1:1000");
  struct directory_entry *entry =
      directory_register(directory, &device, control(connection), &own, 1, &own, replaced);
  assert_non_null(entry);
  return entry;
}

static int open_directory(void **state) {
  *state = directory_new();
  return *state == NULL;
}

static int close_directory(void **state) {
  directory_free(*state);
  return 0;
}

static void a_registered_node_is_found_by_name_and_both_addresses(void **state) {
  struct control *replaced;
  struct directory_entry *one = registered(*state, 1, 0, &replaced);
  registered(*state, 2, 1, &replaced);
  assert_null(replaced);
  struct store_device device = node(1);
  assert_ptr_equal(directory_by_fqdn(*state, "node-1.test.internal"), one);
  assert_ptr_equal(directory_by_address(*state, &device.ipv4), one);
  assert_ptr_equal(directory_by_address(*state, &device.ipv6), one);
  assert_int_equal(one->device_id, 1);
  assert_memory_equal(one->public_key, device.public_key, PKI_HASH_SIZE);
  assert_false(one->view.ipv4.behind_nat);
  assert_int_equal(directory_count(*state), 2);
}

static void who_is_not_here_is_not_found(void **state) {
  struct ip_address address = ip("10.77.0.9"), none = {0};
  assert_null(directory_by_fqdn(*state, "node-9.test.internal"));
  assert_null(directory_by_address(*state, &address));
  assert_null(directory_by_address(*state, &none));
}

static void a_closed_connection_takes_its_node_along(void **state) {
  struct control *replaced;
  registered(*state, 1, 0, &replaced);
  directory_remove(*state, "node-1.test.internal", control(0));
  assert_int_equal(directory_count(*state), 0);
  directory_remove(*state, "node-1.test.internal", control(0));
}

static void a_newer_connection_replaces_an_older_one(void **state) {
  struct control *replaced;
  struct directory_entry *entry = registered(*state, 1, 0, &replaced);
  uint64_t revision = entry->revision;
  assert_ptr_equal(registered(*state, 1, 1, &replaced), entry);
  assert_ptr_equal(replaced, control(0));
  assert_true(entry->revision > revision);
  /* The old one's end changes nothing. */
  directory_remove(*state, "node-1.test.internal", control(0));
  assert_ptr_equal(directory_by_fqdn(*state, "node-1.test.internal"), entry);
  assert_ptr_equal(entry->control, control(1));
}

static void registering_again_unchanged_is_no_revision(void **state) {
  struct control *replaced;
  struct directory_entry *entry = registered(*state, 1, 0, &replaced);
  uint64_t revision = entry->revision;
  registered(*state, 1, 0, &replaced);
  assert_null(replaced);
  assert_int_equal(entry->revision, revision);
}

static void a_node_that_left_and_came_back_is_told_from_one_that_stayed(void **state) {
  struct control *replaced;
  uint64_t revision = registered(*state, 1, 0, &replaced)->revision;
  directory_remove(*state, "node-1.test.internal", control(0));
  assert_true(registered(*state, 1, 0, &replaced)->revision > revision);
}

static void a_move_is_news_once(void **state) {
  struct control *replaced;
  struct directory_entry *entry = registered(*state, 1, 0, &replaced);
  uint64_t revision = entry->revision;
  struct address seen = at("198.51.100.7:4000");
  assert_true(directory_move(*state, entry, &seen));
  assert_true(entry->view.ipv4.behind_nat);
  assert_true(entry->revision > revision);
  assert_false(directory_move(*state, entry, &seen));
}

static void an_observation_waits_for_the_registration(void **state) {
  struct store_device device = node(1);
  struct address seen = at("[2001:db8::1]:1000"), own[] = {at("192.0.2.1:1000"), seen};
  struct directory_entry *entry = directory_observe(*state, &device, &seen, 100);
  assert_non_null(entry);
  assert_null(entry->control);
  struct control *replaced;
  assert_ptr_equal(directory_register(*state, &device, control(0), own, 2, &own[0], &replaced),
                   entry);
  assert_null(replaced);
  assert_true(address_equal(&entry->view.ipv6.observed, &seen));
  assert_false(entry->view.ipv6.behind_nat);
  assert_true(address_equal(&entry->view.ipv4.observed, &own[0]));
}

static void an_observation_after_the_registration_counts_at_once(void **state) {
  struct control *replaced;
  struct directory_entry *entry = registered(*state, 1, 0, &replaced);
  struct store_device device = node(1);
  struct address seen = at("[2001:db8::1]:1000");
  uint64_t revision = entry->revision;
  assert_ptr_equal(directory_observe(*state, &device, &seen, 100), entry);
  assert_true(address_equal(&entry->view.ipv6.observed, &seen));
  assert_ptr_equal(entry->control, control(0));
  assert_true(entry->revision > revision);
}

static void an_observation_without_registration_is_forgotten_in_time(void **state) {
  struct address seen = at("192.0.2.1:1000");
  struct store_device one = node(1), two = node(2), three = node(3);
  directory_observe(*state, &one, &seen, 100);
  directory_observe(*state, &two, &seen, 100 + DIRECTORY_PENDING_SECONDS - 1);
  assert_int_equal(directory_count(*state), 2);
  directory_observe(*state, &three, &seen, 100 + DIRECTORY_PENDING_SECONDS);
  assert_null(directory_by_fqdn(*state, one.fqdn));
  assert_non_null(directory_by_fqdn(*state, two.fqdn));
  assert_int_equal(directory_count(*state), 2);
}

static void a_repeated_observation_lasts_anew(void **state) {
  struct address seen = at("192.0.2.1:1000");
  struct store_device one = node(1), two = node(2);
  directory_observe(*state, &one, &seen, 100);
  directory_observe(*state, &two, &seen, 110);
  directory_observe(*state, &one, &seen, 150);
  directory_observe(*state, &two, &seen, 110 + DIRECTORY_PENDING_SECONDS);
  assert_non_null(directory_by_fqdn(*state, one.fqdn));
  assert_int_equal(directory_count(*state), 2);
}

static void a_registered_node_is_not_forgotten_with_its_observation(void **state) {
  struct address seen = at("192.0.2.1:1000");
  struct store_device one = node(1), two = node(2);
  directory_observe(*state, &one, &seen, 100);
  struct control *replaced;
  registered(*state, 1, 0, &replaced);
  directory_observe(*state, &two, &seen, 100000);
  assert_non_null(directory_by_fqdn(*state, one.fqdn));
}

static void an_observed_node_is_not_removed_by_a_connection(void **state) {
  struct address seen = at("192.0.2.1:1000");
  struct store_device one = node(1);
  directory_observe(*state, &one, &seen, 100);
  directory_remove(*state, one.fqdn, control(0));
  directory_remove(*state, one.fqdn, NULL);
  assert_int_equal(directory_count(*state), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_directory, close_directory)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_registered_node_is_found_by_name_and_both_addresses),
      TEST(who_is_not_here_is_not_found),
      TEST(a_closed_connection_takes_its_node_along),
      TEST(a_newer_connection_replaces_an_older_one),
      TEST(registering_again_unchanged_is_no_revision),
      TEST(a_node_that_left_and_came_back_is_told_from_one_that_stayed),
      TEST(a_move_is_news_once),
      TEST(an_observation_waits_for_the_registration),
      TEST(an_observation_after_the_registration_counts_at_once),
      TEST(an_observation_without_registration_is_forgotten_in_time),
      TEST(a_repeated_observation_lasts_anew),
      TEST(a_registered_node_is_not_forgotten_with_its_observation),
      TEST(an_observed_node_is_not_removed_by_a_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

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

/* Registers node `number` over `connection`, wishing for `route_id`, at `now`. */
static struct directory_entry *wishing(struct directory *directory, unsigned number,
                                       size_t connection, uint32_t route_id, uint64_t now,
                                       struct control **replaced) {
  struct store_device device = node(number);
  struct address own = at("192.0.2.1:1000");
  const struct directory_registration registration = {.control = control(connection),
                                                      .addresses = &own,
                                                      .address_count = 1,
                                                      .observed = own,
                                                      .route_id = route_id};
  struct directory_entry *entry =
      directory_register(directory, &device, &registration, now, replaced);
  assert_non_null(entry);
  return entry;
}

static struct directory_entry *registered(struct directory *directory, unsigned number,
                                          size_t connection, struct control **replaced) {
  return wishing(directory, number, connection, 0, 100, replaced);
}

static void leaves(struct directory *directory, unsigned number, size_t connection, uint64_t now) {
  directory_remove(directory, node(number).fqdn, control(connection), now);
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
  leaves(*state, 1, 0, 100);
  assert_int_equal(directory_count(*state), 0);
  leaves(*state, 1, 0, 100);
}

static void a_newer_connection_replaces_an_older_one(void **state) {
  struct control *replaced;
  struct directory_entry *entry = registered(*state, 1, 0, &replaced);
  uint64_t revision = entry->revision;
  assert_ptr_equal(registered(*state, 1, 1, &replaced), entry);
  assert_ptr_equal(replaced, control(0));
  assert_true(entry->revision > revision);
  /* The old one's end changes nothing. */
  leaves(*state, 1, 0, 100);
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
  leaves(*state, 1, 0, 100);
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
  const struct directory_registration registration = {
      .control = control(0), .addresses = own, .address_count = 2, .observed = own[0]};
  assert_ptr_equal(directory_register(*state, &device, &registration, 100, &replaced), entry);
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
  directory_remove(*state, one.fqdn, control(0), 100);
  directory_remove(*state, one.fqdn, NULL, 100);
  assert_int_equal(directory_count(*state), 1);
}

static void each_registered_node_has_a_route_id_by_which_it_is_found(void **state) {
  struct control *replaced;
  struct directory_entry *one = registered(*state, 1, 0, &replaced);
  struct directory_entry *two = registered(*state, 2, 1, &replaced);
  assert_int_not_equal(one->route_id, 0);
  assert_int_not_equal(two->route_id, 0);
  assert_int_not_equal(one->route_id, two->route_id);
  assert_ptr_equal(directory_by_route_id(*state, one->route_id), one);
  assert_ptr_equal(directory_by_route_id(*state, two->route_id), two);
  uint32_t route_id = one->route_id;
  leaves(*state, 1, 0, 100);
  assert_null(directory_by_route_id(*state, route_id));
}

static void an_observed_node_has_no_route_id_yet(void **state) {
  struct store_device device = node(1);
  struct address seen = at("192.0.2.1:1000");
  assert_int_equal(directory_observe(*state, &device, &seen, 100)->route_id, 0);
  assert_null(directory_by_route_id(*state, 0));
}

static void a_wished_route_id_is_given_if_it_is_free(void **state) {
  struct control *replaced;
  struct directory_entry *one = wishing(*state, 1, 0, 0xabcd, 100, &replaced);
  assert_int_equal(one->route_id, 0xabcd);
  assert_int_not_equal(wishing(*state, 2, 1, 0xabcd, 100, &replaced)->route_id, 0xabcd);
  assert_ptr_equal(directory_by_route_id(*state, 0xabcd), one);
}

static void another_route_id_is_a_revision_and_the_same_is_none(void **state) {
  struct control *replaced;
  struct directory_entry *entry = wishing(*state, 1, 0, 0xabcd, 100, &replaced);
  uint64_t revision = entry->revision;
  wishing(*state, 1, 0, 0xabcd, 100, &replaced);
  wishing(*state, 1, 0, 0, 100, &replaced);
  assert_int_equal(entry->route_id, 0xabcd);
  assert_int_equal(entry->revision, revision);
  wishing(*state, 1, 0, 0xef01, 100, &replaced);
  assert_int_equal(entry->route_id, 0xef01);
  assert_true(entry->revision > revision);
  assert_ptr_equal(directory_by_route_id(*state, 0xef01), entry);
  assert_null(directory_by_route_id(*state, 0xabcd));
}

static void who_comes_back_has_its_route_id_still(void **state) {
  struct control *replaced;
  uint32_t route_id = registered(*state, 1, 0, &replaced)->route_id;
  leaves(*state, 1, 0, 100);
  assert_int_not_equal(wishing(*state, 2, 1, route_id, 200, &replaced)->route_id, route_id);
  assert_int_equal(wishing(*state, 1, 0, 0, 300, &replaced)->route_id, route_id);
}

static void what_a_node_reports_is_kept_with_it_and_is_no_revision(void **state) {
  struct store_device device = node(1);
  struct address own = at("192.168.0.2:1000"), seen = at("192.0.2.1:5000"), elsewhere = seen;
  Cyphonic__RelayReport near = CYPHONIC__RELAY_REPORT__INIT, far = CYPHONIC__RELAY_REPORT__INIT;
  near.name = (char[]){"near"};
  near.round_trip = 1500;
  far.name = (char[]){""};
  Cyphonic__RelayReport *reports[] = {&far, &near};
  struct directory_registration registration = {.control = control(0),
                                                .addresses = &own,
                                                .address_count = 1,
                                                .observed = seen,
                                                .elsewhere = &elsewhere,
                                                .relays = reports,
                                                .relay_count = 2};
  struct control *replaced;
  struct directory_entry *entry =
      directory_register(*state, &device, &registration, 100, &replaced);
  assert_int_equal(view_mapping(&entry->view), VIEW_MAPPING_ENDPOINT_INDEPENDENT);
  assert_int_equal(entry->relays.count, 1); /* the one with a name */
  assert_int_equal(relay_reports_round_trip(&entry->relays, "near"), 1500);
  assert_int_equal(relay_reports_round_trip(&entry->relays, "far"), RELAY_ROUND_TRIP_UNKNOWN);
  uint64_t revision = entry->revision;
  elsewhere.port++;
  registration.relay_count = 0;
  directory_register(*state, &device, &registration, 100, &replaced);
  assert_int_equal(view_mapping(&entry->view), VIEW_MAPPING_ENDPOINT_DEPENDENT);
  assert_int_equal(relay_reports_round_trip(&entry->relays, "near"), RELAY_ROUND_TRIP_UNKNOWN);
  registration.elsewhere = NULL;
  directory_register(*state, &device, &registration, 100, &replaced);
  assert_int_equal(view_mapping(&entry->view), VIEW_MAPPING_UNKNOWN);
  assert_int_equal(entry->revision, revision);
}

static void reports_beyond_the_bound_are_ignored(void **state UNUSED) {
  Cyphonic__RelayReport report[RELAY_REPORTS_MAX + 4], *pointers[RELAY_REPORTS_MAX + 4];
  char names[RELAY_REPORTS_MAX + 4][16];
  for (size_t i = 0; i < RELAY_REPORTS_MAX + 4; i++) {
    report[i] = (Cyphonic__RelayReport)CYPHONIC__RELAY_REPORT__INIT;
    snprintf(names[i], sizeof(names[i]), "trs-%zu", i);
    report[i].name = names[i];
    report[i].round_trip = 1;
    pointers[i] = &report[i];
  }
  struct relay_reports reports = {0};
  relay_reports_set(&reports, pointers, RELAY_REPORTS_MAX + 4);
  assert_int_equal(reports.count, RELAY_REPORTS_MAX);
  relay_reports_clear(&reports);
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
      TEST(each_registered_node_has_a_route_id_by_which_it_is_found),
      TEST(an_observed_node_has_no_route_id_yet),
      TEST(a_wished_route_id_is_given_if_it_is_free),
      TEST(another_route_id_is_a_revision_and_the_same_is_none),
      TEST(who_comes_back_has_its_route_id_still),
      TEST(what_a_node_reports_is_kept_with_it_and_is_no_revision),
      TEST(reports_beyond_the_bound_are_ignored),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

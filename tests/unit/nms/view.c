#include "../store/fixture.h"

#include "nms/view.h"

static struct address at(const char *text) {
  struct address address;
  assert_int_equal(address_parse(text, 443, &address), 0);
  return address;
}

static void observed_at(struct view *view, const char *text, bool changed) {
  struct address address = at(text);
  assert_int_equal(view_observe(view, &address), changed);
}

static void an_own_address_that_is_observed_means_no_nat(void **state UNUSED) {
  struct view view = {0};
  struct address own[] = {at("192.0.2.1:1000"), at("[2001:db8::1]:1000")};
  assert_true(view_register(&view, own, 2));
  observed_at(&view, "192.0.2.1:1000", true);
  observed_at(&view, "[2001:db8::1]:1000", true);
  assert_false(view.ipv4.behind_nat);
  assert_false(view.ipv6.behind_nat);
}

static void another_port_alone_is_no_nat(void **state UNUSED) {
  struct view view = {0};
  struct address own = at("192.0.2.1:1000");
  view_register(&view, &own, 1);
  observed_at(&view, "192.0.2.1:2000", true);
  assert_false(view.ipv4.behind_nat);
}

static void a_foreign_address_with_the_same_port_is_a_nat(void **state UNUSED) {
  struct view view = {0};
  struct address own = at("192.168.0.2:1000");
  view_register(&view, &own, 1);
  observed_at(&view, "192.0.2.1:1000", true);
  assert_true(view.ipv4.behind_nat);
}

static void an_observation_before_the_registration_is_judged_at_it(void **state UNUSED) {
  struct view view = {0};
  struct address own = at("192.0.2.1:1000");
  observed_at(&view, "192.0.2.1:1000", true);
  assert_true(view.ipv4.behind_nat); /* nothing is known of its own */
  view_register(&view, &own, 1);
  assert_false(view.ipv4.behind_nat);
}

static void leaving_an_ip_version_forgets_what_was_observed_of_it(void **state UNUSED) {
  struct view view = {0};
  struct address own[] = {at("192.0.2.1:1000"), at("[2001:db8::1]:1000")};
  view_register(&view, own, 2);
  observed_at(&view, "[2001:db8::1]:1000", true);
  assert_true(view_register(&view, own, 1));
  assert_false(ip_address_is_set(&view.ipv6.observed.ip));
}

static void what_did_not_change_is_said_to_be_the_same(void **state UNUSED) {
  struct view view = {0};
  struct address own[] = {at("192.0.2.1:1000"), at("192.0.2.2:1000")};
  assert_true(view_register(&view, own, 2));
  assert_false(view_register(&view, own, 2));
  observed_at(&view, "192.0.2.1:1000", true);
  observed_at(&view, "192.0.2.1:1000", false);
  assert_false(view_register(&view, own, 2));
  own[1] = at("192.0.2.3:1000");
  assert_true(view_register(&view, own, 2));
}

static void addresses_beyond_the_bound_are_ignored(void **state UNUSED) {
  struct view view = {0};
  struct address own[VIEW_ADDRESSES_MAX + 4];
  for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
    own[i] = at("192.0.2.1:1000");
    own[i].ip.bytes[3] = (uint8_t)i;
  }
  view_register(&view, own, sizeof(own) / sizeof(own[0]));
  assert_int_equal(view.address_count, VIEW_ADDRESSES_MAX);
}

/* A node behind a NAT, seen from `observed` and, as it says, elsewhere from `elsewhere`. */
static struct view seen_twice(const char *observed, const char *elsewhere) {
  struct view view = {0};
  struct address own = at("192.168.0.2:1000"), other = at(elsewhere);
  view_register(&view, &own, 1);
  view_hear_elsewhere(&view, &other);
  observed_at(&view, observed, true);
  return view;
}

static void the_same_address_seen_twice_is_endpoint_independent(void **state UNUSED) {
  struct view view = seen_twice("192.0.2.1:5000", "192.0.2.1:5000");
  assert_int_equal(view_mapping(&view), VIEW_MAPPING_ENDPOINT_INDEPENDENT);
}

static void another_port_or_address_elsewhere_is_endpoint_dependent(void **state UNUSED) {
  struct view port = seen_twice("192.0.2.1:5000", "192.0.2.1:5001");
  struct view address = seen_twice("192.0.2.1:5000", "192.0.2.2:5000");
  assert_int_equal(view_mapping(&port), VIEW_MAPPING_ENDPOINT_DEPENDENT);
  assert_int_equal(view_mapping(&address), VIEW_MAPPING_ENDPOINT_DEPENDENT);
}

static void one_observation_alone_tells_nothing_of_the_mapping(void **state UNUSED) {
  struct view view = {0};
  struct address own = at("192.168.0.2:1000"), seen = at("192.0.2.1:5000"),
                 ipv6 = at("[2001:db8::1]:5000");
  view_register(&view, &own, 1);
  view_hear_elsewhere(&view, &seen);
  assert_int_equal(view_mapping(&view), VIEW_MAPPING_UNKNOWN);
  observed_at(&view, "192.0.2.1:5000", true);
  view_hear_elsewhere(&view, NULL);
  assert_int_equal(view_mapping(&view), VIEW_MAPPING_UNKNOWN);
  view_hear_elsewhere(&view, &ipv6);
  assert_int_equal(view_mapping(&view), VIEW_MAPPING_UNKNOWN);
}

static void a_node_that_moves_is_seen_elsewhere_no_more(void **state UNUSED) {
  struct view moved = seen_twice("192.0.2.1:5000", "192.0.2.1:5000"), left = moved;
  observed_at(&moved, "198.51.100.9:5000", true);
  assert_int_equal(view_mapping(&moved), VIEW_MAPPING_UNKNOWN);
  struct address ipv6 = at("[2001:db8::1]:1000");
  view_register(&left, &ipv6, 1);
  observed_at(&left, "192.0.2.1:5000", true);
  assert_int_equal(view_mapping(&left), VIEW_MAPPING_UNKNOWN);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_own_address_that_is_observed_means_no_nat),
      cmocka_unit_test(another_port_alone_is_no_nat),
      cmocka_unit_test(a_foreign_address_with_the_same_port_is_a_nat),
      cmocka_unit_test(an_observation_before_the_registration_is_judged_at_it),
      cmocka_unit_test(leaving_an_ip_version_forgets_what_was_observed_of_it),
      cmocka_unit_test(what_did_not_change_is_said_to_be_the_same),
      cmocka_unit_test(addresses_beyond_the_bound_are_ignored),
      cmocka_unit_test(the_same_address_seen_twice_is_endpoint_independent),
      cmocka_unit_test(another_port_or_address_elsewhere_is_endpoint_dependent),
      cmocka_unit_test(one_observation_alone_tells_nothing_of_the_mapping),
      cmocka_unit_test(a_node_that_moves_is_seen_elsewhere_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

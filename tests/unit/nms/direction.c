#include "../store/fixture.h"

#include <string.h>

#include "nms/direction.h"

static struct address at(const char *text) {
  struct address address;
  assert_int_equal(address_parse(text, 443, &address), 0);
  return address;
}

/* A node with these addresses of its own ("" ends the list), seen from `ipv4` and `ipv6` (NULL:
 * never over that version). */
static struct view node(const char *ipv4, const char *ipv6, const char *const own[]) {
  struct view view = {0};
  struct address addresses[VIEW_ADDRESSES_MAX];
  size_t count = 0;
  for (; own[count][0] != '\0'; count++) {
    addresses[count] = at(own[count]);
  }
  view_register(&view, addresses, count);
  const char *observed[] = {ipv4, ipv6};
  for (size_t i = 0; i < 2; i++) {
    if (observed[i] != NULL) {
      struct address address = at(observed[i]);
      view_observe(&view, &address);
    }
  }
  return view;
}

#define OWN(...)                                                                                   \
  (const char *const[]) {                                                                          \
    __VA_ARGS__, ""                                                                                \
  }

static struct view ipv6_only(unsigned number) {
  return number == 1 ? node(NULL, "[2001:db8::1]:1001", OWN("[2001:db8::1]:1001"))
                     : node(NULL, "[2001:db8::2]:1002", OWN("[2001:db8::2]:1002"));
}

static struct view ipv4_global(unsigned number) {
  return number == 1 ? node("198.51.100.1:1001", NULL, OWN("198.51.100.1:1001"))
                     : node("198.51.100.2:1002", NULL, OWN("198.51.100.2:1002"));
}

static struct view ipv4_private(unsigned number) {
  return number == 1 ? node("203.0.113.1:5001", NULL, OWN("192.168.1.10:1001"))
                     : node("203.0.113.2:5002", NULL, OWN("192.168.1.10:1002"));
}

static struct view of(enum direction_situation situation, unsigned number) {
  switch (situation) {
  case SITUATION_IPV6:
    return ipv6_only(number);
  case SITUATION_IPV4_GLOBAL:
    return ipv4_global(number);
  case SITUATION_IPV4_PRIVATE:
    break;
  }
  return ipv4_private(number);
}

/* The cell as the table has it, and as two real nodes get it. */
static void cell(enum direction_situation initiator, enum direction_situation responder,
                 enum direction_pattern pattern, bool initiator_is_client) {
  struct direction_rule rule = direction_table(initiator, responder);
  assert_int_equal(rule.pattern, pattern);
  assert_int_equal(rule.initiator_is_client, initiator_is_client);
  struct view one = of(initiator, 1), two = of(responder, 2);
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, pattern);
  assert_int_equal(direction.rule.initiator_is_client, initiator_is_client);
  assert_int_equal(direction_initiator_is_client(&direction.rule), initiator_is_client);
  assert_int_equal(direction.initiator.count, pattern == PATTERN_RELAY ? 0 : 1);
  assert_int_equal(direction.responder.count, pattern == PATTERN_RELAY ? 0 : 1);
}

static void ipv6_to_ipv6_is_pattern_1(void **state UNUSED) {
  cell(SITUATION_IPV6, SITUATION_IPV6, PATTERN_DIRECT, true);
}

static void ipv6_to_global_ipv4_is_pattern_3(void **state UNUSED) {
  cell(SITUATION_IPV6, SITUATION_IPV4_GLOBAL, PATTERN_RELAY, true);
}

static void ipv6_to_private_ipv4_is_pattern_3(void **state UNUSED) {
  cell(SITUATION_IPV6, SITUATION_IPV4_PRIVATE, PATTERN_RELAY, true);
}

static void global_ipv4_to_ipv6_is_pattern_3(void **state UNUSED) {
  cell(SITUATION_IPV4_GLOBAL, SITUATION_IPV6, PATTERN_RELAY, true);
}

static void global_ipv4_to_global_ipv4_is_pattern_1(void **state UNUSED) {
  cell(SITUATION_IPV4_GLOBAL, SITUATION_IPV4_GLOBAL, PATTERN_DIRECT, true);
}

static void global_ipv4_to_private_ipv4_is_pattern_2_from_the_responder(void **state UNUSED) {
  cell(SITUATION_IPV4_GLOBAL, SITUATION_IPV4_PRIVATE, PATTERN_NAT, false);
}

static void private_ipv4_to_ipv6_is_pattern_3(void **state UNUSED) {
  cell(SITUATION_IPV4_PRIVATE, SITUATION_IPV6, PATTERN_RELAY, true);
}

static void private_ipv4_to_global_ipv4_is_pattern_2_from_the_initiator(void **state UNUSED) {
  cell(SITUATION_IPV4_PRIVATE, SITUATION_IPV4_GLOBAL, PATTERN_NAT, true);
}

static void private_ipv4_to_private_ipv4_is_pattern_3(void **state UNUSED) {
  cell(SITUATION_IPV4_PRIVATE, SITUATION_IPV4_PRIVATE, PATTERN_RELAY, true);
}

static void expect(const struct direction_candidates *candidates, const char *const texts[]) {
  size_t count = 0;
  for (; texts[count][0] != '\0'; count++) {
    char text[ADDRESS_TEXT_SIZE];
    assert_true(count < candidates->count);
    assert_string_equal(address_text(&candidates->address[count], text), texts[count]);
  }
  assert_int_equal(candidates->count, count);
}

static void dual_stack_prefers_ipv6_and_keeps_direct_ipv4_behind_it(void **state UNUSED) {
  struct view one =
      node("198.51.100.1:1", "[2001:db8::1]:1", OWN("198.51.100.1:1", "[2001:db8::1]:1"));
  struct view two =
      node("198.51.100.2:2", "[2001:db8::2]:2", OWN("198.51.100.2:2", "[2001:db8::2]:2"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_DIRECT);
  assert_true(direction.rule.initiator_is_client);
  expect(&direction.responder, OWN("[2001:db8::2]:2", "198.51.100.2:2"));
  expect(&direction.initiator, OWN("[2001:db8::1]:1", "198.51.100.1:1"));
}

static void ipv4_follows_ipv6_where_the_nat_is_on_the_clients_side(void **state UNUSED) {
  struct view one =
      node("203.0.113.1:9", "[2001:db8::1]:1", OWN("192.168.1.2:1", "[2001:db8::1]:1"));
  struct view two =
      node("198.51.100.2:2", "[2001:db8::2]:2", OWN("198.51.100.2:2", "[2001:db8::2]:2"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_DIRECT);
  assert_true(direction.rule.initiator_is_client);
  expect(&direction.responder, OWN("[2001:db8::2]:2", "198.51.100.2:2"));
  expect(&direction.initiator, OWN("[2001:db8::1]:1", "203.0.113.1:9"));
}

static void ipv4_is_left_out_where_it_would_turn_the_roles(void **state UNUSED) {
  struct view one =
      node("198.51.100.1:1", "[2001:db8::1]:1", OWN("198.51.100.1:1", "[2001:db8::1]:1"));
  struct view two =
      node("203.0.113.2:9", "[2001:db8::2]:2", OWN("192.168.1.2:2", "[2001:db8::2]:2"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_DIRECT);
  assert_true(direction.rule.initiator_is_client);
  expect(&direction.responder, OWN("[2001:db8::2]:2"));
  expect(&direction.initiator, OWN("[2001:db8::1]:1"));
}

static void ipv6_saves_two_nodes_that_are_both_behind_ipv4_nats(void **state UNUSED) {
  struct view one =
      node("203.0.113.1:9", "[2001:db8::1]:1", OWN("192.168.1.2:1", "[2001:db8::1]:1"));
  struct view two =
      node("203.0.113.2:9", "[2001:db8::2]:2", OWN("192.168.1.2:2", "[2001:db8::2]:2"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_DIRECT);
  expect(&direction.responder, OWN("[2001:db8::2]:2"));
}

static void a_dual_stack_node_reaches_an_ipv4_node_over_ipv4(void **state UNUSED) {
  struct view one =
      node("203.0.113.1:9", "[2001:db8::1]:1", OWN("192.168.1.2:1", "[2001:db8::1]:1"));
  struct view two = ipv4_global(2);
  struct direction direction;
  direction_choose(&two, &one, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_NAT);
  assert_false(direction.rule.initiator_is_client);
  expect(&direction.initiator, OWN("198.51.100.2:1002"));
  expect(&direction.responder, OWN("203.0.113.1:9")); /* from where it will come */
}

static void ipv6_behind_a_nat_does_not_count_as_reachable(void **state UNUSED) {
  struct view one = node(NULL, "[2001:db8:f::1]:7", OWN("[fd00::1]:1"));
  struct view two = ipv6_only(2);
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_RELAY);
}

static void a_global_address_counts_even_if_nms_never_saw_it(void **state UNUSED) {
  struct view one = node("203.0.113.1:9", NULL, OWN("192.168.1.2:1", "[2001:db8::1]:1"));
  struct view two = node("203.0.113.2:9", NULL, OWN("192.168.1.2:2", "[2001:db8::2]:2"));
  /* 2001:db8::/32 is for documentation only: no address of it is promised to be global. */
  one.addresses[1] = at("[2600::1]:1");
  two.addresses[1] = at("[2600::2]:2");
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_DIRECT);
  expect(&direction.responder, OWN("[2600::2]:2"));
}

static void a_private_address_that_nms_never_saw_does_not_count(void **state UNUSED) {
  struct view one = node(NULL, NULL, OWN("192.168.1.2:1", "[fd00::1]:1"));
  struct view two = ipv4_global(2);
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_RELAY);
  direction_choose(&two, &one, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_RELAY);
}

static void on_one_lan_with_the_server_private_is_as_good_as_global(void **state UNUSED) {
  struct view one = node("192.168.1.2:1", NULL, OWN("192.168.1.2:1"));
  struct view two = node("192.168.1.3:2", NULL,
                         OWN("127.0.0.1:2", "169.254.0.9:2", "10.5.0.3:2", "192.168.1.3:2"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_DIRECT);
  expect(&direction.responder, OWN("192.168.1.3:2", "10.5.0.3:2"));
}

static void own_private_addresses_are_no_candidates_for_the_internet(void **state UNUSED) {
  struct view one = ipv4_global(1);
  struct view two = node("8.8.4.4:2", NULL, OWN("8.8.4.4:2", "10.0.0.3:2", "8.8.8.8:2"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  expect(&direction.responder, OWN("8.8.4.4:2", "8.8.8.8:2"));
}

static void the_observed_port_goes_before_the_registered_one(void **state UNUSED) {
  struct view one = ipv4_global(1);
  struct view two = node("8.8.4.4:6000", NULL, OWN("8.8.4.4:443"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  expect(&direction.responder, OWN("8.8.4.4:6000", "8.8.4.4:443"));
}

static void one_ip_version_does_not_crowd_the_other_out(void **state UNUSED) {
  struct view one = node("8.8.4.1:1", "[2600::99]:1", OWN("8.8.4.1:1", "[2600::99]:1"));
  struct view two =
      node("8.8.4.4:2", "[2600::1]:2",
           OWN("[2600::1]:2", "[2600::2]:2", "[2600::3]:2", "[2600::4]:2", "[2600::5]:2",
               "[2600::6]:2", "[2600::7]:2", "[2600::8]:2", "[2600::9]:2", "8.8.4.4:2"));
  struct direction direction;
  direction_choose(&one, &two, &direction);
  expect(&direction.responder,
         OWN("[2600::1]:2", "[2600::2]:2", "[2600::3]:2", "[2600::4]:2", "8.8.4.4:2"));
}

/* --- where two that need a relay may meet directly later --- */

struct meeting {
  const char *what;
  struct view initiator, responder;
  const char *const *initiator_candidates, *const *responder_candidates;
};

static void meets(const struct meeting *meeting) {
  struct direction direction;
  direction_choose(&meeting->initiator, &meeting->responder, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_RELAY);
  direction_add_upgrade(&meeting->initiator, &meeting->responder, &direction);
  print_message("%s\n", meeting->what);
  expect(&direction.initiator, meeting->initiator_candidates);
  expect(&direction.responder, meeting->responder_candidates);
}

static void candidates_for_the_upgrade_follow_a_table(void **state UNUSED) {
  const struct meeting meetings[] = {
      {"behind two NATs: what was observed, then what is local",
       node("203.0.113.1:5001", NULL, OWN("192.168.1.10:1")),
       node("203.0.113.2:5002", NULL, OWN("192.168.2.10:2", "10.0.0.2:2")),
       OWN("203.0.113.1:5001", "192.168.1.10:1"),
       OWN("203.0.113.2:5002", "192.168.2.10:2", "10.0.0.2:2")},
      {"behind one NAT: what is local first", node("203.0.113.1:5001", NULL, OWN("192.168.1.10:1")),
       node("203.0.113.1:5002", NULL, OWN("192.168.1.11:2", "10.0.0.2:2")),
       OWN("192.168.1.10:1", "203.0.113.1:5001"),
       OWN("192.168.1.11:2", "10.0.0.2:2", "203.0.113.1:5002")},
      {"the same local address: each would speak to itself",
       node("203.0.113.1:5001", NULL, OWN("192.168.1.10:1")),
       node("203.0.113.2:5002", NULL, OWN("192.168.1.10:2")), OWN("203.0.113.1:5001"),
       OWN("203.0.113.2:5002")},
      {"no common IP version: nothing", ipv6_only(1), ipv4_private(2), OWN(""), OWN("")},
      {"no common IP version, from the other side: nothing", ipv4_global(1), ipv6_only(2), OWN(""),
       OWN("")},
      {"never seen over IPv4: nothing", node(NULL, NULL, OWN("192.168.1.2:1")), ipv4_private(2),
       OWN(""), OWN("")},
      {"IPv6 on one side alone does not count",
       node("203.0.113.1:5001", "[2001:db8::1]:1", OWN("192.168.1.10:1", "[2001:db8::1]:1")),
       node("203.0.113.2:5002", NULL, OWN("192.168.2.10:2")),
       OWN("203.0.113.1:5001", "192.168.1.10:1"), OWN("203.0.113.2:5002", "192.168.2.10:2")},
      {"IPv6 behind NATs: before IPv4",
       node("203.0.113.1:5001", "[2001:db8:f::1]:7", OWN("192.168.1.10:1", "[fd00:1::1]:1")),
       node("203.0.113.2:5002", "[2001:db8:f::2]:8", OWN("192.168.2.10:2", "[fd00:2::2]:2")),
       OWN("[2001:db8:f::1]:7", "[fd00:1::1]:1", "203.0.113.1:5001", "192.168.1.10:1"),
       OWN("[2001:db8:f::2]:8", "[fd00:2::2]:2", "203.0.113.2:5002", "192.168.2.10:2")},
      {"loopback and link-local lead nowhere",
       node("203.0.113.1:5001", NULL, OWN("127.0.0.1:1", "169.254.3.4:1")),
       node("203.0.113.2:5002", NULL, OWN("192.168.2.10:2")), OWN("203.0.113.1:5001"),
       OWN("203.0.113.2:5002", "192.168.2.10:2")},
      {"behind one NAT with many addresses: the observed one keeps its place",
       node("203.0.113.1:5001", NULL,
            OWN("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1", "10.0.0.5:1")),
       node("203.0.113.1:5002", NULL, OWN("10.0.0.9:2")),
       OWN("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "203.0.113.1:5001"),
       OWN("10.0.0.9:2", "203.0.113.1:5002")},
  };
  for (size_t i = 0; i < sizeof(meetings) / sizeof(meetings[0]); i++) {
    meets(&meetings[i]);
  }
}

static void who_meets_directly_at_once_gets_no_further_candidates(void **state UNUSED) {
  struct view one = ipv4_private(1), two = ipv4_global(2);
  struct direction direction, before;
  direction_choose(&one, &two, &direction);
  before = direction;
  direction_add_upgrade(&one, &two, &direction);
  assert_memory_equal(&direction, &before, sizeof(direction));
}

/* A node behind an IPv4 NAT that maps so. */
static struct view mapped(enum view_mapping mapping, unsigned number) {
  struct view view = ipv4_private(number);
  struct address elsewhere = view.ipv4.observed;
  if (mapping == VIEW_MAPPING_ENDPOINT_DEPENDENT) {
    elsewhere.port++;
  }
  view_hear_elsewhere(&view, mapping == VIEW_MAPPING_UNKNOWN ? NULL : &elsewhere);
  assert_int_equal(view_mapping(&view), mapping);
  return view;
}

/* Over a relay the initiator is the client, unless the responder alone is known to have a NAT whose
 * ports nobody can foretell: then it must be the one who begins the direct path. */
static void over_a_relay_whoever_cannot_be_reached_is_the_client(void **state UNUSED) {
  const enum view_mapping unknown = VIEW_MAPPING_UNKNOWN, same = VIEW_MAPPING_ENDPOINT_INDEPENDENT,
                          other = VIEW_MAPPING_ENDPOINT_DEPENDENT;
  const struct {
    enum view_mapping initiator, responder;
    bool initiator_is_client;
  } rows[] = {
      {unknown, unknown, true}, {unknown, same, true}, {unknown, other, false},
      {same, unknown, true},    {same, same, true},    {same, other, false},
      {other, unknown, true},   {other, same, true},   {other, other, true},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct view one = mapped(rows[i].initiator, 1), two = mapped(rows[i].responder, 2);
    struct direction direction;
    direction_choose(&one, &two, &direction);
    direction_add_upgrade(&one, &two, &direction);
    assert_int_equal(direction.rule.pattern, PATTERN_RELAY);
    assert_int_equal(direction_initiator_is_client(&direction.rule), rows[i].initiator_is_client);
    expect(&direction.initiator, OWN("203.0.113.1:5001"));
    expect(&direction.responder, OWN("203.0.113.2:5002"));
  }
}

static void how_a_nat_maps_turns_no_roles_without_a_relay(void **state UNUSED) {
  struct view one = ipv4_global(1), two = mapped(VIEW_MAPPING_ENDPOINT_DEPENDENT, 2);
  struct direction direction;
  direction_choose(&two, &one, &direction);
  direction_add_upgrade(&two, &one, &direction);
  assert_int_equal(direction.rule.pattern, PATTERN_NAT);
  assert_true(direction_initiator_is_client(&direction.rule));
  direction_choose(&one, &two, &direction);
  direction_add_upgrade(&one, &two, &direction);
  assert_false(direction_initiator_is_client(&direction.rule));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ipv6_to_ipv6_is_pattern_1),
      cmocka_unit_test(ipv6_to_global_ipv4_is_pattern_3),
      cmocka_unit_test(ipv6_to_private_ipv4_is_pattern_3),
      cmocka_unit_test(global_ipv4_to_ipv6_is_pattern_3),
      cmocka_unit_test(global_ipv4_to_global_ipv4_is_pattern_1),
      cmocka_unit_test(global_ipv4_to_private_ipv4_is_pattern_2_from_the_responder),
      cmocka_unit_test(private_ipv4_to_ipv6_is_pattern_3),
      cmocka_unit_test(private_ipv4_to_global_ipv4_is_pattern_2_from_the_initiator),
      cmocka_unit_test(private_ipv4_to_private_ipv4_is_pattern_3),
      cmocka_unit_test(dual_stack_prefers_ipv6_and_keeps_direct_ipv4_behind_it),
      cmocka_unit_test(ipv4_follows_ipv6_where_the_nat_is_on_the_clients_side),
      cmocka_unit_test(ipv4_is_left_out_where_it_would_turn_the_roles),
      cmocka_unit_test(ipv6_saves_two_nodes_that_are_both_behind_ipv4_nats),
      cmocka_unit_test(a_dual_stack_node_reaches_an_ipv4_node_over_ipv4),
      cmocka_unit_test(ipv6_behind_a_nat_does_not_count_as_reachable),
      cmocka_unit_test(a_global_address_counts_even_if_nms_never_saw_it),
      cmocka_unit_test(a_private_address_that_nms_never_saw_does_not_count),
      cmocka_unit_test(on_one_lan_with_the_server_private_is_as_good_as_global),
      cmocka_unit_test(own_private_addresses_are_no_candidates_for_the_internet),
      cmocka_unit_test(the_observed_port_goes_before_the_registered_one),
      cmocka_unit_test(one_ip_version_does_not_crowd_the_other_out),
      cmocka_unit_test(candidates_for_the_upgrade_follow_a_table),
      cmocka_unit_test(who_meets_directly_at_once_gets_no_further_candidates),
      cmocka_unit_test(over_a_relay_whoever_cannot_be_reached_is_the_client),
      cmocka_unit_test(how_a_nat_maps_turns_no_roles_without_a_relay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trs/relay_table.h"

enum { NOW = 1764000000, HOUR = 3600, ALICE = 0xa11ce001, BOB = 0xb0b00002, CAROL = 0xca401003 };

struct world {
  struct relay_table *table;
  unsigned bound, removed; /* callbacks */
};

static void on_bound(struct relay_pair *pair, void *context) {
  struct world *world = context;
  assert_true(relay_pair_is_bound(pair));
  world->bound++;
}

static void on_removed(struct relay_pair *pair UNUSED, void *context) {
  ((struct world *)context)->removed++;
}

static void open_with(struct world *world, struct relay_table_config config) {
  config.bound = on_bound;
  config.removed = on_removed;
  config.context = world;
  *world = (struct world){.table = relay_table_new(&config)};
  assert_non_null(world->table);
  relay_table_set_time(world->table, NOW);
}

static void open_world(struct world *world) {
  open_with(world, (struct relay_table_config){100, 100, 10, 0, NULL, NULL, NULL});
}

static struct relay_place place_of(const char *text) {
  struct relay_place place = {0};
  assert_int_equal(address_parse(text, 443, &place.remote), 0);
  assert_int_equal(ip_address_parse("198.51.100.1", &place.local), 0);
  return place;
}

static struct relay_node *connect_at(struct world *world, const char *fqdn, const char *address) {
  struct relay_place place = place_of(address);
  struct relay_node *node;
  void *replaced;
  struct error error = {0};
  static char owner;
  if (relay_table_connect(world->table, fqdn, &place, &owner, &node, &replaced, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return node;
}

static struct trs_grant grant_of(const char *first, uint32_t first_id, const char *second,
                                 uint32_t second_id, int64_t expires) {
  struct trs_grant grant = {.expires = expires};
  snprintf(grant.node[0].fqdn, sizeof(grant.node[0].fqdn), "%s", first);
  snprintf(grant.node[1].fqdn, sizeof(grant.node[1].fqdn), "%s", second);
  grant.node[0].route_id = first_id;
  grant.node[1].route_id = second_id;
  return grant;
}

static struct relay_pair *ask(struct world *world, struct relay_node *node,
                              const struct trs_grant *grant) {
  struct relay_pair *pair;
  struct error error = {0};
  if (relay_table_ask(world->table, node, grant, &pair, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return pair;
}

/* Where a packet goes, as text; "" if it is not ours. */
static const char *goes(struct world *world, const char *source, uint32_t route_id) {
  static char text[ADDRESS_TEXT_SIZE];
  struct relay_place from = place_of(source), to;
  if (relay_table_forward(world->table, &from.remote, route_id, 1200, 0, &to) != RELAY_FORWARD) {
    return "";
  }
  return address_text(&to.remote, text);
}

struct couple {
  struct relay_node *alice, *bob;
  struct relay_pair *pair;
};

static void meet(struct world *world, struct couple *couple) {
  struct trs_grant grant = grant_of("alice", ALICE, "bob", BOB, NOW + HOUR);
  couple->alice = connect_at(world, "alice", "192.0.2.1");
  couple->bob = connect_at(world, "bob", "[2001:db8::2]:9999");
  ask(world, couple->alice, &grant);
  couple->pair = ask(world, couple->bob, &grant);
}

static void a_pair_is_bound_when_both_have_asked(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct relay_node *alice = connect_at(&world, "alice", "192.0.2.1");
  struct trs_grant grant = grant_of("alice", ALICE, "bob", BOB, NOW + HOUR);
  struct relay_pair *pair = ask(&world, alice, &grant);
  assert_false(relay_pair_is_bound(pair));
  struct relay_node *bob = connect_at(&world, "bob", "[2001:db8::2]:9999");
  assert_false(relay_pair_is_bound(pair));
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "");
  assert_ptr_equal(ask(&world, bob, &grant), pair);
  assert_true(relay_pair_is_bound(pair));
  assert_int_equal(world.bound, 1);
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "[2001:db8::2]:9999");
  assert_string_equal(goes(&world, "[2001:db8::2]:9999", ALICE), "192.0.2.1:443");
  relay_table_free(world.table);
}

static void only_from_a_bound_address_to_the_other_nodes_route_id(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  connect_at(&world, "carol", "192.0.2.3");
  assert_string_equal(goes(&world, "192.0.2.3", BOB), "");
  assert_string_equal(goes(&world, "192.0.2.1:444", BOB), "");
  assert_string_equal(goes(&world, "192.0.2.1", ALICE), "");
  assert_string_equal(goes(&world, "192.0.2.1", CAROL), "");
  assert_string_equal(goes(&world, "192.0.2.1", 0), "");
  struct relay_table_counters counters;
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.forwarded_packets, 0);
  relay_table_free(world.table);
}

static void packets_leave_by_the_address_the_other_node_talks_to(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  struct relay_place from = place_of("192.0.2.1"), to;
  assert_int_equal(relay_table_forward(world.table, &from.remote, BOB, 100, 0, &to), RELAY_FORWARD);
  char text[ADDRESS_TEXT_SIZE];
  assert_string_equal(ip_address_text(&to.local, text), "198.51.100.1");
  relay_table_free(world.table);
}

static void a_node_that_has_not_proven_its_address_is_sent_nothing(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct relay_node *alice = connect_at(&world, "alice.test", "192.0.2.1");
  struct relay_node *bob = connect_at(&world, "bob.test", "192.0.2.2");
  const struct relay_place unknown = {0}, found = place_of("192.0.2.2");
  relay_table_move(world.table, bob, &unknown);
  struct trs_grant grant = grant_of("alice.test", ALICE, "bob.test", BOB, NOW + HOUR);
  ask(&world, alice, &grant);
  struct relay_pair *pair = ask(&world, bob, &grant);
  assert_false(relay_pair_is_bound(pair));
  struct relay_place destination;
  struct address source = place_of("192.0.2.1").remote;
  assert_int_equal(relay_table_forward(world.table, &source, BOB, 100, 0, &destination),
                   RELAY_NOT_OURS);
  relay_table_move(world.table, bob, &found);
  assert_true(relay_pair_is_bound(pair));
  assert_int_equal(world.bound, 1);
  assert_int_equal(relay_table_forward(world.table, &source, BOB, 100, 0, &destination),
                   RELAY_FORWARD);
  relay_table_free(world.table);
}

static void a_node_that_moves_is_followed_in_both_directions(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  struct relay_place place = place_of("203.0.113.9:5000");
  relay_table_move(world.table, couple.alice, &place);
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "");
  assert_string_equal(goes(&world, "203.0.113.9:5000", BOB), "[2001:db8::2]:9999");
  assert_string_equal(goes(&world, "[2001:db8::2]:9999", ALICE), "203.0.113.9:5000");
  assert_int_equal(world.bound, 1); /* no news */
  relay_table_free(world.table);
}

static void a_node_that_connects_again_keeps_its_pairs(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  struct relay_place place = place_of("203.0.113.9:5000");
  struct relay_node *again;
  void *replaced;
  struct error error = {0};
  char owner;
  assert_int_equal(
      relay_table_connect(world.table, "alice", &place, &owner, &again, &replaced, &error), 0);
  assert_ptr_equal(again, couple.alice);
  assert_non_null(replaced);
  assert_string_equal(goes(&world, "203.0.113.9:5000", BOB), "[2001:db8::2]:9999");
  struct relay_table_counters counters;
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.nodes, 2);
  relay_table_free(world.table);
}

static void who_leaves_and_comes_back_finds_the_other_waiting(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  relay_table_disconnect(world.table, couple.alice);
  assert_false(relay_pair_is_bound(couple.pair));
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "");
  assert_string_equal(goes(&world, "[2001:db8::2]:9999", ALICE), "");
  connect_at(&world, "alice", "192.0.2.7");
  assert_int_equal(world.bound, 2);
  assert_string_equal(goes(&world, "192.0.2.7", BOB), "[2001:db8::2]:9999");
  relay_table_free(world.table);
}

static void a_pair_that_both_have_left_is_gone(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  relay_table_disconnect(world.table, couple.alice);
  assert_int_equal(world.removed, 0);
  relay_table_disconnect(world.table, couple.bob);
  assert_int_equal(world.removed, 1);
  struct relay_table_counters counters;
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.nodes + counters.pairs + counters.bound, 0);
  relay_table_free(world.table);
}

static void a_pair_that_only_the_leaver_asked_for_goes_with_it(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct relay_node *alice = connect_at(&world, "alice", "192.0.2.1");
  connect_at(&world, "bob", "192.0.2.2");
  struct trs_grant grant = grant_of("alice", ALICE, "bob", BOB, NOW + HOUR);
  struct relay_pair *pair = ask(&world, alice, &grant);
  /* Unless somebody has an interest in it. */
  relay_pair_set_context(pair, &world);
  relay_table_disconnect(world.table, alice);
  assert_int_equal(world.removed, 0);
  relay_pair_set_context(pair, NULL);
  relay_table_set_time(world.table, NOW + 60);
  assert_int_equal(world.removed, 1);
  alice = connect_at(&world, "alice", "192.0.2.1");
  ask(&world, alice, &grant);
  relay_table_disconnect(world.table, alice);
  assert_int_equal(world.removed, 2);
  relay_table_free(world.table);
}

static void an_expired_pair_forwards_nothing_until_it_is_renewed(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  relay_table_set_time(world.table, NOW + HOUR - 1);
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "[2001:db8::2]:9999");
  struct trs_grant later = grant_of("bob", BOB, "alice", ALICE, NOW + 2 * HOUR);
  assert_ptr_equal(ask(&world, couple.bob, &later), couple.pair);
  relay_table_set_time(world.table, NOW + HOUR);
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "[2001:db8::2]:9999");
  relay_table_set_time(world.table, NOW + 2 * HOUR);
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "");
  relay_table_set_time(world.table, NOW + 2 * HOUR + 60);
  assert_int_equal(world.removed, 1);
  relay_table_free(world.table);
}

static void an_older_grant_takes_nothing_back(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  struct trs_grant older = grant_of("alice", 77, "bob", 78, NOW + 10);
  ask(&world, couple.alice, &older);
  assert_string_equal(goes(&world, "192.0.2.1", 78), "");
  relay_table_set_time(world.table, NOW + 20);
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "[2001:db8::2]:9999");
  relay_table_free(world.table);
}

static void a_newer_grant_brings_new_route_ids(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  struct trs_grant newer = grant_of("alice", 77, "bob", 78, NOW + 2 * HOUR);
  ask(&world, couple.alice, &newer);
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "");
  assert_string_equal(goes(&world, "192.0.2.1", 78), "[2001:db8::2]:9999");
  assert_string_equal(goes(&world, "[2001:db8::2]:9999", 77), "192.0.2.1:443");
  relay_table_free(world.table);
}

static void a_node_may_have_many_pairs_and_each_is_its_own(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  struct relay_node *carol = connect_at(&world, "carol", "192.0.2.3");
  struct trs_grant grant = grant_of("carol", CAROL, "alice", ALICE, NOW + HOUR);
  ask(&world, couple.alice, &grant);
  ask(&world, carol, &grant);
  assert_string_equal(goes(&world, "192.0.2.1", CAROL), "192.0.2.3:443");
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "[2001:db8::2]:9999");
  assert_string_equal(goes(&world, "192.0.2.3", BOB), "");
  relay_table_disconnect(world.table, carol);
  assert_string_equal(goes(&world, "192.0.2.1", CAROL), "");
  assert_string_equal(goes(&world, "192.0.2.1", BOB), "[2001:db8::2]:9999");
  relay_table_free(world.table);
}

static void packets_and_bytes_are_counted_each_way(void **state UNUSED) {
  struct world world;
  open_world(&world);
  struct couple couple;
  meet(&world, &couple);
  for (int i = 0; i < 3; i++) {
    goes(&world, "192.0.2.1", BOB);
  }
  goes(&world, "[2001:db8::2]:9999", ALICE);
  struct relay_pair_counters counters;
  relay_pair_counters(couple.pair, &counters);
  size_t alice = strcmp(counters.fqdn[0], "alice") == 0 ? 0 : 1;
  assert_int_equal(counters.packets[alice], 3);
  assert_int_equal(counters.bytes[alice], 3 * 1200);
  assert_int_equal(counters.packets[1 - alice], 1);
  struct relay_table_counters all;
  relay_table_counters(world.table, &all);
  assert_int_equal(all.forwarded_packets, 4);
  assert_int_equal(all.forwarded_bytes, 4 * 1200);
  relay_table_free(world.table);
}

static void a_rate_limit_holds_for_each_sender(void **state UNUSED) {
  struct world world;
  open_with(&world, (struct relay_table_config){100, 100, 10, 1000, NULL, NULL, NULL});
  struct couple couple;
  meet(&world, &couple);
  struct relay_place alice = place_of("192.0.2.1"), bob = place_of("[2001:db8::2]:9999"), to;
  enum relay_verdict verdict = RELAY_FORWARD;
  for (int i = 0; i < 100 && verdict == RELAY_FORWARD; i++) {
    verdict = relay_table_forward(world.table, &alice.remote, BOB, 1200, 1, &to);
  }
  assert_int_equal(verdict, RELAY_OVER_LIMIT);
  assert_int_equal(relay_table_forward(world.table, &bob.remote, ALICE, 1200, 1, &to),
                   RELAY_FORWARD);
  assert_int_equal(relay_table_forward(world.table, &alice.remote, BOB, 1200, 5000, &to),
                   RELAY_FORWARD);
  struct relay_table_counters counters;
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.over_limit, 1);
  relay_table_free(world.table);
}

static int try_ask(struct world *world, struct relay_node *node, const char *own, const char *peer,
                   uint32_t peer_id) {
  struct trs_grant grant = grant_of(own, ALICE, peer, peer_id, NOW + HOUR);
  struct relay_pair *pair;
  struct error error = {0};
  int code = relay_table_ask(world->table, node, &grant, &pair, &error);
  assert_true(code == 0 || error.message[0] != '\0');
  return code;
}

static void the_bounds_hold_and_leave_what_is_there(void **state UNUSED) {
  struct world world;
  open_with(&world, (struct relay_table_config){3, 3, 2, 0, NULL, NULL, NULL});
  struct relay_node *alice = connect_at(&world, "alice", "192.0.2.1"),
                    *bob = connect_at(&world, "bob", "192.0.2.2"),
                    *carol = connect_at(&world, "carol", "192.0.2.3");
  struct relay_place place = place_of("192.0.2.4");
  struct relay_node *node;
  void *replaced;
  struct error error = {0};
  char owner;
  assert_int_equal(
      relay_table_connect(world.table, "dave", &place, &owner, &node, &replaced, &error),
      ERROR_LIMIT);
  assert_int_equal(
      relay_table_connect(world.table, "alice", &place, &owner, &node, &replaced, &error), 0);
  assert_int_equal(try_ask(&world, alice, "alice", "p1", 11), 0);
  assert_int_equal(try_ask(&world, alice, "alice", "p2", 12), 0);
  assert_int_equal(try_ask(&world, alice, "alice", "p3", 13), ERROR_LIMIT); /* a node's */
  assert_int_equal(try_ask(&world, alice, "alice", "p1", 11), 0);           /* known */
  assert_int_equal(try_ask(&world, bob, "bob", "carol", 14), 0);
  assert_int_equal(try_ask(&world, carol, "carol", "p4", 15), ERROR_LIMIT); /* the table's */
  assert_int_equal(try_ask(&world, carol, "carol", "bob", 16), 0);
  relay_table_disconnect(world.table, alice);
  assert_int_equal(try_ask(&world, carol, "carol", "p4", 15), 0);
  relay_table_free(world.table);
}

static void others_cannot_use_up_a_nodes_share(void **state UNUSED) {
  struct world world;
  open_with(&world, (struct relay_table_config){100, 100, 2, 0, NULL, NULL, NULL});
  struct relay_node *bob = connect_at(&world, "bob", "192.0.2.2");
  for (uint32_t i = 0; i < 20; i++) {
    char name[16], address[32];
    snprintf(name, sizeof(name), "n%u", i);
    snprintf(address, sizeof(address), "192.0.2.%u", 100 + i);
    assert_int_equal(try_ask(&world, connect_at(&world, name, address), name, "bob", BOB), 0);
  }
  assert_int_equal(try_ask(&world, bob, "bob", "n7", 7), 0);
  relay_table_free(world.table);
}

static void a_node_that_connects_ten_thousand_times_is_one_entry(void **state UNUSED) {
  struct world world;
  open_with(&world, (struct relay_table_config){2, 1, 1, 0, NULL, NULL, NULL});
  struct couple couple;
  meet(&world, &couple);
  struct trs_grant grant = grant_of("alice", ALICE, "bob", BOB, NOW + HOUR);
  for (unsigned i = 0; i < 10000; i++) {
    char address[32];
    snprintf(address, sizeof(address), "192.0.2.7:%u", 1000 + i);
    assert_ptr_equal(connect_at(&world, "alice", address), couple.alice);
    assert_ptr_equal(ask(&world, couple.alice, &grant), couple.pair);
  }
  struct relay_table_counters counters;
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.nodes, 2);
  assert_int_equal(counters.pairs, 1);
  assert_int_equal(counters.bound, 1);
  assert_string_equal(goes(&world, "192.0.2.7:10999", BOB), "[2001:db8::2]:9999");
  assert_string_equal(goes(&world, "192.0.2.7:10998", BOB), "");
  relay_table_free(world.table);
}

static void who_leaves_and_comes_back_ten_thousand_times_leaves_nothing(void **state UNUSED) {
  struct world world;
  open_with(&world, (struct relay_table_config){1, 1, 1, 0, NULL, NULL, NULL});
  struct trs_grant grant = grant_of("alice", ALICE, "bob", BOB, NOW + HOUR);
  for (unsigned i = 0; i < 10000; i++) {
    struct relay_node *alice = connect_at(&world, "alice", "192.0.2.1");
    ask(&world, alice, &grant);
    relay_table_disconnect(world.table, alice);
  }
  struct relay_table_counters counters;
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.nodes, 0);
  assert_int_equal(counters.pairs, 0);
  relay_table_free(world.table);
}

static void many_pairs_come_and_go(void **state UNUSED) {
  struct world world;
  open_with(&world, (struct relay_table_config){1000, 10000, 1000, 0, NULL, NULL, NULL});
  struct relay_node *nodes[200];
  char names[200][16];
  srand(3);
  for (uint32_t i = 0; i < 200; i++) {
    char address[32];
    snprintf(names[i], sizeof(names[i]), "n%u", i);
    snprintf(address, sizeof(address), "198.18.0.%u", 1 + i);
    nodes[i] = connect_at(&world, names[i], address);
  }
  for (int i = 0; i < 20000; i++) {
    size_t one = (size_t)rand() % 200, other = (size_t)rand() % 200;
    if (one == other) {
      continue;
    }
    if (i % 50 == 0) {
      char address[32];
      relay_table_disconnect(world.table, nodes[one]);
      snprintf(address, sizeof(address), "198.18.1.%zu", 1 + one);
      nodes[one] = connect_at(&world, names[one], address);
    }
    struct trs_grant grant = grant_of(names[one], (uint32_t)one + 1, names[other],
                                      (uint32_t)other + 1, NOW + 1 + rand() % HOUR);
    ask(&world, nodes[one], &grant);
    if (i % 100 == 0) {
      relay_table_set_time(world.table, NOW + i / 20);
    }
  }
  for (size_t i = 0; i < 200; i++) {
    relay_table_disconnect(world.table, nodes[i]);
  }
  struct relay_table_counters counters;
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.nodes + counters.pairs + counters.bound, 0);
  relay_table_free(world.table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_pair_is_bound_when_both_have_asked),
      cmocka_unit_test(only_from_a_bound_address_to_the_other_nodes_route_id),
      cmocka_unit_test(packets_leave_by_the_address_the_other_node_talks_to),
      cmocka_unit_test(a_node_that_has_not_proven_its_address_is_sent_nothing),
      cmocka_unit_test(a_node_that_moves_is_followed_in_both_directions),
      cmocka_unit_test(a_node_that_connects_again_keeps_its_pairs),
      cmocka_unit_test(who_leaves_and_comes_back_finds_the_other_waiting),
      cmocka_unit_test(a_pair_that_both_have_left_is_gone),
      cmocka_unit_test(a_pair_that_only_the_leaver_asked_for_goes_with_it),
      cmocka_unit_test(an_expired_pair_forwards_nothing_until_it_is_renewed),
      cmocka_unit_test(an_older_grant_takes_nothing_back),
      cmocka_unit_test(a_newer_grant_brings_new_route_ids),
      cmocka_unit_test(a_node_may_have_many_pairs_and_each_is_its_own),
      cmocka_unit_test(packets_and_bytes_are_counted_each_way),
      cmocka_unit_test(a_rate_limit_holds_for_each_sender),
      cmocka_unit_test(the_bounds_hold_and_leave_what_is_there),
      cmocka_unit_test(others_cannot_use_up_a_nodes_share),
      cmocka_unit_test(a_node_that_connects_ten_thousand_times_is_one_entry),
      cmocka_unit_test(who_leaves_and_comes_back_ten_thousand_times_leaves_nothing),
      cmocka_unit_test(many_pairs_come_and_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

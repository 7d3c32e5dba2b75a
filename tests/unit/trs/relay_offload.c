/* What a relay table tells an offload: each flow of a bound pair comes and goes once, and what was
 * forwarded below is counted with the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "trs/relay_table.h"

enum { NOW = 1764000000, HOUR = 3600, ALICE = 0xa11ce001, BOB = 0xb0b00002, FLOWS_MAX = 8 };

struct below {
  struct relay_flow flows[FLOWS_MAX];
  size_t count;
  bool refuses;
};

static bool enter(const struct relay_flow *flow, void *context) {
  struct below *below = context;
  if (below->refuses) {
    return false;
  }
  assert_in_range(below->count, 0, FLOWS_MAX - 1);
  for (size_t i = 0; i < below->count; i++) {
    assert_false(below->flows[i].route_id == flow->route_id &&
                 address_equal(&below->flows[i].from.remote, &flow->from.remote));
  }
  below->flows[below->count++] = *flow;
  return true;
}

static void leave(const struct address *source, uint32_t route_id, struct relay_traffic *traffic,
                  void *context) {
  struct below *below = context;
  for (size_t i = 0; i < below->count; i++) {
    if (below->flows[i].route_id == route_id &&
        address_equal(&below->flows[i].from.remote, source)) {
      below->flows[i] = below->flows[--below->count];
      *traffic = (struct relay_traffic){.packets = 7, .bytes = 700};
      return;
    }
  }
  fail_msg("a flow leaves that is not there");
}

static void total(struct relay_traffic *traffic, void *context UNUSED) {
  *traffic = (struct relay_traffic){.packets = 14, .bytes = 1400};
}

struct world {
  struct below below;
  struct relay_table *table;
  struct relay_node *alice, *bob;
  struct relay_pair *pair;
};

static struct relay_place place_of(const char *text) {
  struct relay_place place;
  assert_int_equal(address_parse(text, 443, &place.remote), 0);
  assert_int_equal(ip_address_parse("198.51.100.1", &place.local), 0);
  return place;
}

static void open_world(struct world *world, bool refuses) {
  *world = (struct world){.below.refuses = refuses};
  const struct relay_table_config config = {.nodes_max = 10, .pairs_max = 10, .pairs_per_node = 10};
  world->table = relay_table_new(&config);
  assert_non_null(world->table);
  const struct relay_offload offload = {
      .enter = enter, .leave = leave, .total = total, .context = &world->below};
  relay_table_set_offload(world->table, &offload);
  relay_table_set_time(world->table, NOW);
  struct trs_grant grant = {.node = {{"alice", ALICE}, {"bob", BOB}}, .expires = NOW + HOUR};
  struct relay_place alice = place_of("192.0.2.1:1"), bob = place_of("192.0.2.2:2");
  struct error error = {0};
  static char owner;
  void *replaced;
  struct relay_table *table = world->table;
  assert_int_equal(
      relay_table_connect(table, "alice", &alice, &owner, &world->alice, &replaced, &error), 0);
  assert_int_equal(relay_table_connect(table, "bob", &bob, &owner, &world->bob, &replaced, &error),
                   0);
  assert_int_equal(relay_table_ask(table, world->alice, &grant, &world->pair, &error), 0);
  assert_int_equal(world->below.count, 0);
  assert_int_equal(relay_table_ask(table, world->bob, &grant, &world->pair, &error), 0);
  assert_int_equal(world->below.count, refuses ? 0 : 2);
}

/* Both flows as they are to be now. */
static void flows_lead(const struct world *world, const char *alice, const char *bob) {
  struct relay_place places[] = {place_of(alice), place_of(bob)};
  assert_int_equal(world->below.count, 2);
  for (size_t i = 0; i < 2; i++) {
    const struct relay_flow *flow = &world->below.flows[i];
    size_t from = flow->route_id == BOB ? 0 : 1;
    assert_true(address_equal(&flow->from.remote, &places[from].remote));
    assert_true(address_equal(&flow->to.remote, &places[1 - from].remote));
    assert_true(ip_address_equal(&flow->to.local, &places[1 - from].local));
  }
}

static void flows_are_those_of_bound_pairs(void **state UNUSED) {
  struct world world;
  open_world(&world, false);
  flows_lead(&world, "192.0.2.1:1", "192.0.2.2:2");
  assert_int_equal(world.below.flows[0].seconds, HOUR);
  struct relay_place place = place_of("192.0.2.9:9");
  relay_table_move(world.table, world.bob, &place);
  flows_lead(&world, "192.0.2.1:1", "192.0.2.9:9");
  relay_table_disconnect(world.table, world.bob);
  assert_int_equal(world.below.count, 0);
  relay_table_free(world.table);
}

static void flows_leave_with_the_grant_and_with_the_table(void **state UNUSED) {
  struct world world;
  open_world(&world, false);
  relay_table_set_time(world.table, NOW + HOUR - 1);
  assert_int_equal(world.below.count, 2);
  /* Before the next sweep would be due: the clock was set forward. */
  relay_table_set_time(world.table, NOW + HOUR + 4);
  assert_int_equal(world.below.count, 0);
  relay_table_free(world.table);

  open_world(&world, false);
  relay_table_free(world.table);
  assert_int_equal(world.below.count, 0);
}

static void what_is_refused_never_leaves(void **state UNUSED) {
  struct world world;
  open_world(&world, true);
  assert_true(relay_pair_is_bound(world.pair));
  relay_table_disconnect(world.table, world.bob);
  relay_table_free(world.table);
}

static void traffic_below_counts(void **state UNUSED) {
  struct world world;
  open_world(&world, false);
  struct relay_table_counters counters;
  struct relay_place from = place_of("192.0.2.1:1"), to;
  assert_int_equal(relay_table_forward(world.table, &from.remote, BOB, 100, 0, &to), RELAY_FORWARD);
  relay_table_counters(world.table, &counters);
  assert_int_equal(counters.forwarded_packets, 15);
  assert_int_equal(counters.forwarded_bytes, 1500);
  assert_int_equal(counters.offloaded.packets, 14);
  relay_table_disconnect(world.table, world.bob);
  struct relay_pair_counters pair;
  relay_pair_counters(world.pair, &pair);
  size_t alice = strcmp(pair.fqdn[0], "alice") == 0 ? 0 : 1;
  assert_int_equal(pair.packets[alice], 8);
  assert_int_equal(pair.bytes[1 - alice], 700);
  relay_table_free(world.table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flows_are_those_of_bound_pairs),
      cmocka_unit_test(flows_leave_with_the_grant_and_with_the_table),
      cmocka_unit_test(what_is_refused_never_leaves),
      cmocka_unit_test(traffic_below_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Nodes and TRSs that mean NMS ill: who registers without end, and a TRS that lies about the
 * address at which it saw a node. */
#include "present.h"

#include <stdio.h>
#include <string.h>

#include "nms/direction.h"
#include "nms/directory.h"
#include "nms/message.h"

/* --- registering without end --- */

static char controls[2];

static struct control *control(size_t number) {
  return (struct control *)(void *)&controls[number];
}

static struct address at(const char *text) {
  struct address address;
  assert_int_equal(address_parse(text, 443, &address), 0);
  return address;
}

static void a_node_that_registers_ten_thousand_times_is_one_entry(void **state UNUSED) {
  struct directory *directory = directory_new();
  assert_non_null(directory);
  struct store_device device = some_device("alice");
  device.id = 1;
  const struct directory_entry *first = NULL;
  for (uint32_t i = 0; i < 10000; i++) {
    struct address own = at("192.0.2.1:1000"), observed = own;
    observed.port = (uint16_t)(1000 + i);
    const struct directory_registration registration = {.control = control(i % 2),
                                                        .addresses = &own,
                                                        .address_count = 1,
                                                        .observed = observed,
                                                        .elsewhere = &observed,
                                                        .route_id = i + 1};
    struct control *replaced;
    const struct directory_entry *entry =
        directory_register(directory, &device, &registration, i, &replaced);
    assert_non_null(entry);
    assert_true(first == NULL || entry == first);
    first = entry;
    if (i > 0) {
      assert_ptr_equal(replaced, control((i + 1) % 2));
      assert_null(directory_by_route_id(directory, i)); /* the one it had before */
    }
  }
  assert_int_equal(directory_count(directory), 1);
  directory_remove(directory, device.fqdn, control(1), 10000);
  assert_int_equal(directory_count(directory), 0);
  directory_free(directory);
}

static void a_node_that_comes_and_goes_ten_thousand_times_leaves_nothing(void **state UNUSED) {
  struct directory *directory = directory_new();
  assert_non_null(directory);
  struct store_device device = some_device("alice");
  device.id = 1;
  uint32_t route_id = 0;
  for (uint32_t i = 0; i < 10000; i++) {
    struct address own = at("192.0.2.1:1000");
    const struct directory_registration registration = {
        .control = control(0), .addresses = &own, .address_count = 1, .observed = own};
    struct control *replaced;
    const struct directory_entry *entry =
        directory_register(directory, &device, &registration, i, &replaced);
    assert_non_null(entry);
    assert_null(replaced);
    /* Its route id waited for it: others cannot be made to run out of them. */
    assert_true(route_id == 0 || entry->route_id == route_id);
    route_id = entry->route_id;
    directory_remove(directory, device.fqdn, control(0), i);
    assert_int_equal(directory_count(directory), 0);
  }
  directory_free(directory);
}

static size_t connections(const struct cloud *cloud) {
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(cloud->endpoint, &counters);
  return counters.connections;
}

static void real_connections_without_end_are_one_node_with_one_connection(void **state) {
  enum { CONNECTIONS = 200, REGISTRATIONS = 5 };
  static struct session sessions[CONNECTIONS];
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  size_t before = connections(cloud);
  for (size_t i = 0; i < CONNECTIONS; i++) {
    session_open(&alice.member, NMS_ALPN, PKI_NMS, &sessions[i]);
    for (size_t j = 0; j < REGISTRATIONS; j++) {
      register_as(&sessions[i], "127.0.0.1");
    }
    if (i > 0) {
      cloud_wait(cloud, &sessions[i - 1].closed);
      assert_int_equal(sessions[i - 1].close.application_code, NMS_CLOSE_REPLACED);
    }
    assert_true(connections(cloud) <= before + 1);
  }
  assert_int_equal(connections(cloud), before);
  direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  cloud_wait(cloud, &sessions[CONNECTIONS - 1].directed);
  for (size_t i = 0; i < CONNECTIONS; i++) {
    session_close(&sessions[i]);
  }
  leave(&alice);
  leave(&bob);
}

/* --- a TRS that lies --- */

/* What it says it saw the node at, which the node passes on to NMS. */
static const char *const lies[] = {
    "10.0.0.1:443",    "192.168.0.1:443",     "127.0.0.1:443",       "169.254.0.1:443",
    "224.0.0.1:443",   "239.255.255.250:443", "255.255.255.255:443", "203.0.113.9:443",
    "198.51.100.1:53", "192.0.2.1:1",         "[2001:db8::9]:443",   "[ff02::1]:443",
};
enum { LIES = sizeof(lies) / sizeof(lies[0]) };

static struct view node_at(const char *own, const char *observed) {
  struct view view = {0};
  struct address address = at(own), seen = at(observed);
  view_register(&view, &address, 1);
  view_observe(&view, &seen);
  return view;
}

static bool is_among(const struct address *address, const struct direction_candidates *candidates) {
  for (size_t i = 0; i < candidates->count; i++) {
    if (address_equal(address, &candidates->address[i])) {
      return true;
    }
  }
  return false;
}

static void expect_same_candidates(const struct direction_candidates *one,
                                   const struct direction_candidates *other) {
  assert_int_equal(one->count, other->count);
  for (size_t i = 0; i < one->count; i++) {
    assert_true(is_among(&one->address[i], other));
  }
}

static struct direction directed(const struct view *initiator, const struct view *responder) {
  struct direction direction;
  direction_choose(initiator, responder, &direction);
  direction_add_upgrade(initiator, responder, &direction);
  return direction;
}

static void a_lie_changes_neither_pattern_nor_candidates(void **state UNUSED) {
  const struct view nodes[] = {
      node_at("192.0.2.1:5000", "192.0.2.1:5000"),
      node_at("192.168.1.2:5000", "198.51.100.2:6000"),
      node_at("192.168.1.3:5000", "203.0.113.3:6001"),
      node_at("[2001:db8::4]:5000", "[2001:db8::4]:5000"),
  };
  enum { NODES = sizeof(nodes) / sizeof(nodes[0]) };
  for (size_t i = 0; i < LIES * NODES * NODES; i++) {
    const struct view *one = &nodes[i % NODES], *other = &nodes[i / NODES % NODES];
    struct address lie = at(lies[i / NODES / NODES]);
    struct view lied_to = *one;
    view_hear_elsewhere(&lied_to, &lie);
    assert_true(address_equal(&lied_to.ipv4.observed, &one->ipv4.observed));
    assert_int_equal(lied_to.ipv4.behind_nat, one->ipv4.behind_nat);
    struct direction truth = directed(one, other), begun = directed(&lied_to, other),
                     awaited = directed(other, &lied_to), turned = directed(other, one);
    assert_int_equal(begun.rule.pattern, truth.rule.pattern);
    assert_int_equal(awaited.rule.pattern, turned.rule.pattern);
    expect_same_candidates(&begun.initiator, &truth.initiator);
    expect_same_candidates(&begun.responder, &truth.responder);
    expect_same_candidates(&awaited.initiator, &turned.initiator);
    expect_same_candidates(&awaited.responder, &turned.responder);
  }
}

static void register_with_lie(struct session *session, const struct address *lie,
                              const char *own_address) {
  Cyphonic__Endpoint elsewhere = nms_message_endpoint(lie);
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  request.observed_elsewhere = &elsewhere;
  struct ip_address own = ip(own_address);
  Cyphonic__Message *reply = registered_with(session, &own, &request);
  const Cyphonic__Endpoint *observed = reply->registration_response->observed;
  struct ip_address loopback = ip("127.0.0.1");
  assert_int_equal(observed->ip.len, 4);
  assert_memory_equal(observed->ip.data, loopback.bytes, 4);
  cyphonic__message__free_unpacked(reply, NULL);
}

static void a_node_that_was_lied_to_is_directed_as_before(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", NULL, &bob);
  struct ip_address seen = ip("127.0.0.1");
  for (size_t i = 0; i < LIES; i++) {
    struct address lie = at(lies[i]);
    register_with_lie(&bob.session, &lie, "127.0.0.1");
    /* A registration that is news needs no new direction from its node's lie alone. */
    uint64_t id = direct(&alice, &bob, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
    await_directions(&alice, &bob);
    expect_direction(&alice, &bob, id, 1, true, true);
    const Cyphonic__RouteDirection *direction = alice.session.direction->route_direction;
    assert_true(direction->n_candidates > 0);
    for (size_t j = 0; j < direction->n_candidates; j++) {
      assert_int_equal(direction->candidates[j]->ip.len, 4);
      assert_memory_equal(direction->candidates[j]->ip.data, seen.bytes, 4);
      assert_int_equal(direction->candidates[j]->port, quic_endpoint_port(bob.member.endpoint, 4));
    }
  }
  leave(&alice);
  leave(&bob);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_node_that_registers_ten_thousand_times_is_one_entry),
      cmocka_unit_test(a_node_that_comes_and_goes_ten_thousand_times_leaves_nothing),
      TEST(real_connections_without_end_are_one_node_with_one_connection),
      cmocka_unit_test(a_lie_changes_neither_pattern_nor_candidates),
      TEST(a_node_that_was_lied_to_is_directed_as_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

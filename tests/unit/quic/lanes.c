/* Several endpoints on one port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/random.h"
#include "pair.h"
#include "quic/connection_internal.h"
#include "quic/lane.h"

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

enum { LANES = 3, CROWD = 16, MANY = LANES * LANES * LANES, SMALL = 40, LARGE = 200 };

/* What an endpoint accepts. */
struct crowd {
  struct side sides[MANY];
  size_t count;
};

static void crowd_accepted(struct quic_connection *connection, void *context) {
  struct crowd *crowd = context;
  assert_true(crowd->count < MANY);
  accepted(connection, &crowd->sides[crowd->count++]);
}

static void crowd_serve(struct crowd *crowd, struct quic_endpoint *endpoint) {
  crowd->count = 0;
  struct quic_service service = tunnel_service(NULL);
  service.accepted = crowd_accepted;
  service.context = crowd;
  serve(endpoint, &service);
}

/* --- a group of lanes --- */

struct group {
  struct quic_endpoint *lanes[LANES];
  unsigned foreign; /* packets handed over */
  struct crowd served[LANES];
};

static void pass_on(unsigned lane, const struct udp_packet *packet, void *context) {
  struct group *group = context;
  group->foreign++;
  if (group->lanes[lane] == NULL) {
    return; /* closed before this one */
  }
  /* As in another thread: what the packet lay in is gone. */
  uint8_t copy[UDP_PACKET_SIZE];
  memcpy(copy, packet->data, packet->size);
  struct udp_packet later = *packet;
  later.data = copy;
  quic_endpoint_take(group->lanes[lane], &later);
}

static void group_open_at(struct group *group, uint16_t port) {
  *group = (struct group){0};
  struct quic_endpoint_config config = world_endpoint_config(&world, port);
  config.lanes = LANES;
  config.foreign = pass_on;
  config.context = group;
  for (unsigned i = 0; i < LANES; i++) {
    config.lane = i;
    group->lanes[i] = world_endpoint_new(&config);
    config.port = quic_endpoint_port(group->lanes[0], 4);
    crowd_serve(&group->served[i], group->lanes[i]);
  }
}

static void group_open(struct group *group) {
  group_open_at(group, 0);
}

static uint16_t group_port(const struct group *group) {
  return quic_endpoint_port(group->lanes[0], 4);
}

/* As where the kernel takes no program: it chooses by addresses. */
static void group_stop_steering(struct group *group) {
  const int on = 1;
  for (int i = 0; i < 2; i++) {
    const struct udp_socket *socket = group->lanes[1]->sockets[i].udp;
    if (socket != NULL) {
      assert_int_equal(setsockopt(udp_socket_descriptor(socket), SOL_SOCKET,
                                  SO_DETACH_REUSEPORT_BPF, &on, sizeof(on)),
                       0);
    }
  }
}

static void group_close(struct group *group) {
  for (unsigned i = 0; i < LANES; i++) {
    world_endpoint_close(&world, group->lanes[i]);
    group->lanes[i] = NULL;
  }
}

static uint64_t resets_of(const struct group *group) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < LANES; i++) {
    sum += endpoint_counters(group->lanes[i]).stateless_resets;
  }
  return sum;
}

static bool side_has_established(void *context) {
  return ((struct side *)context)->established;
}

static bool side_is_confirmed(void *context) {
  return ((struct side *)context)->connection->confirmed;
}

static bool whole_crowd_is_served(void *context) {
  const struct group *group = context;
  return group->served[0].count + group->served[1].count + group->served[2].count == CROWD;
}

static bool side_has_closed(void *context) {
  return ((struct side *)context)->closed;
}

static bool side_has_heard(void *context) {
  return ((struct side *)context)->datagrams > 0;
}

/* A datagram each way. */
static void converse(struct side *one, struct side *other) {
  one->datagrams = other->datagrams = 0;
  side_say(one);
  world_run_until(&world, side_has_heard, other);
  side_say(other);
  world_run_until(&world, side_has_heard, one);
}

/* --- Connection IDs --- */

static size_t ids_of(const struct side *side, ngtcp2_cid ids[static 16]) {
  size_t count = ngtcp2_conn_get_scid(side->connection->conn, NULL);
  assert_true(count <= 16);
  return ngtcp2_conn_get_scid(side->connection->conn, ids);
}

static bool has_spare_ids(void *context) {
  ngtcp2_cid ids[16];
  return ids_of(context, ids) >= 7;
}

static void expect_ids(struct side *side, unsigned lane, uint32_t route_id) {
  ngtcp2_cid ids[16];
  world_run_until(&world, has_spare_ids, side);
  size_t count = ids_of(side, ids);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(ids[i].datalen, CONNECTION_ID_SIZE);
    assert_int_equal(ids[i].data[LANE_BYTE] % LANES, lane);
    const uint8_t *id = ids[i].data;
    uint32_t start = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    if (route_id != 0) {
      assert_int_equal(start, route_id);
    }
  }
}

/* From each lane to an endpoint beside them, and to each lane. */
static void all_ids_say_their_lane(uint32_t route_id) {
  static struct group group;
  group_open(&group);
  for (unsigned lane = 0; lane < LANES; lane++) {
    quic_endpoint_set_route_id(group.lanes[lane], route_id);
  }
  struct quic_endpoint *peer = world_endpoint(&world, 0, 0);
  static struct crowd served;
  crowd_serve(&served, peer);
  for (unsigned lane = 0; lane < LANES; lane++) {
    struct side client;
    struct quic_target target = tunnel_target(&client, quic_endpoint_port(peer, 4));
    connect_to(group.lanes[lane], &target, &client);
    world_run_until(&world, side_has_established, &client);
    expect_ids(&client, lane, route_id);
    quic_connection_close(client.connection, 0, "");
    world_run_until(&world, side_has_closed, &client);
  }
  static struct side clients[CROWD];
  struct quic_target target = tunnel_target(NULL, group_port(&group));
  for (size_t i = 0; i < CROWD; i++) {
    target.context = &clients[i];
    connect_to(peer, &target, &clients[i]);
    world_run_until(&world, side_has_established, &clients[i]);
  }
  for (unsigned lane = 0; lane < LANES; lane++) {
    for (size_t i = 0; i < group.served[lane].count; i++) {
      expect_ids(&group.served[lane].sides[i], lane, route_id);
    }
  }
  world_endpoint_close(&world, peer);
  group_close(&group);
}

static void ids_say_their_lane(void **state UNUSED) {
  all_ids_say_their_lane(0);
}

static void ids_behind_a_route_id_say_their_lane(void **state UNUSED) {
  all_ids_say_their_lane(0x8badf00d);
}

static bool something_came(void *context) {
  return ((const struct forwarder *)context)->to_client > 0;
}

/* So that the lane which asked for it gets what follows. */
static void the_id_in_a_retry_says_its_lane(void **state UNUSED) {
  static struct group group;
  group_open(&group);
  for (unsigned lane = 0; lane < LANES; lane++) {
    group.lanes[lane]->retry_threshold = 0; /* from the first client on */
  }
  struct quic_endpoint *endpoint = world_endpoint(&world, 0, 0);
  for (int i = 0; i < 8; i++) {
    static struct side lost, client;
    struct forwarder forwarder;
    forwarder_open(&forwarder, &world, group_port(&group));
    forwarder.lose_to_client = true;
    struct quic_target target = tunnel_target(&lost, forwarder.port);
    uint64_t before[LANES];
    for (unsigned lane = 0; lane < LANES; lane++) {
      before[lane] = endpoint_counters(group.lanes[lane]).retries;
    }
    connect_to(endpoint, &target, &lost);
    world_run_until(&world, something_came, &forwarder);
    assert_int_equal(forwarder.last[0] & 0xf0, 0xf0); /* a Retry */
    const uint8_t *source = forwarder.last + 6 + forwarder.last[5];
    assert_int_equal(source[0], CONNECTION_ID_SIZE);
    unsigned lane = source[1 + LANE_BYTE] % LANES;
    assert_int_equal(endpoint_counters(group.lanes[lane]).retries, before[lane] + 1);
    target = tunnel_target(&client, group_port(&group));
    connect_to(endpoint, &target, &client);
    world_run_until(&world, side_has_established, &client);
    quic_connection_close(client.connection, 0, "");
    quic_connection_close(lost.connection, 0, "");
    world_run_until(&world, side_has_closed, &client);
    forwarder_close(&forwarder);
  }
  assert_int_equal(group.foreign, 0);
  world_endpoint_close(&world, endpoint);
  group_close(&group);
}

/* --- traffic --- */

static void connections_stay_with_their_lane_by_the_kernels_choice(void **state UNUSED) {
  static struct side clients[CROWD];
  struct quic_endpoint *endpoints[CROWD]; /* of their own: their packets never share a train */
  static struct group group;
  group_open(&group);
  for (size_t i = 0; i < CROWD; i++) {
    endpoints[i] = world_endpoint(&world, 0, 0);
    struct quic_target target = tunnel_target(&clients[i], group_port(&group));
    connect_to(endpoints[i], &target, &clients[i]);
    world_run_until(&world, side_has_established, &clients[i]);
  }
  world_run_until(&world, whole_crowd_is_served, &group);
  assert_int_equal(group.served[0].count, 0);
  assert_true(group.served[1].count > 0 && group.served[2].count > 0);
  for (unsigned lane = 1; lane < LANES; lane++) {
    for (size_t i = 0; i < group.served[lane].count; i++) {
      uint16_t port = quic_connection_remote(group.served[lane].sides[i].connection).port;
      for (size_t j = 0; j < CROWD; j++) {
        if (quic_endpoint_port(endpoints[j], 4) == port) {
          converse(&clients[j], &group.served[lane].sides[i]);
        }
      }
      assert_true(group.served[lane].sides[i].datagrams > 0);
    }
  }
  assert_int_equal(group.foreign, 0);
  for (unsigned lane = 0; lane < LANES; lane++) {
    struct quic_endpoint_counters counters = endpoint_counters(group.lanes[lane]);
    assert_int_equal(counters.handed_over, 0);
    assert_int_equal(counters.taken, 0);
    assert_int_equal(counters.dropped, 0);
    assert_int_equal(counters.received_packets > 0, lane > 0);
  }
  for (size_t i = 0; i < CROWD; i++) {
    world_endpoint_close(&world, endpoints[i]);
  }
  group_close(&group);
}

static bool all_have_heard(void *context) {
  struct group *group = context;
  for (unsigned lane = 0; lane < LANES; lane++) {
    for (size_t i = 0; i < group->served[lane].count; i++) {
      if (group->served[lane].sides[i].datagrams == 0) {
        return false;
      }
    }
  }
  return true;
}

/* All clients speak from one port, so that without steering the kernel gives all to one socket. */
static struct quic_endpoint *crowd_connects(struct group *group, struct side clients[CROWD]) {
  struct quic_endpoint *endpoint = world_endpoint(&world, 0, 0);
  for (size_t i = 0; i < CROWD; i++) {
    struct quic_target target = tunnel_target(&clients[i], group_port(group));
    connect_to(endpoint, &target, &clients[i]);
  }
  for (size_t i = 0; i < CROWD; i++) {
    world_run_until(&world, side_has_established, &clients[i]);
  }
  world_run_until(&world, whole_crowd_is_served, group);
  assert_int_equal(group->served[0].count, 0);
  assert_true(group->served[1].count > 0 && group->served[2].count > 0);
  return endpoint;
}

static void connections_stay_with_their_lane_whatever_the_kernel_chooses(void **state UNUSED) {
  static struct side clients[CROWD];
  static struct group group;
  group_open(&group);
  group_stop_steering(&group);
  struct quic_endpoint *endpoint = crowd_connects(&group, clients);
  for (size_t i = 0; i < CROWD; i++) {
    side_say(&clients[i]);
  }
  world_run_until(&world, all_have_heard, &group);
  for (unsigned lane = 1; lane < LANES; lane++) {
    for (size_t i = 0; i < group.served[lane].count; i++) {
      side_say(&group.served[lane].sides[i]);
    }
  }
  for (size_t i = 0; i < CROWD; i++) {
    world_run_until(&world, side_has_heard, &clients[i]);
  }
  unsigned receiving = 0;
  uint64_t taken = 0, handed_over = 0, received = 0;
  for (unsigned lane = 0; lane < LANES; lane++) {
    struct quic_endpoint_counters counters = endpoint_counters(group.lanes[lane]);
    receiving += counters.received_packets > 0;
    received += counters.received_packets;
    taken += counters.taken;
    handed_over += counters.handed_over;
    assert_int_equal(counters.dropped, 0);
  }
  assert_int_equal(receiving, 1);
  assert_true(taken > 0 && handed_over <= received);
  assert_int_equal(taken, group.foreign);
  assert_true(handed_over > 0 && handed_over <= taken); /* some went to all */
  assert_int_equal(resets_of(&group), 0);
  world_endpoint_close(&world, endpoint);
  group_close(&group);
}

/* The first packets of all of them, of one size, leave as one train, which goes to one lane. */
static void a_train_of_several_lanes_packets_is_taken_apart(void **state UNUSED) {
  static struct side clients[CROWD];
  static struct group group;
  group_open(&group);
  struct quic_endpoint *endpoint = crowd_connects(&group, clients);
  world_endpoint_close(&world, endpoint);
  group_close(&group);
}

static void answers_come_to_the_lane_that_asked(void **state UNUSED) {
  for (int steered = 0; steered < 2; steered++) {
    static struct group group;
    group_open(&group);
    if (steered == 0) {
      group_stop_steering(&group);
    }
    struct quic_endpoint *peer = world_endpoint(&world, 0, 0);
    static struct crowd served;
    crowd_serve(&served, peer);
    for (unsigned lane = 0; lane < LANES; lane++) {
      struct side client;
      struct quic_target target = tunnel_target(&client, quic_endpoint_port(peer, 4));
      connect_to(group.lanes[lane], &target, &client);
      world_run_until(&world, side_is_confirmed, &client);
      converse(&client, &served.sides[lane]);
      quic_connection_close(client.connection, 0, "");
      world_run_until(&world, side_has_closed, &client);
    }
    if (steered != 0) {
      assert_int_equal(group.foreign, 0);
    } else {
      assert_true(group.foreign > 0);
    }
    world_endpoint_close(&world, peer);
    group_close(&group);
  }
}

/* --- packets of nobody's --- */

/* A short header to an ID of this lane, from the discard port. */
static struct udp_packet stray(unsigned lane, size_t size, uint8_t bytes[static LARGE]) {
  random_bytes(bytes, size);
  bytes[0] = 0x40 | (bytes[0] & 0x3f);
  lane_mark(bytes + 1, lane, LANES);
  return (struct udp_packet){
      .remote = loopback(9), .local = loopback(0).ip, .data = bytes, .size = size};
}

static void a_reset_is_sent_by_the_lane_that_lost_the_connection(void **state UNUSED) {
  static const size_t sizes[] = {SMALL, LARGE};
  static struct group group;
  group_open(&group);
  for (unsigned receiver = 0; receiver < LANES; receiver++) {
    for (unsigned owner = 0; owner < LANES; owner++) {
      for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[LARGE];
        const struct udp_packet packet = stray(owner, sizes[i], bytes);
        uint64_t owners = endpoint_counters(group.lanes[owner]).stateless_resets;
        uint64_t all = resets_of(&group);
        group.lanes[owner]->resets = (struct reset_limit){0};
        endpoint_dispatch(group.lanes[receiver], &packet, SECOND, false);
        assert_int_equal(endpoint_counters(group.lanes[owner]).stateless_resets, owners + 1);
        assert_int_equal(resets_of(&group), all + 1);
      }
    }
  }
  group_close(&group);
}

static void what_was_taken_is_not_handed_over_again(void **state UNUSED) {
  static struct group group;
  group_open(&group);
  for (unsigned owner = 0; owner < LANES; owner++) {
    uint8_t bytes[LARGE];
    const struct udp_packet packet = stray(owner, LARGE, bytes);
    quic_endpoint_take(group.lanes[(owner + 1) % LANES], &packet);
  }
  assert_int_equal(group.foreign, 0);
  assert_int_equal(resets_of(&group), 0);
  group_close(&group);
}

static void small_strays_go_to_all_lanes_but_not_many_of_them(void **state UNUSED) {
  enum { FLOOD = 10 * RESET_LIMIT_COUNT };
  static struct group group;
  group_open(&group);
  for (unsigned i = 0; i < FLOOD; i++) {
    uint8_t bytes[LARGE];
    const struct udp_packet packet = stray(1, SMALL, bytes);
    endpoint_dispatch(group.lanes[1], &packet, SECOND, false);
  }
  assert_true(group.foreign > 0);
  assert_true(group.foreign <= (LANES - 1) * RESET_LIMIT_COUNT);
  group_close(&group);
}

/* --- stateless resets of a peer --- */

/* What a peer that lost its state sends: its token behind noise that looks like an ID of ours. */
static struct udp_packet reset_for(const struct side *side, unsigned lane,
                                   uint8_t bytes[static LARGE]) {
  struct udp_packet packet = stray(lane, SMALL, bytes);
  const ngtcp2_transport_params *params =
      ngtcp2_conn_get_remote_transport_params(side->connection->conn);
  assert_true(params->stateless_reset_token_present);
  memcpy(bytes + SMALL - RESET_TOKEN_SIZE, params->stateless_reset_token, RESET_TOKEN_SIZE);
  packet.remote = quic_connection_remote(side->connection);
  return packet;
}

static void a_peers_reset_finds_its_connection_wherever_it_comes(void **state UNUSED) {
  static struct group group;
  group_open(&group);
  struct quic_endpoint *peer = world_endpoint(&world, 0, 0);
  static struct crowd served;
  crowd_serve(&served, peer);
  for (unsigned i = 0; i < MANY; i++) {
    unsigned receiver = i % LANES, says = i / LANES % LANES, owner = i / LANES / LANES;
    struct side client;
    struct quic_target target = tunnel_target(&client, quic_endpoint_port(peer, 4));
    connect_to(group.lanes[owner], &target, &client);
    /* Before, the peer's token is not known. */
    world_run_until(&world, side_is_confirmed, &client);
    uint8_t bytes[LARGE];
    const struct udp_packet packet = reset_for(&client, says, bytes);
    for (unsigned lane = 0; lane < LANES; lane++) {
      group.lanes[lane]->offers = group.lanes[lane]->resets = (struct reset_limit){0};
    }
    uint64_t resets = resets_of(&group);
    endpoint_dispatch(group.lanes[receiver], &packet, SECOND, false);
    /* A lane that does not know better answers. */
    assert_true(resets_of(&group) - resets <= (owner == says || owner == receiver ? 0 : 1));
    world_run_until(&world, side_has_closed, &client);
    assert_true(client.close.reset);
  }
  world_endpoint_close(&world, peer);
  group_close(&group);
}

static void lanes_that_lost_their_state_say_so_at_once(void **state UNUSED) {
  for (int steered = 0; steered < 2; steered++) {
    static struct side clients[4];
    static struct group group;
    group_open(&group);
    uint16_t port = group_port(&group);
    struct quic_endpoint *endpoint = world_endpoint(&world, 0, 0);
    struct forwarder forwarder;
    forwarder_open(&forwarder, &world, port);
    for (size_t i = 0; i < 4; i++) {
      struct quic_target target = tunnel_target(&clients[i], forwarder.port);
      connect_to(endpoint, &target, &clients[i]);
      world_run_until(&world, side_has_established, &clients[i]);
    }
    forwarder.lose_to_client = true;
    group_close(&group);
    forwarder.lose_to_client = false;
    group_open_at(&group, port);
    if (steered == 0) {
      group_stop_steering(&group);
    }
    for (size_t i = 0; i < 4; i++) {
      side_say(&clients[i]);
      world_run_until(&world, side_has_closed, &clients[i]);
      assert_true(clients[i].close.reset);
    }
    assert_true(resets_of(&group) >= 4);
    world_endpoint_close(&world, endpoint);
    forwarder_close(&forwarder);
    group_close(&group);
  }
}

/* --- opening --- */

static void lanes_have_a_port_to_themselves(void **state UNUSED) {
  static struct group group;
  group_open(&group);
  struct error error = {0};
  struct quic_endpoint *other;
  struct quic_endpoint_config config = world_endpoint_config(&world, group_port(&group));
  assert_int_equal(quic_endpoint_new(&config, &other, &error), ERROR_EXISTS);
  config.lanes = LANES;
  assert_int_equal(quic_endpoint_new(&config, &other, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, "another port"));
  for (unsigned lane = 1; lane < LANES; lane++) {
    assert_int_equal(quic_endpoint_port(group.lanes[lane], 4), config.port);
    assert_int_equal(quic_endpoint_port(group.lanes[lane], 6),
                     quic_endpoint_port(group.lanes[0], 6));
  }
  group_close(&group);
}

static void a_lane_that_cannot_be_is_refused(void **state UNUSED) {
  static const struct {
    unsigned lane, lanes;
    uint16_t port;
  } wrong[] = {{1, 0, 1}, {1, 1, 1}, {2, 2, 1}, {1, 2, 0}, {0, LANES_MAX + 1, 1}};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    struct error error = {0};
    struct quic_endpoint *endpoint;
    struct quic_endpoint_config config = world_endpoint_config(&world, wrong[i].port);
    config.lane = wrong[i].lane;
    config.lanes = wrong[i].lanes;
    assert_int_equal(quic_endpoint_new(&config, &endpoint, &error), ERROR_INVALID);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_say_their_lane),
      cmocka_unit_test(ids_behind_a_route_id_say_their_lane),
      cmocka_unit_test(the_id_in_a_retry_says_its_lane),
      cmocka_unit_test(connections_stay_with_their_lane_by_the_kernels_choice),
      cmocka_unit_test(connections_stay_with_their_lane_whatever_the_kernel_chooses),
      cmocka_unit_test(a_train_of_several_lanes_packets_is_taken_apart),
      cmocka_unit_test(answers_come_to_the_lane_that_asked),
      cmocka_unit_test(a_reset_is_sent_by_the_lane_that_lost_the_connection),
      cmocka_unit_test(what_was_taken_is_not_handed_over_again),
      cmocka_unit_test(small_strays_go_to_all_lanes_but_not_many_of_them),
      cmocka_unit_test(a_peers_reset_finds_its_connection_wherever_it_comes),
      cmocka_unit_test(lanes_that_lost_their_state_say_so_at_once),
      cmocka_unit_test(lanes_have_a_port_to_themselves),
      cmocka_unit_test(a_lane_that_cannot_be_is_refused),
  };
  return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

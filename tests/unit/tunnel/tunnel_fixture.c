#include "tunnel_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint8_t packet_data[PACKET_SIZE_MAX];

void on_deliver(struct span packet, void *context) {
  struct node *node = context;
  assert_in_range(node->count, 0, DELIVERED_MAX - 1);
  uint8_t *copy = malloc(packet.size);
  assert_non_null(copy);
  memcpy(copy, packet.data, packet.size);
  node->delivered[node->count].size = packet.size;
  node->delivered[node->count++].data = copy;
  struct span again = node->sends_again;
  node->sends_again = (struct span){0};
  if (again.size > 0) {
    tunnel_send(node->tunnel, again);
  }
  if (node->frees_tunnel) {
    tunnel_free(node->tunnel);
    node->tunnel = NULL;
  }
}

static void open_tunnel(struct node *node, struct quic_connection *connection, bool is_a) {
  struct tunnel_config config = {
      .local_ipv4 = test_ip(is_a ? A4 : B4),
      .local_ipv6 = test_ip(is_a ? A6 : B6),
      .peer_ipv4 = test_ip(is_a ? B4 : A4),
      .peer_ipv6 = test_ip(is_a ? B6 : A6),
      .deliver = on_deliver,
      .context = node,
  };
  struct error error = {0};
  assert_int_equal(tunnel_new(connection, &config, &node->tunnel, &error), 0);
}

int setup(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  fake_quic_init(&world->quic);
  open_tunnel(&world->a, world->quic.a, true);
  open_tunnel(&world->b, world->quic.b, false);
  *state = world;
  return 0;
}

void forget_delivered(struct node *node) {
  for (size_t i = 0; i < node->count; i++) {
    free(node->delivered[i].data);
  }
  node->count = 0;
}

int teardown(void **state) {
  struct world *world = *state;
  tunnel_free(world->a.tunnel);
  tunnel_free(world->b.tunnel);
  forget_delivered(&world->a);
  forget_delivered(&world->b);
  fake_quic_clear(&world->quic);
  free(world);
  return 0;
}

struct span to_b4(size_t size, uint16_t flags, uint8_t seed) {
  return test_ipv4(packet_data, A4, B4, PROTOCOL_UDP, flags, size, seed);
}

struct span to_b6(size_t size, uint8_t seed) {
  return test_ipv6(packet_data, A6, B6, PROTOCOL_UDP, size, seed);
}

void assert_delivered(const struct node *node, size_t index, struct span packet) {
  assert_true(index < node->count);
  assert_int_equal(node->delivered[index].size, packet.size);
  assert_memory_equal(node->delivered[index].data, packet.data, packet.size);
}

struct tunnel_counters counters(const struct node *node) {
  struct tunnel_counters value;
  tunnel_counters(node->tunnel, &value);
  return value;
}

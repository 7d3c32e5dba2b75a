/* Two nodes' tunnels over the fake connections, and what has come out of each. */
#ifndef CYPHONIC_TEST_TUNNEL_FIXTURE_H
#define CYPHONIC_TEST_TUNNEL_FIXTURE_H

#include "fake_quic.h"
#include "packets.h"
#include "tunnel/tunnel.h"

#define A4 "10.1.0.2"
#define B4 "10.1.0.3"
#define A6 "fd00::2"
#define B6 "fd00::3"

enum { DELIVERED_MAX = TUNNEL_QUEUE_PACKETS + 100, ROOM = 1420 };

/* A node's end: its tunnel, and what has come out of it. */
struct node {
  struct tunnel *tunnel;
  size_t count;
  struct {
    size_t size;
    uint8_t *data;
  } delivered[DELIVERED_MAX];
  bool frees_tunnel;       /* from inside deliver */
  struct span sends_again; /* from inside deliver, once */
};

struct world {
  struct fake_quic quic;
  struct node a, b;
};

/* Of a cmocka test, whose state is the world. */
int setup(void **state);
int teardown(void **state);

/* A tunnel's `deliver`, with the node as context. */
void on_deliver(struct span packet, void *context);

/* A packet of a to b, valid until the next is made; its bytes are in packet_data. */
extern uint8_t packet_data[PACKET_SIZE_MAX];
struct span to_b4(size_t size, uint16_t flags, uint8_t seed);
struct span to_b6(size_t size, uint8_t seed);

void assert_delivered(const struct node *node, size_t index, struct span packet);
void forget_delivered(struct node *node);
struct tunnel_counters counters(const struct node *node);

#endif

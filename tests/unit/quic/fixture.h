/* A network's certificates in a temporary folder, endpoints on one loop, and a forwarder between
 * them that can lose packets and change its port, as a NAT does. */
#ifndef CYPHONIC_TEST_QUIC_FIXTURE_H
#define CYPHONIC_TEST_QUIC_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "pki/ca.h"
#include "pki/credentials.h"
#include "pki/trust.h"
#include "quic/quic.h"

/* One member of the test network. */
struct member {
  struct pki_credentials *credentials;
  struct pki_identity identity;
};

struct world {
  uv_loop_t loop;
  struct log log;
  char folder[64];
  struct pki_ca *root, *intermediate;
  struct pki_trust *trust;
  struct pki_trust *pin;    /* by the root's fingerprint, as an invitation does */
  struct member alice, bob; /* nodes */
  struct member service;    /* an AS */
};

/* Fails the test when something goes wrong, as all functions here do. */
void world_init(struct world *world);
void world_clear(struct world *world);

/* A node of this network whose certificate lasts from `not_before` to `not_after`. */
void world_add_node(struct world *world, const char *fqdn, unsigned number, int64_t not_before,
                    int64_t not_after, struct member *member);
void member_clear(struct member *member);

/* Turns the loop until the condition holds; fails the test after ten seconds. */
typedef bool (*condition)(void *context);
void world_run_until(struct world *world, condition condition, void *context);

/* Of an endpoint on 127.0.0.1; port 0: any. */
struct quic_endpoint_config world_endpoint_config(struct world *world, uint16_t port);
struct quic_endpoint *world_endpoint_new(const struct quic_endpoint_config *config);
/* The usual one. */
struct quic_endpoint *world_endpoint(struct world *world, uint16_t port, size_t retry_threshold);
/* Closes it and waits until it is gone. */
void world_endpoint_close(struct world *world, struct quic_endpoint *endpoint);
struct address loopback(uint16_t port);

/* UDP forwarder: clients send to its port, it sends to `server` from another, and back. */
struct forwarder {
  struct world *world;
  uv_udp_t inner, outer;
  bool inner_open, outer_open;
  struct address server, client;
  uint16_t port;
  bool lose_to_client, lose_to_server;
  size_t largest;                /* longer packets are lost, 0: none */
  unsigned to_client, to_server; /* packets seen */
  uint8_t last[2048];            /* to the client */
  size_t last_size;
};
void forwarder_open(struct forwarder *forwarder, struct world *world, uint16_t server_port);
/* From now on the server sees another source port. */
void forwarder_rebind(struct forwarder *forwarder);
/* From now on the client sees another source port; what it sends to the old one is lost. */
void forwarder_move(struct forwarder *forwarder);
/* Sends once more what came for the client last. */
void forwarder_repeat(struct forwarder *forwarder);
void forwarder_close(struct forwarder *forwarder);

#endif

/* Two nodes' peers on the loopback, in the world of the QUIC tests, with the test as their NMS. */
#ifndef CYPHONIC_TEST_NODE_PAIR_H
#define CYPHONIC_TEST_NODE_PAIR_H

#include "fixture.h"
#include "node/peers.h"

#define DOMAIN "test.internal"

/* One node of two on the loopback. */
struct side {
  struct quic_endpoint *endpoint;
  struct lanes *lanes; /* NULL: it has one thread */
  struct peers *peers;
  const struct member *member;
  /* NMS's part is the test's: a question waits here for its answer. */
  control_reply_callback answer;
  void *asker;
  unsigned asked;
  bool nms_away;
  char failed_relay[64];          /* the last question's first */
  unsigned delivered, complaints; /* packets of the peer, ICMP of our own */
  uint64_t keep_alive;            /* nanoseconds; 0: it is not behind a NAT */
  /* What somebody who waits was told. */
  unsigned told;
  int told_code;
  char told_fqdn[FQDN_SIZE], told_message[512];
};

struct pair {
  struct world world;
  struct side alice, bob;
};

void pair_open(struct pair *pair);
/* Tunnels close after so many nanoseconds. */
void pair_open_idling(struct pair *pair, uint64_t tunnel_idle);
/* Each side's tunnels live on so many threads besides the main one. What comes by them is not
 * delivered: there is no TUN device. */
void pair_open_threaded(struct pair *pair, unsigned threads);
void pair_close(struct pair *pair);
/* As session_close does: questions under way end. */
void side_close(struct pair *pair, struct side *side);

/* NMS pushes a Route Direction to `side` about `other`, with its key or the one given. */
int direct(struct side *side, const struct side *other, uint64_t id, bool client,
           const uint8_t *key, struct error *error) MUST_CHECK;
void must_direct(struct side *side, const struct side *other, uint64_t id, bool client);
/* NMS answers the question of `side` with what it says of `about`, or with an error. */
void respond(struct side *side, const struct member *about,
             Cyphonic__DirectionResponse__Status status);
void refuse(struct side *side, Cyphonic__Error__Code code);

/* An inner packet; it may have to wait for a path. */
void send_packet(struct side *side, const struct side *to);
/* For peers_find, with the side as context. */
void tell(int code, struct peer *peer, const struct error *error, void *context);

/* For link_ping, likewise. */
void echoed(int code, uint64_t round_trip, const struct error *error, void *context);

/* NULL: not known. */
const struct peer *known(struct side *side, const struct side *other);
bool is_up(struct side *side, const struct side *other);

/* Conditions, of a pair. */
bool both_up(void *context);
bool bob_has_packet(void *context);
bool alice_has_packet(void *context);
bool alice_was_told(void *context);
bool alice_failed(void *context);

/* Alice has a tunnel with bob, as its client, by a direction of that number. */
void tunnel_by(struct pair *pair, uint64_t direction);

#endif

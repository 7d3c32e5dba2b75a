/* What the files of the peers share. */
#ifndef CYPHONIC_NODE_PEERS_INTERNAL_H
#define CYPHONIC_NODE_PEERS_INTERNAL_H

#include "node/peer_book.h"
#include "node/peers.h"
#include "node/waiting_links.h"

/* Where links live. */
struct peers_place {
  struct peers *peers;
  struct link_shared shared;
};

struct peers {
  struct peers_config config;
  char domain[FQDN_SIZE];
  struct peers_place place[LANES_THREADS_MAX + 1]; /* the main thread's, and each lane's */
  unsigned places, next_place;                     /* the one in which the next link begins */
  struct peer_environment environment;
  struct peer_book *book; /* NULL: closed */
  struct relays *relays;
  struct waiting_links parked;    /* NMS's push to us may be later than the peer's first packet */
  struct waiting_links lingering; /* superseded: what is under way on them still arrives */
  unsigned open;                  /* of the two */
  bool closed;
};

/* As peer_environment's `ask`; the owner is a struct peers. */
void peers_ask(struct peer *peer, void *owner);

#endif

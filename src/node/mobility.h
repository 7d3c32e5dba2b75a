/* How a tunnel that stands follows changes of address (design 4). Our own: as QUIC client it moves
 * by Connection Migration, as server it speaks on from the new address. The peer's: the client
 * takes the address that the server speaks from, when it has shown that the server is there. Part
 * of a peer (peer.h). */
#ifndef CYPHONIC_NODE_MOBILITY_H
#define CYPHONIC_NODE_MOBILITY_H

#include "base/address.h"
#include "node/host_addresses.h"

/* Nanoseconds. Whoever copies a peer's packets can have us ask there whether it is the peer. */
#define MOBILITY_FOLLOW_INTERVAL UINT64_C(100000000)

struct peer;

enum move_kind {
  MOVE_OWN_ADDRESS,
  MOVE_PEER_ADDRESS,
  MOVE_ROUTE, /* from the relay to a direct path, back, or to another relay */
};

/* One move of a tunnel. */
struct move {
  enum move_kind kind;
  bool pending; /* nothing has been heard from the peer since */
  bool from_relay, to_relay;
  struct address from, to; /* ours (port 0), or where our packets went and go; may be unset */
  int64_t at;              /* wall time */
  /* Nanoseconds: the longest that an answer was waited for around it. 0: nobody waited. */
  uint64_t pause;
};

struct mobility {
  struct ip_address source; /* from which we send to the peer; family 0: from nowhere */
  struct ip_address before; /* from which we sent last; family 0: not known */
  bool trying;              /* `source`, while `before` is still good */
  bool stayed;              /* by `before`, since nobody answered; it has been said */
  uint64_t followed;        /* nanoseconds, when we last asked at an address that spoke */
  struct address wanted;    /* where the peer spoke from when we could not ask; port 0: nowhere */
  struct address remote;    /* the peer's, or a TRS's */
  bool direct;
  unsigned moves;   /* of this tunnel */
  struct move last; /* of them */
};

/* peer->link is in use from now on. */
void mobility_begin(struct peer *peer);
/* These are the host's addresses now. */
void mobility_addresses_changed(struct peer *peer, const struct host_addresses *addresses);
/* As client: a move is over. */
void mobility_migrated(struct peer *peer, bool success);
/* Whether the tunnel can go on by this connection: an address of the IP version in use is there. */
bool mobility_can_go_on(const struct peer *peer, const struct host_addresses *addresses);
/* Packets go to another address, or by another way. */
void mobility_path_changed(struct peer *peer);
/* Something came from the peer, by the path in use. Cheap. */
void mobility_heard(struct peer *peer);
const char *move_kind_name(enum move_kind kind);
/* As client: the peer spoke from `remote`, where our packets do not go. */
void mobility_peer_spoke(struct peer *peer, const struct address *remote);
/* Another move may be possible now: the peer may have said only once where it is. */
void mobility_look(struct peer *peer);

#endif

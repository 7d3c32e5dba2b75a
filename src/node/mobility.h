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

struct mobility {
  struct ip_address source; /* from which we send to the peer; family 0: from nowhere */
  uint64_t followed;        /* nanoseconds, when we last asked at an address that spoke */
  struct address remote;    /* the peer's, or a TRS's */
  bool direct;
  /* Of this tunnel, for the status. */
  unsigned moves;
  int64_t moved;   /* wall time, of the last */
  bool peer_moved; /* and it was the peer */
};

/* peer->link is in use from now on. */
void mobility_begin(struct peer *peer);
/* These are the host's addresses now. */
void mobility_addresses_changed(struct peer *peer, const struct host_addresses *addresses);
/* Whether the tunnel can go on by this connection: an address of the IP version in use is there. */
bool mobility_can_go_on(const struct peer *peer, const struct host_addresses *addresses);
/* Packets go to another address, or by another way. */
void mobility_path_changed(struct peer *peer);
/* As client: the peer spoke from `remote`, where our packets do not go. */
void mobility_peer_spoke(struct peer *peer, const struct address *remote);

#endif

/* The set-up of a tunnel as a Route Direction says (design 4): the peer's addresses are raced in
 * one handshake, each 200 ms behind the one before, while the server sends to the client's, so that
 * its own firewall lets the client in; both sides go to the relay when the tunnel does not stand
 * 200 ms after the direction, or at once where no direct path is to be expected. Part of a peer
 * (peer.h). */
#ifndef CYPHONIC_NODE_ATTEMPT_H
#define CYPHONIC_NODE_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

enum {
  ATTEMPT_STEP = 200,     /* milliseconds */
  ATTEMPT_RELAYS_MAX = 2, /* other relays asked for before it is given up */
  ATTEMPT_PATTERN_RELAY = 3,
};

struct peer;
struct link;

struct attempt {
  uv_timer_t timer;
  bool under_way;
  struct link *link;     /* ours, in its handshake; NULL: none, or we are the QUIC server */
  size_t next;           /* of the direction's candidates */
  uint32_t excluded;     /* candidates that answered wrongly, by bit */
  unsigned relays_asked; /* since the peer was wanted */
  bool relay_tried;      /* what is offered */
  bool asking_relay;     /* NMS, for another relay */
};

void attempt_init(struct peer *peer);
/* By the peer's direction; what was under way is let go. */
void attempt_begin(struct peer *peer);
/* It has succeeded, or is of no use any more; the link, if any, is let go. */
void attempt_end(struct peer *peer);

void attempt_relay_ready(struct peer *peer);
void attempt_relay_failed(struct peer *peer, bool peer_absent, const struct error *error);
/* NMS offers no other relay. */
void attempt_refused(struct peer *peer, const struct error *error);
void attempt_link_closed(struct peer *peer, const struct error *error);

#endif

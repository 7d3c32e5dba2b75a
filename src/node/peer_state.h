/* The life of the path to one peer, as a table of states and events (docs/protocol.md draws it).
 * Pure: what entering a state does stands in peer.c. */
#ifndef CYPHONIC_NODE_PEER_STATE_H
#define CYPHONIC_NODE_PEER_STATE_H

enum peer_state {
  PEER_IDLE,       /* known, no path, and none wanted */
  PEER_DIRECTING,  /* NMS is asked for a direction; its Route Direction is awaited */
  PEER_CONNECTING, /* a direction is there: as client we try its candidates, as server we await the
                      peer */
  PEER_UP,         /* a tunnel stands */
  PEER_FAILED,     /* no path could be had; packets are refused until the hold-off is over, and the
                      reason is kept for the status a while longer */
};
enum { PEER_STATE_COUNT = PEER_FAILED + 1 };

enum peer_event {
  PEER_WANTED,      /* a packet, a DNS query or a command asks for a path */
  PEER_DIRECTED,    /* a Route Direction came */
  PEER_ESTABLISHED, /* a connection with this peer is authorised */
  PEER_BROKEN,      /* refused, unanswered, or the last candidate failed */
  PEER_ENDED,       /* the tunnel in use closed after it had worked */
  PEER_FORGOTTEN,   /* nobody asked again for a while */
};
enum { PEER_EVENT_COUNT = PEER_FORGOTTEN + 1 };

enum peer_state peer_state_next(enum peer_state state, enum peer_event event);

/* "idle", "directing", "connecting", "up", "failed". */
const char *peer_state_name(enum peer_state state);

#endif

/* The care of a tunnel that stands (design 4): which way it goes, since when and why, and what
 * path_plan.h finds to be done about it. It looks each tenth of a second while there is traffic,
 * and never wakes an idle host. Part of a peer (peer.h). */
#ifndef CYPHONIC_NODE_PATH_H
#define CYPHONIC_NODE_PATH_H

#include <uv.h>

#include "node/fqdn.h"
#include "node/link.h"
#include "node/path_plan.h"

enum {
  PATH_TICK = 100, /* milliseconds */
  PATH_REASON_SIZE = 160,
};
/* Nanoseconds without an inner packet after which it looks no more. */
#define PATH_IDLE UINT64_C(1000000000)
/* The same while the peer owes an answer. */
#define PATH_IDLE_SILENT UINT64_C(30000000000)

struct peer;

struct path {
  uv_timer_t timer;
  bool standing, ticking;
  bool renewing; /* we asked NMS for a direction of this tunnel */
  struct path_plan plan;
  uint64_t touched;              /* nanoseconds, when it was begun, or a ping asked for */
  uint64_t met;                  /* when we last sent to the peer's addresses */
  int64_t changed;               /* wall time */
  char relay[FQDN_SIZE];         /* the TRS in use; empty: direct */
  char reason[PATH_REASON_SIZE]; /* why not direct, or why not as before; may be empty */
};

void path_init(struct peer *peer);

/* peer->link is in use from now on. */
void path_begin(struct peer *peer);
/* No link is. */
void path_end(struct peer *peer);

/* An inner packet, of which link_tell_traffic was to tell, or a ping. */
void path_traffic(struct peer *peer, bool received);
void path_note_ping(struct peer *peer);

/* Of peer->link. */
void path_moved(struct peer *peer);
void path_confirmed(struct peer *peer);
void path_migrated(struct peer *peer, bool success);
void path_upgrade_asked(struct peer *peer, const struct address *theirs, size_t count);
void path_upgrade_answered(struct peer *peer, const struct address *theirs, size_t count);

void path_relay_ready(struct peer *peer);
void path_relay_lost(struct peer *peer);
/* A direction came while the tunnel stands. True: it is about this tunnel, which uses its relay,
 * and no new connection is needed. */
bool path_directed(struct peer *peer);
void path_refused(struct peer *peer);
void path_addresses_changed(struct peer *peer);

#endif

/* One peer: what is known of it, and the state machine of the path to it (peer_state.h). Shared
 * between peer.c, its parts and peers.c, and read by the status; nobody else changes it.
 *
 * Its parts have files of their own: attempt.h sets a tunnel up, binding.h has its relay, path.h
 * takes care of it when it stands, mobility.h follows changes of address.
 *
 * At most three links belong to a peer: the one in use, a spare (accepted while another was in use,
 * its TunnelRequest still to come, which decides), and our own attempt. */
#ifndef CYPHONIC_NODE_PEER_H
#define CYPHONIC_NODE_PEER_H

#include <uv.h>

#include "node/attempt.h"
#include "node/backoff.h"
#include "node/binding.h"
#include "node/hold_queue.h"
#include "node/host_addresses.h"
#include "node/link.h"
#include "node/mobility.h"
#include "node/path.h"
#include "node/peer_state.h"
#include "node/peer_table.h"
#include "pki/identity.h"

enum {
  PEER_CANDIDATES_MAX = 16,
  PEER_DIRECTION_TIMEOUT = 6000, /* milliseconds: NMS's answer and the push behind it */
  PEER_SERVER_TIMEOUT = 12000,   /* for the peer to try its candidates and relays */
  PEER_HOLD_FIRST = 500,         /* after a failure, before the next attempt */
  PEER_HOLD_LIMIT = 5000,
  PEER_FORGET_TIMEOUT = 60000,  /* a failure is shown in the status for so long */
  PEER_UNNAMED_TIMEOUT = 10000, /* a name or address that does not exist is kept for so long */
};
/* Nanoseconds. A direction allows its peer to connect for so long. */
#define PEER_DIRECTION_LIFETIME UINT64_C(60000000000)

struct peer;

/* What those who watch the node hear of. */
enum peer_news {
  PEER_NEWS_STATE,
  PEER_NEWS_MOVED, /* mobility.last */
};

/* What all peers of a node share; outlives them. */
struct peer_environment {
  struct link_shared *link; /* of the main thread */
  struct relays *relays;
  const struct link_handler *handler; /* of links, with this environment's owner as context */
  void *owner;
  uint64_t tunnel_idle;                      /* nanoseconds; 0: tunnels do not close for idleness */
  struct link_shared *(*place)(void *owner); /* where the next link may live */
  /* A peer's packets go by `link` now, and no more by `before`; either may be NULL. */
  void (*linked)(struct link *before, struct link *link, void *owner);
  /* Asks NMS for a direction; answers by peer_refuse, peer_name or peer_direct, now or later. */
  void (*ask)(struct peer *peer, void *owner);
  uint64_t (*keep_alive)(int family, void *owner);  /* as session_keep_alive */
  void (*own)(struct path_own *own, void *owner);   /* fills in zeros */
  void (*deliver)(struct span packet, void *owner); /* to the TUN device */
  /* Takes over a link that another took the place of: it delivers for a moment yet, and closes. */
  void (*linger)(struct link *link, void *owner);
  void (*check)(void *owner);      /* as in peers_config, but never NULL */
  void (*look_again)(void *owner); /* likewise */
  void (*tell)(const struct peer *peer, enum peer_news news, void *owner); /* who watches */
  /* Not identified, and nobody wants it any more. The peer is gone afterwards. */
  void (*forget)(struct peer *peer, void *owner);
};

/* NMS's Route Direction, checked. */
struct peer_direction {
  uint64_t id;
  uint64_t received; /* nanoseconds; 0: there is none */
  bool client, initiator;
  uint32_t pattern;
  uint32_t route_id; /* of the peer; 0: it has none */
  uint8_t public_key[PKI_HASH_SIZE];
  size_t count;
  struct address candidates[PEER_CANDIDATES_MAX];
};

enum peer_wait {
  PEER_WAIT_NAME, /* until the name and addresses are known */
  PEER_WAIT_UP,   /* until a tunnel stands */
};
/* With code 0 the peer is what was waited for, until the callback returns. Called exactly once. */
typedef void (*peer_callback)(int code, struct peer *peer, const struct error *error,
                              void *context);
struct peer_waiter {
  enum peer_wait wait;
  peer_callback callback;
  void *context;
  struct peer_waiter *next;
};

struct peer {
  struct peer_entry entry; /* first: the table's entry is the peer */
  const struct peer_environment *environment;
  enum peer_state state;
  struct peer_direction direction;
  struct link *link, *spare;
  struct attempt attempt;
  struct binding binding;
  struct path path;
  struct mobility mobility;
  struct hold_queue queue;
  struct backoff backoff;
  uint64_t hold_until; /* nanoseconds: no new attempt before */
  uint64_t named;      /* nanoseconds, when NMS last told name and addresses; 0: not yet */
  /* Nanoseconds, when its path went with an address of ours; another is wanted as soon as NMS knows
   * the new ones, for which packets wait a moment. 0: it did not. */
  uint64_t again;
  uint64_t active; /* nanoseconds, when it came up, or of the last inner packet of an old link */
  int64_t established; /* wall time, of the link in use */
  struct error failure;
  struct peer_waiter *waiters;
  uv_timer_t timer;
  unsigned open; /* timers that still come back when it is freed */
};

/* With the keys in `entry`, not yet in a table. NULL without memory. */
struct peer *peer_new(const struct peer_environment *environment);
/* Out of the table by now. Waiters hear ERROR_CLOSED; links are abandoned; frees from the loop. */
void peer_free(struct peer *peer);

uint64_t peer_now(const struct peer *peer);
/* Both its name and its addresses are known. */
bool peer_is_named(const struct peer *peer);
/* Nanoseconds since the last inner packet either way, of one that is up. */
uint64_t peer_idle(const struct peer *peer);
/* A failure is too fresh for another attempt. */
bool peer_is_held(const struct peer *peer);

/* Sends over the tunnel, or keeps the packet and asks for a path, or answers it as unreachable. */
void peer_send(struct peer *peer, struct span packet);
/* Asks for a path if there is none and none is under way. */
void peer_want(struct peer *peer);
/* Takes effect at once if the state is so already. ERROR_NO_MEMORY: the callback does not come. */
int peer_await(struct peer *peer, enum peer_wait wait, peer_callback callback,
               void *context) MUST_CHECK;

/* These are the host's addresses now. The link in use follows within its IP version. */
void peer_addresses_changed(struct peer *peer, const struct host_addresses *addresses);
/* And these they stay: a link that could not follow ends, and is set up again by others. */
void peer_addresses_settled(struct peer *peer, const struct host_addresses *addresses);
/* NMS is there, and knows our addresses: hold-offs end, and what was cut off is set up again. */
void peer_hurry(struct peer *peer);
/* There is another NAT, or none, or it is known better how long it keeps a mapping. */
void peer_keep_mapping(struct peer *peer);

/* Asks the peer and its relay, which answer or have forgotten us. */
void peer_check(struct peer *peer);

/* NMS told name and addresses (the caller has set the keys). */
void peer_name(struct peer *peer);
/* NMS gave no direction. */
void peer_refuse(struct peer *peer, const struct error *error);
/* NMS gave one, with an offer of a relay (NULL: none), which is taken over. Older than the one that
 * holds: nothing happens. */
void peer_direct(struct peer *peer, const struct peer_direction *direction,
                 struct relay_offer *offer);
/* Two entries turned out to be one peer: `to` takes over what waits at `from`. */
void peer_absorb(struct peer *to, struct peer *from);

/* Whether this certificate may have a tunnel with us now. */
bool peer_allows(const struct peer *peer, const struct pki_identity *identity);
/* An accepted link that peer_allows. */
void peer_adopt(struct peer *peer, struct link *link);

/* From the links' handler. */
void peer_link_established(struct peer *peer, struct link *link);
void peer_link_requested(struct peer *peer, struct link *link);
void peer_link_confirmed(struct peer *peer, struct link *link);
void peer_link_refused(struct peer *peer, struct link *link, const struct error *error);
void peer_link_traffic(struct peer *peer, struct link *link, bool received);
void peer_link_moved(struct peer *peer, struct link *link);
void peer_link_migrated(struct peer *peer, struct link *link, bool success);
void peer_link_spoke_elsewhere(struct peer *peer, struct link *link, const struct address *remote);
void peer_link_upgrade_asked(struct peer *peer, struct link *link, const struct address *theirs,
                             size_t count);
void peer_link_upgrade_answered(struct peer *peer, struct link *link, const struct address *theirs,
                                size_t count);
void peer_link_closed(struct peer *peer, struct link *link, const struct error *error);

/* From the peer's parts. */
/* One event, one transition (peer_state.h), and what comes of it. The last act of whoever calls it.
 */
void peer_event_take(struct peer *peer, enum peer_event event, const struct error *why);
void peer_relay_ready(struct peer *peer);
void peer_relay_failed(struct peer *peer, bool peer_absent, const struct error *error);
void peer_relay_lost(struct peer *peer, const struct error *error);
void peer_attempt_failed(struct peer *peer, const struct error *why);
void peer_tell(const struct peer *peer, enum peer_news news);
/* The tunnel in use is dead: another is made beside it, as the direction that holds says. */
void peer_reconnect(struct peer *peer);
/* The link in use; NULL: there is none. */
void peer_set_link(struct peer *peer, struct link *link);
/* Closes a link that is nobody's any more, and forgets it. */
void peer_let_go(struct link **link, enum link_close_code code, const char *reason);

#endif

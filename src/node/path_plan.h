/* When a tunnel changes its path (design 4): a relayed one looks for a direct path, and whichever
 * is in use is left when it falls silent. The QUIC client moves; the server, which cannot, asks for
 * help when nobody does. Pure: signs and time are passed in, what is to be done comes out. */
#ifndef CYPHONIC_NODE_PATH_PLAN_H
#define CYPHONIC_NODE_PATH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum { PATH_CANDIDATES_MAX = 16 /* direct addresses tried in one round */ };

/* Nanoseconds. */
#define PATH_SILENCE_LIMIT   UINT64_C(300000000)   /* at least: one lost packet is no dead path */
#define PATH_SERVER_PATIENCE UINT64_C(2000000000)  /* beyond the limit: the client is to act */
#define PATH_UPGRADE_FIRST   UINT64_C(15000000000) /* between two rounds; doubles */
#define PATH_UPGRADE_LIMIT   UINT64_C(300000000000)
#define PATH_SEARCH_FIRST    UINT64_C(1000000000) /* between two questions to NMS; doubles */
#define PATH_SEARCH_LIMIT    UINT64_C(30000000000)
#define PATH_RECONNECT_AFTER UINT64_C(3000000000) /* a direction came, and it is still silent */
#define PATH_PROBE_AFTER     UINT64_C(500000000)  /* the peer's packets have stopped */

/* Under what addresses this node may be reached, as it knows them itself. */
struct path_own {
  size_t local, count; /* the host's own come first */
  struct address item[PATH_CANDIDATES_MAX];
  struct ip_address observed[2]; /* IPv4 and IPv6, as others see it; family 0: not known */
};

enum path_action {
  PATH_STAY,
  PATH_ASK_PEER,   /* for its direct addresses; answer by path_plan_answered or _unanswered */
  PATH_TRY,        /* move to path_plan_candidate if it answers; answer by path_plan_moved */
  PATH_TO_RELAY,   /* move to the relay at once; answer by path_plan_moved */
  PATH_FIND,       /* ask NMS for a direction, and the relay that is known */
  PATH_FIND_OTHER, /* ask NMS for a direction by another relay than the one in use */
  PATH_PROBE,      /* say something that the peer must answer */
  /* Say something that NMS, and the relay, if one is bound, must answer: they may have been
   * restarted, or our NAT, so that nobody reaches us where we were. */
  PATH_CHECK,
  PATH_RECONNECT, /* a new connection, as the last direction says */
};

enum path_activity {
  PATH_RESTING,
  PATH_ASKING,   /* the peer for its addresses */
  PATH_CHOOSING, /* addresses are left to try */
  PATH_TRYING,   /* one of them */
  PATH_FALLING,  /* back to a relay */
};

/* What is seen of the tunnel. Times in nanoseconds of one clock. */
struct path_signs {
  bool relayed;     /* its packets go to a relay */
  bool confirmed;   /* the peer takes it for its tunnel to us, and so answers questions */
  bool relay_ready; /* a relay is bound other than the one its packets go to */
  uint64_t silence; /* for how long nothing has come although an answer was due; 0: all is well */
  uint64_t probe_timeout;
  uint64_t arrived;        /* packets of the connection that have come, of any kind */
  uint64_t sent, received; /* times of the last inner packets; 0: none yet */
};

/* Plain data: path_plan_init, then by the functions here. */
struct path_plan {
  bool client;
  enum path_activity activity;
  size_t count, next;
  struct address candidates[PATH_CANDIDATES_MAX];
  uint64_t upgrade_at;
  unsigned upgrade_rounds; /* that failed, one after another */
  uint64_t search_at;
  unsigned searches; /* in this silence */
  uint64_t directed; /* when a direction came in this silence; 0: none */
  uint64_t arrived;  /* as last seen */
  uint64_t probed;   /* the last packet of the peer's for which we probed */
  bool checked;      /* in this silence */
};

/* A tunnel stands. */
void path_plan_init(struct path_plan *plan, bool client, uint64_t now);

/* Call again until it says PATH_STAY, after each event, and each tenth of a second while there is
 * traffic. */
enum path_action path_plan_step(struct path_plan *plan, uint64_t now,
                                const struct path_signs *signs);

/* The peer's direct addresses, best first; more than PATH_CANDIDATES_MAX are left out. A new round
 * of tries begins with them, after the move that is under way. */
void path_plan_answered(struct path_plan *plan, const struct address *candidates, size_t count,
                        uint64_t now);
void path_plan_unanswered(struct path_plan *plan, uint64_t now);
/* Valid after PATH_TRY. */
const struct address *path_plan_candidate(const struct path_plan *plan);
/* PATH_TRY or PATH_TO_RELAY cannot be done just now: the next step says it again. */
void path_plan_again(struct path_plan *plan);
/* The outcome of PATH_TRY or PATH_TO_RELAY. */
void path_plan_moved(struct path_plan *plan, bool success, uint64_t now);
/* NMS gave a direction. */
void path_plan_directed(struct path_plan *plan, uint64_t now);
/* Addresses of either side changed: what did not work may work now. */
void path_plan_hurry(struct path_plan *plan, uint64_t now);

/* Steps are due although there is no traffic. */
bool path_plan_is_busy(const struct path_plan *plan);

/* Puts the peer's direct addresses in the order to try them, dropping our own and those to which no
 * path leads: first those behind the NAT that both share, then IPv6, then IPv4, then private ones.
 * Returns how many remain. */
size_t path_order_candidates(struct address *candidates, size_t count, const struct path_own *own);

#endif

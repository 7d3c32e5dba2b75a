/* What the files of a link share. */
#ifndef CYPHONIC_NODE_LINK_INTERNAL_H
#define CYPHONIC_NODE_LINK_INTERNAL_H

#include "node/link.h"

/* What the owner is told of. */
enum link_news {
  LINK_NEWS_ACCEPTED,
  LINK_NEWS_ESTABLISHED,
  LINK_NEWS_REQUESTED,
  LINK_NEWS_CONFIRMED,
  LINK_NEWS_REFUSED,
  LINK_NEWS_TRAFFIC,
  LINK_NEWS_MOVED,
  LINK_NEWS_MIGRATED,
  LINK_NEWS_SPOKE_ELSEWHERE,
  LINK_NEWS_UPGRADE_ASKED,
  LINK_NEWS_UPGRADE_ANSWERED,
  LINK_NEWS_PINGED,
};

struct link_candidates {
  size_t count;
  struct address item[LINK_CANDIDATES_MAX];
};

struct link_event;

/* A ping under way. */
struct link_echo {
  struct link *link;
  link_ping_callback callback;
  void *context;
  uint64_t sent, round_trip; /* nanoseconds */
  int code;
  struct error error;
  struct link_event *reserved; /* by which it is told, so that it is in any case */
};

struct link_event {
  struct lane_event event; /* first: what is handled is this */
  struct link *link;
  enum link_news news;
  union {
    struct error error;                /* LINK_NEWS_REFUSED */
    bool received;                     /* LINK_NEWS_TRAFFIC */
    bool success;                      /* LINK_NEWS_MIGRATED */
    struct address remote;             /* LINK_NEWS_SPOKE_ELSEWHERE */
    struct link_candidates candidates; /* LINK_NEWS_UPGRADE_ASKED, LINK_NEWS_UPGRADE_ANSWERED */
    struct link_echo *echo;            /* LINK_NEWS_PINGED */
  };
};

struct link {
  struct link_shared *shared;
  const struct link_handler *handler; /* NULL: abandoned */
  void *context, *owner;
  struct quic_connection *connection;
  struct control *control;
  struct tunnel *tunnel;             /* NULL: not authorised */
  struct control_exchange *exchange; /* the peer's TunnelRequest that awaits an answer */
  struct control_exchange *upgrade;  /* its UpgradeRequest, likewise */
  struct control_exchange *early;    /* a PingRequest that came before link_authorise */
  uint64_t direction_id;
  uint32_t peer_route_id;
  uint64_t probed; /* nanoseconds, when link_probe asked; 0: nothing is awaited */
  struct link_traffic traffic;
  bool tell_traffic, tell_received; /* the next packet either way; the next that comes */
  bool client, requested, confirmed, closed;
  unsigned posted;              /* events that have not been handled yet */
  struct link *next, *previous; /* of shared->links */
};

/* link_news.c: at once by the main thread; by the lane's own, as soon as the main thread comes to
 * it. */
void link_tell(struct link *link, const struct link_event *event);
void link_tell_news(struct link *link, enum link_news news);
void link_free_echo(struct link_echo *echo); /* NULL is allowed */
/* What waited of a connection that is gone. */
void link_free_if_unused(struct link *link);

/* link_questions.c: control_request in the time that each has. */
int link_ask(struct link *link, const control_message *message, control_reply_callback callback,
             void *context, struct error *error) MUST_CHECK;
/* The peer's; the owner is told of it. */
void link_take_upgrade(struct link *link, struct control_exchange *exchange,
                       const Cyphonic__UpgradeRequest *request);

#endif

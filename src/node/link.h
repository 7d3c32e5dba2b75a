/* One QUIC connection with another node: its handshake, its TunnelRequest, and, once its peer is
 * authorised, the tunnel on it. Which peer it belongs to, and which of two links is used, its owner
 * decides.
 *
 * A link lives on a lane, and its owner is the main thread's: each function here visits the lane
 * (lane.h), and the handler is called by the main thread. */
#ifndef CYPHONIC_NODE_LINK_H
#define CYPHONIC_NODE_LINK_H

#include "control/control.h"
#include "node/lane.h"
#include "tunnel/tunnel.h"

#define LINK_ALPN "cyphonic-tun/1"

enum {
  /* What fits a 1,500-byte IPv6 underlay whole: 1,452 bytes of UDP payload, less the QUIC short
   * header with an 8-byte Connection ID (9), the longest packet number (4), the AEAD's tag (16) and
   * the DATAGRAM frame's type and length (3). Used over IPv4 too: a tunnel may move between them.
   */
  LINK_MTU = 1420,
  LINK_REQUEST_TIMEOUT = 5000, /* milliseconds for each response of the peer */
  LINK_CANDIDATES_MAX = 16,    /* addresses told in an upgrade; more are left out */
};
/* Of all candidates together, a relay that is found meanwhile included. */
#define LINK_HANDSHAKE_TIMEOUT (UINT64_C(6000000000)) /* nanoseconds */

/* Application codes with which nodes close a tunnel (docs/protocol.md). */
enum link_close_code {
  LINK_CLOSE_DONE = 0,
  LINK_CLOSE_IDLE = 1,         /* no inner packets for a while; it comes back on demand */
  LINK_CLOSE_SUPERSEDED = 2,   /* another connection of the same pair is used */
  LINK_CLOSE_NOT_DIRECTED = 3, /* no Route Direction allows it */
  LINK_CLOSE_IDENTITY = 4,     /* the certificate is not the one that the Route Direction names */
};

struct link;

struct link_handler {
  /* Server: a connection came (link_accept). */
  void (*accepted)(struct link *link, void *context);
  /* Client: the handshake is complete; link_identity tells with whom. */
  void (*established)(struct link *link, void *context);
  /* Server: a TunnelRequest came; it awaits link_grant or link_refuse. */
  void (*requested)(struct link *link, void *context);
  /* Client: the peer granted the TunnelRequest: link_is_confirmed. */
  void (*confirmed)(struct link *link, void *context);
  /* Client: the peer refused the TunnelRequest; the link closes by itself. */
  void (*refused)(struct link *link, const struct error *error, void *context);
  /* What link_tell_traffic asked for: a packet came, or went. */
  void (*traffic)(struct link *link, bool received, void *context);
  /* The peer's address, or the way to it, changed. */
  void (*moved)(struct link *link, void *context);
  /* Client: what quic_connection_migrate began is over. */
  void (*migrated)(struct link *link, bool success, void *context);
  /* Client: as quic_handler's. Only after link_authorise. */
  void (*spoke_elsewhere)(struct link *link, const struct address *remote, void *context);
  /* The peer wants to meet directly at its addresses; link_answer_upgrade tells it ours. Only after
   * link_authorise. */
  void (*upgrade_asked)(struct link *link, const struct address *theirs, size_t count,
                        void *context);
  /* What came of link_upgrade: none if the peer refused or did not answer. */
  void (*upgrade_answered)(struct link *link, const struct address *theirs, size_t count,
                           void *context);
  /* The last word: the pointer is dead afterwards. Not after link_abandon. */
  void (*closed)(struct link *link, const struct error *error, void *context);
};

/* What every link on a lane shares. It goes after link_abandon_all; what it points to, after the
 * endpoint. */
struct link_shared {
  struct lane *lane; /* NULL: the main thread */
  uv_loop_t *loop;   /* the lane's */
  const struct log *log;
  struct quic_endpoint *endpoint;
  const struct pki_credentials *credentials;
  const struct pki_trust *trust;
  struct ip_address ipv4, ipv6; /* our virtual addresses */
  uint64_t idle_timeout;        /* nanoseconds, of the QUIC connection */
  /* A packet for the TUN device, from a peer or about one given to link_send. On the lane. */
  void (*deliver)(struct span packet, void *context);
  void *deliver_context;
  struct link *links; /* all that are not abandoned; NULL at first */
};

struct link_target {
  struct address remote; /* the peer's, or a TRS's that leads to it */
  const char *fqdn;      /* the peer's certificate must bear it; copied */
  uint32_t peer_route_id;
  uint64_t direction_id;
};
/* Begins as client. */
int link_connect(struct link_shared *shared, const struct link_target *target,
                 const struct link_handler *handler, void *context, struct link **link,
                 struct error *error) MUST_CHECK;
/* Client, before `established`: another address at which the peer may be, or a TRS. */
void link_add_candidate(struct link *link, const struct address *remote);
/* A connection that the service accepted; on the lane. The handler's `accepted` tells of the link.
 * On failure the connection is closed. */
int link_accept(struct link_shared *shared, struct quic_connection *connection,
                const struct link_handler *handler, void *context, struct error *error) MUST_CHECK;

/* The peer is who it must be: the tunnel begins. */
int link_authorise(struct link *link, struct error *error) MUST_CHECK;
bool link_is_authorised(const struct link *link);
/* Client, after link_authorise: sends the TunnelRequest; data may follow without waiting. */
int link_request(struct link *link, struct error *error) MUST_CHECK;
/* Server: answer to the TunnelRequest, if one waits. link_refuse closes the link too. */
void link_grant(struct link *link);
void link_refuse(struct link *link, enum link_close_code code, const char *text);

/* Only after link_authorise. */
void link_send(struct link *link, struct span packet);
/* As tunnel_salvage. Only after link_authorise. */
void link_salvage(struct link *link, void (*take)(struct span packet, void *context),
                  void *context);
/* `round_trip` in nanoseconds, if code is 0. Called exactly once. */
typedef void (*link_ping_callback)(int code, uint64_t round_trip, const struct error *error,
                                   void *context);
int link_ping(struct link *link, link_ping_callback callback, void *context,
              struct error *error) MUST_CHECK;
/* Says something that the peer must answer. */
void link_probe(struct link *link);
/* Packets go another way from now on: what link_probe asked is awaited anew. */
void link_await_anew(struct link *link);
/* Says something, so that the peer notices where we are. Only after link_authorise. */
int link_announce(struct link *link, struct error *error) MUST_CHECK;
/* Nanoseconds for which nothing came although an answer was due, as quic_connection_silence, the
 * answer to link_probe included. `now` is clock_now's. */
uint64_t link_silence(const struct link *link, uint64_t now);

/* Nanoseconds of peer_now's clock, of the last inner packet each way; 0: there was none. */
struct link_traffic {
  uint64_t sent, received;
};
struct link_traffic link_traffic(const struct link *link);
/* Has the handler told once of the next inner packet: of the next that comes, or either way. */
void link_tell_traffic(struct link *link, bool received_only);

/* Tells the peer our addresses and asks for its, so that both send to each other's. `answered`
 * follows, unless the link closes before. */
int link_upgrade(struct link *link, const struct address *ours, size_t count,
                 struct error *error) MUST_CHECK;
/* To what the handler's `upgrade_asked` told last. */
void link_answer_upgrade(struct link *link, const struct address *ours, size_t count);

/* `closed` follows from the loop. */
void link_close(struct link *link, enum link_close_code code, const char *reason);
/* Closes; no callback of the handler comes any more, pings under way end with ERROR_CLOSED now, and
 * the link frees itself from the loop. */
void link_abandon(struct link *link);
void link_abandon_all(struct link_shared *shared);

/* Whom the owner takes it for; NULL at first. */
void link_set_owner(struct link *link, void *owner);
void *link_owner(const struct link *link);

/* Borrowed from the connection; only after `established` or link_accept. */
const struct pki_identity *link_identity(const struct link *link);
bool link_is_client(const struct link *link);
/* 0 for a server's before its TunnelRequest. */
uint64_t link_direction(const struct link *link);
/* Client: as in its target. */
uint32_t link_peer_route_id(const struct link *link);
/* The peer has answered, or asked, the TunnelRequest: the tunnel has worked. */
bool link_is_confirmed(const struct link *link);
/* Where the packets go, and from which address: as quic_connection_remote and _local. */
struct address link_remote(const struct link *link);
struct ip_address link_local(const struct link *link);
/* Client: as quic_connection_migrate. */
int link_migrate(struct link *link, const struct address *remote, bool immediately) MUST_CHECK;
/* For what else there is to be done with the connection, until link_leave. */
struct quic_connection *link_visit(const struct link *link);
void link_leave(const struct link *link);
struct lane *link_lane(const struct link *link);
/* Zeros before link_authorise. */
void link_counters(const struct link *link, struct tunnel_counters *counters);

#endif

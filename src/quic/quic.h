/* QUIC v1 (RFC 9000, 9001, 9002, 9221) as this project uses it. One endpoint is one pair of UDP
 * sockets (IPv4 and IPv6) that carries any number of connections, in the client's and the server's
 * role; ALPN tells the services apart. Nothing above this folder sees ngtcp2 or GnuTLS.
 *
 * Everything runs in the thread of the endpoint's loop. Callbacks come from that loop; inside one,
 * every function here may be called. Packets that a callback causes are sent in one batch before
 * the loop waits again. Several endpoints on one port, its lanes, may run in a thread each.
 *
 * Life of a connection: quic_connect or a peer makes it; `established` (or a service's `accepted`)
 * says that the handshake is complete and the peer's certificate verified; `closed` is the last
 * word, after which the pointer is dead. Nobody frees a connection: quic_connection_close asks. */
#ifndef CYPHONIC_QUIC_QUIC_H
#define CYPHONIC_QUIC_QUIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"
#include "base/span.h"
#include "pki/credentials.h"
#include "pki/identity.h"
#include "pki/trust.h"

struct quic_endpoint;
struct quic_connection;
struct quic_stream;
struct udp_packet; /* of net/udp.h */

/* --- events --- */

/* Why a connection ended. */
struct quic_close {
  enum error_code
      code; /* ERROR_CLOSED orderly; ERROR_TIMEOUT idle or handshake; ERROR_CERTIFICATE,
               ERROR_EXPIRED our check of the peer; ERROR_UNREACHABLE; ERROR_PROTOCOL ... */
  bool by_peer;
  bool reset;                /* by a stateless reset: the peer lost its state */
  uint64_t application_code; /* of CONNECTION_CLOSE, when code is ERROR_CLOSED */
  char message[256];         /* for people */
};

struct quic_handler {
  void (*established)(struct quic_connection *connection, void *context); /* client's side only */
  void (*closed)(struct quic_connection *connection, const struct quic_close *close, void *context);
  /* The peer's address, or the way to it, changed (NAT rebinding, migration), or was validated. May
   * be NULL. */
  void (*remote_changed)(struct quic_connection *connection, void *context);
  /* What quic_connection_migrate began is over. May be NULL. */
  void (*migrated)(struct quic_connection *connection, bool success, void *context);
  /* A client's: something new and authentic came from `remote`, where our packets do not go. The
   * peer may have moved there; or somebody sends its packets on from there, which is why only
   * quic_connection_migrate tells. NULL: such packets are dropped. */
  void (*spoke_elsewhere)(struct quic_connection *connection, const struct address *remote,
                          void *context);
};

struct quic_stream_handler {
  /* The peer opened a stream. */
  void (*opened)(struct quic_connection *connection, struct quic_stream *stream, void *context);
  /* In order; `fin` once, maybe with no data. */
  void (*received)(struct quic_stream *stream, struct span data, bool fin, void *context);
  /* The last word on this stream; `reset` if either side broke it off. Also comes, for every open
   * stream, before the connection's `closed`. */
  void (*closed)(struct quic_stream *stream, bool reset, void *context);
  /* After quic_stream_open's ERROR_AGAIN: the peer allows more streams. May be NULL. */
  void (*room)(struct quic_connection *connection, void *context);
};

struct quic_datagram_handler {
  void (*received)(struct quic_connection *connection, struct span data, void *context);
  /* After ERROR_AGAIN: there may be room again. */
  void (*writable)(struct quic_connection *connection, void *context);
  /* After quic_connection_await_answer: something came by the path in use. May be NULL. */
  void (*answered)(struct quic_connection *connection, void *context);
};

/* --- endpoint --- */

struct quic_endpoint_config {
  uv_loop_t *loop;
  const struct log *log;
  uint16_t port;                /* 0: any, the same for both IP versions if possible */
  struct ip_address ipv4, ipv6; /* addresses to bind; family 0: all */
  const uint8_t *secret;        /* 32 bytes, copied: makes Retry and stateless reset tokens; keep it
                                   over restarts so that peers learn at once that we forgot them */
  size_t retry_threshold;  /* half-open connections from which Retry is asked for; 0: default */
  size_t half_open_max;    /* from which new ones are dropped; 0: default */
  size_t connections_max;  /* 0: default */
  const char *qlog_folder; /* NULL: no qlog. See docs/operations.md before switching it on */

  /* Lanes: `lanes` endpoints with the same addresses, port and secret, opened in the order of their
   * numbers, and all closed before they are opened again. The first takes the port; the others need
   * to be told it. With the last comes the program by which the kernel gives each its packets, and
   * new clients to all but lane 0. 0 or 1 lanes: alone. */
  unsigned lane, lanes;
  /* A packet came here that may be for that lane: the kernel may have no such program, or have
   * joined packets of several lanes. To be copied, and given to quic_endpoint_take there. What may
   * be a stateless reset, which does not say whose it is, is given to all, though only so many in a
   * while. NULL: such packets are dropped. */
  void (*foreign)(unsigned lane, const struct udp_packet *packet, void *context);
  /* Called once, when a connection that somebody above knows has ended and the peer was told:
   * `closed` waits until quic_connection_finish, and what may be asked of a connection may be asked
   * of this one meanwhile. For owners in another thread. NULL: `closed` comes at once. */
  void (*ending)(struct quic_connection *connection, void *context);
  void *context; /* of these two */
};

enum {
  QUIC_SECRET_SIZE = 32,
  QUIC_RETRY_THRESHOLD = 64,
  QUIC_HALF_OPEN_MAX = 1024,
  QUIC_CONNECTIONS_MAX = 100000,
};

/* A host without IPv6 (or IPv4) gets an endpoint with the other alone; without both it fails. */
int quic_endpoint_new(const struct quic_endpoint_config *config, struct quic_endpoint **endpoint,
                      struct error *error) MUST_CHECK;
/* Closes all connections (their `closed` comes before this returns, and CONNECTION_CLOSE is sent),
 * then frees. Not from inside a callback of a connection. `done` (may be NULL) is called from the
 * loop when nothing is left. */
void quic_endpoint_close(struct quic_endpoint *endpoint, void (*done)(void *context),
                         void *context);
/* In this endpoint's thread: a packet that another lane's `foreign` was called with for this one,
 * as if it had come here. Never handed over again. */
void quic_endpoint_take(struct quic_endpoint *endpoint, const struct udp_packet *packet);
/* 0 if there is no socket of that family (4 or 6). */
uint16_t quic_endpoint_port(const struct quic_endpoint *endpoint, int family);

struct quic_endpoint_counters {
  size_t connections, half_open;
  uint64_t received_packets, sent_packets, received_bytes, sent_bytes;
  uint64_t dropped; /* not QUIC, of no connection, over a bound */
  uint64_t retries, version_negotiations, stateless_resets; /* sent */
  uint64_t handed_over; /* to other lanes, among those received; one that went to all counts once */
  uint64_t taken;       /* from other lanes, not among those received */
};
void quic_endpoint_counters(const struct quic_endpoint *endpoint,
                            struct quic_endpoint_counters *counters);

/* What both roles agree on for a connection. */
struct quic_parameters {
  uint64_t idle_timeout;      /* nanoseconds */
  uint64_t keep_alive;        /* nanoseconds without traffic before a PING; 0: none */
  uint64_t handshake_timeout; /* nanoseconds; 0: 10 s */
  bool datagrams;             /* RFC 9221 */
};

/* Who answers an ALPN. Borrowed pointers outlive the endpoint. */
struct quic_service {
  const char *alpn;
  const struct pki_credentials *credentials;
  const struct pki_trust *trust;
  enum pki_purpose peer_purpose;
  bool anonymous; /* the peer needs no certificate: sign-up only */
  struct quic_parameters parameters;
  /* Handshake complete, peer verified. Set handlers here; without them the connection is closed.
   * The peer's data may follow at once. */
  void (*accepted)(struct quic_connection *connection, void *context);
  void *context;
};
/* One service an ALPN; ERROR_EXISTS otherwise. */
int quic_endpoint_serve(struct quic_endpoint *endpoint, const struct quic_service *service,
                        struct error *error) MUST_CHECK;
/* New connections for it are refused; those that are go on. */
void quic_endpoint_withdraw(struct quic_endpoint *endpoint, const char *alpn);

/* --- relaying (design 5) --- */

/* Packets from these ranges come from nobody, and start and move no connection: a host that has
 * lost its last real address sends from the one it has in the overlay, which an answer would reach
 * by the very connection it is about. Length 0: no such range. */
void quic_endpoint_set_overlay(struct quic_endpoint *endpoint, const struct ip_prefix *ipv4,
                               const struct ip_prefix *ipv6);

/* From now on the Connection IDs issued here begin with these 32 bits, by which a TRS finds this
 * endpoint; 0: random ones. */
void quic_endpoint_set_route_id(struct quic_endpoint *endpoint, uint32_t route_id);
uint32_t quic_endpoint_route_id(const struct quic_endpoint *endpoint); /* 0: none */

/* A TRS's part: is asked for each packet that belongs to no connection of this endpoint, with where
 * it came from and the first 32 bits of its Destination Connection ID. True: the packet goes on to
 * *remote, unchanged, from the address `*local` (family 0: the kernel's choice); a port of 0 means
 * that it is to be dropped. */
struct quic_forwarder {
  bool (*forward)(const struct address *source, uint32_t route_id, size_t size,
                  struct address *remote, struct ip_address *local, void *context);
  void *context;
};
/* Copied; NULL: no more. */
void quic_endpoint_set_forwarder(struct quic_endpoint *endpoint,
                                 const struct quic_forwarder *forwarder);

/* Sends one small packet that means nothing, so that our NAT and firewall let packets from `remote`
 * in. */
void quic_endpoint_punch(struct quic_endpoint *endpoint, const struct address *remote);
uv_loop_t *quic_endpoint_loop(const struct quic_endpoint *endpoint);
/* Tells whoever is there, by a stateless reset (RFC 9000 section 10.3), that the connection which
 * it calls by this Connection ID is gone with a process before us, which had the same secret. */
void quic_endpoint_reset(struct quic_endpoint *endpoint, const struct address *remote,
                         const uint8_t *id, size_t size);

/* --- connection --- */

struct quic_target {
  const char *alpn;
  struct address remote;
  const struct pki_credentials *credentials; /* NULL: anonymous, for sign-up */
  const struct pki_trust *trust;
  enum pki_purpose peer_purpose;
  const char *peer_name;  /* the certificate must bear it; NULL: any name */
  uint32_t peer_route_id; /* our first packets' Connection IDs begin with it, so that a TRS can
                             carry them; 0: they need no TRS */
  struct quic_parameters parameters;
  const struct quic_handler *handler;
  void *context;
};
/* Strings and parameters are copied, other pointers borrowed until `closed`. A family without a
 * socket or route is ERROR_UNREACHABLE. */
int quic_connect(struct quic_endpoint *endpoint, const struct quic_target *target,
                 struct quic_connection **connection, struct error *error) MUST_CHECK;

/* Client, during the handshake: another address at which the peer may be, or a TRS that leads to
 * it. What was said so far is said there too, and the first address that answers is kept (design
 * 4). After the handshake, and for an address that is a candidate already, nothing happens. */
void quic_connection_add_candidate(struct quic_connection *connection,
                                   const struct address *remote);

/* Our own address towards the peer changed, after `established`. A client's connection goes on from
 * the new one, by a path and a Connection ID of its own and a new congestion state (RFC 9000
 * section 9.4), and `migrated` tells when the peer has answered there. `hold`: until then packets
 * go on leaving by the interface and from the address where the peer's arrived last, and for good
 * if it never answers. A server's packets leave from where the kernel chooses. Without `hold` we
 * must speak, so that the peer follows. Returns as quic_connection_migrate. */
int quic_connection_readdress(struct quic_connection *connection, bool hold) MUST_CHECK;
/* That interface still leads from that address to the peer. */
bool quic_connection_can_hold(const struct quic_connection *connection);
/* Packets leave from an address that was held, whatever the kernel would choose now. */
bool quic_connection_is_holding(const struct quic_connection *connection);
/* Server: packets leave by the interface where the client's arrive, and not by the one that the
 * kernel prefers, as long as it leads there; to be asked again when the host's routes change. */
void quic_connection_hold(struct quic_connection *connection);

/* Client, after `established`: moves the connection to another address of the peer, or to a TRS.
 * `immediately`: at once, because the present path is dead; otherwise only when the new path is
 * validated. `migrated` tells the outcome. ERROR_AGAIN: not now (the handshake is not confirmed, a
 * migration is under way, no spare Connection ID); ERROR_INVALID: a server cannot. */
int quic_connection_migrate(struct quic_connection *connection, const struct address *remote,
                            bool immediately) MUST_CHECK;

/* As quic_parameters' from now on: the path may lead through a NAT, or no longer. */
void quic_connection_set_keep_alive(struct quic_connection *connection, uint64_t nanoseconds);

/* A migration is under way, of which `migrated` will tell. */
bool quic_connection_is_moving(const struct quic_connection *connection);

/* Nanoseconds for which nothing came although something that asks for an answer was sent; 0: all is
 * well. Compare with three times quic_connection_probe_timeout to call a path dead. */
uint64_t quic_connection_silence(const struct quic_connection *connection, uint64_t now);
/* Has the datagram handler's `answered` called, once, when something comes next. */
void quic_connection_await_answer(struct quic_connection *connection);
/* Nanoseconds: the longest that an answer was waited for within the last second, by whatever path,
 * the present wait included; what was told once is not told again. */
uint64_t quic_connection_take_wait(struct quic_connection *connection, uint64_t now);
uint64_t quic_connection_probe_timeout(const struct quic_connection *connection);

void quic_connection_set_handler(struct quic_connection *connection,
                                 const struct quic_handler *handler, void *context);
void quic_connection_set_stream_handler(struct quic_connection *connection,
                                        const struct quic_stream_handler *handler, void *context);
void quic_connection_set_datagram_handler(struct quic_connection *connection,
                                          const struct quic_datagram_handler *handler,
                                          void *context);
/* Gives the handler those that came before there was one, up to 32; once. */
void quic_connection_take_early_datagrams(struct quic_connection *connection);

/* Asks for the end: nothing more is received; `closed` comes from the loop, soon and always, with
 * this code and reason and by_peer false. Calling it again changes nothing. */
void quic_connection_close(struct quic_connection *connection, uint64_t application_code,
                           const char *reason);
/* After `ending`, in the endpoint's thread or while that stands still: `closed` comes before this
 * returns, and the pointer is dead. quic_endpoint_close does this for all that wait for it. */
void quic_connection_finish(struct quic_connection *connection);

/* After `established` or `accepted`. An anonymous peer: NULL. */
const struct pki_identity *quic_connection_peer(const struct quic_connection *connection);
const char *quic_connection_alpn(const struct quic_connection *connection);
/* Where packets to the peer go at present. */
struct address quic_connection_remote(const struct quic_connection *connection);
/* Inside a callback for what came in a packet: where that packet came from, which may be elsewhere
 * and is not validated; so nobody but the peer may be told. Otherwise as quic_connection_remote. */
struct address quic_connection_heard_from(const struct quic_connection *connection);
/* Server, inside a callback for what came in a packet after the handshake: copies the Connection ID
 * by which the client addressed it, and returns its size; 0 elsewhere. */
enum { QUIC_CONNECTION_ID_MAX = 20 };
size_t quic_connection_called_by(const struct quic_connection *connection,
                                 uint8_t id[static QUIC_CONNECTION_ID_MAX]);
/* Server: the last path on which the peer has shown that it hears us (RFC 9000 section 8), which
 * the present one may be about to do; false: none yet. To be used where others are sent packets on
 * a peer's word. */
bool quic_connection_validated_path(const struct quic_connection *connection,
                                    struct address *remote, struct ip_address *local);
/* Our address on this path, as far as packets have told; family 0: not yet. */
struct address quic_connection_local(const struct quic_connection *connection);
bool quic_connection_is_client(const struct quic_connection *connection);
uv_loop_t *quic_connection_loop(const struct quic_connection *connection);
const struct log *quic_connection_log(const struct quic_connection *connection);

struct quic_connection_counters {
  uint64_t sent_packets, sent_bytes, received_packets, received_bytes, lost_packets;
  uint64_t smoothed_rtt, minimum_rtt; /* nanoseconds; 0: unknown */
  uint64_t congestion_window;         /* bytes, and how many of them are under way: */
  uint64_t in_flight;
};
void quic_connection_counters(const struct quic_connection *connection,
                              struct quic_connection_counters *counters);

/* --- streams (bidirectional) --- */

/* ERROR_AGAIN when the peer's stream limit is reached. */
int quic_stream_open(struct quic_connection *connection, struct quic_stream **stream) MUST_CHECK;
void quic_stream_set_context(struct quic_stream *stream, void *context);
void *quic_stream_context(const struct quic_stream *stream);
struct quic_connection *quic_stream_connection(const struct quic_stream *stream);
/* Copies; sends as the windows allow. ERROR_LIMIT if more than 1 MiB is waiting, ERROR_CLOSED after
 * fin. */
int quic_stream_send(struct quic_stream *stream, struct span data, bool fin) MUST_CHECK;
/* Breaks both directions off; `closed` follows from the loop. */
void quic_stream_reset(struct quic_stream *stream, uint64_t application_code);

/* --- datagrams --- */

/* The largest datagram that fits a packet on the path as discovered by now; grows as path MTU
 * discovery proceeds. 0: the peer takes none. */
size_t quic_connection_datagram_room(const struct quic_connection *connection);
/* True once path MTU discovery has had its time: a room that is small now stays small. */
bool quic_connection_path_mtu_settled(const struct quic_connection *connection);
/* clock_now(), which the packets of a turn of the loop share by sixteens: for what asks once a
 * packet. */
uint64_t quic_connection_time(const struct quic_connection *connection);
/* Sends `head` and `body` as one datagram (head may be empty), encrypted straight into the batch.
 * ERROR_AGAIN: congestion control or a full socket; keep the packet until `writable`.
 * ERROR_LIMIT: larger than the room. ERROR_CLOSED. */
int quic_connection_send_datagram(struct quic_connection *connection, struct span head,
                                  struct span body) MUST_CHECK;

#endif

/* What the files of this folder know of a connection. */
#ifndef CYPHONIC_QUIC_CONNECTION_INTERNAL_H
#define CYPHONIC_QUIC_CONNECTION_INTERNAL_H

#include <ngtcp2/ngtcp2.h>

#include "quic/cid_table.h"
#include "quic/endpoint_internal.h"
#include "quic/path_mtu.h"
#include "quic/quic.h"
#include "quic/route_table.h"
#include "quic/timer.h"
#include "quic/tls.h"

enum connection_state {
  CONNECTION_HANDSHAKE,   /* packets flow, nobody above knows it yet on the server's side */
  CONNECTION_ESTABLISHED, /* handshake complete, peer verified */
  CONNECTION_ENDING,      /* `close` is filled; the next flush tells the peer and the owner, or that
                             it `waits` for quic_connection_finish to tell the owner */
  CONNECTION_CLOSED,      /* nobody's, and without what ngtcp2 had of it: see closing.c */
};

/* How a client's move to another route ended. */
enum connection_move { MOVE_UNDECIDED, MOVE_DONE, MOVE_FAILED };

/* A client's first packets and where else they may be said, until somebody answers. */
struct connection_race {
  size_t candidate_count, packet_count;
  struct address candidates[CANDIDATES_MAX];
  size_t sizes[FLIGHT_PACKETS];
  uint8_t packets[FLIGHT_PACKETS][UDP_PAYLOAD_MAX];
};

/* Datagrams that came before there was a handler. */
struct early_datagrams {
  size_t count;
  size_t sizes[EARLY_DATAGRAMS];
  uint8_t data[EARLY_DATAGRAMS][UDP_PAYLOAD_MAX];
};

struct quic_connection {
  struct timer timer; /* first: a timer that fires is its connection */
  struct quic_endpoint *endpoint;
  struct quic_connection *previous, *next;          /* of the endpoint */
  struct quic_connection *ready_next, **ready_link; /* in the endpoint's ready list, or NULL */

  ngtcp2_conn *conn;
  struct tls tls;
  struct cid_entry *ids; /* its entries in the endpoint's table */
  struct route_table routes;
  bool is_client;
  bool confirmed;  /* the handshake (RFC 9001 section 4.1.2): TLS has nothing more to do */
  bool in_library; /* ngtcp2 is on the stack and may not be called again */
  /* Its time has come, and what that asks for goes before any datagram: a probe must be small,
   * since large packets may be just what does not arrive. */
  bool expired;
  enum connection_state state;
  bool known; /* to somebody above: a client's at once, a server's when it is accepted */
  bool waits; /* for quic_connection_finish */

  struct quic_handler handler; /* all NULL until set */
  void *context;
  struct quic_stream_handler stream_handler;
  void *stream_context;
  struct quic_datagram_handler datagram_handler;
  void *datagram_context;
  struct early_datagrams *early; /* NULL: none */
  bool early_taken;              /* what comes without a handler is lost from now on */

  struct quic_stream *streams; /* all, doubly linked */
  bool stream_refused;         /* the peer allowed no more when one was to be opened */
  bool datagram_waiting;       /* the owner was told ERROR_AGAIN */
  bool answer_awaited;         /* the owner wants to be told of it */
  uint64_t next_datagram_id, received_datagrams;
  uint64_t news;           /* datagrams and stream data that came and had not come before */
  int64_t flight_room;     /* bytes that may be sent before it is looked at what is under way */
  unsigned unacknowledged; /* packets with datagrams since we sent one */
  struct path_mtu *mtu;    /* of a connection with datagrams, once it has sent one */
  const struct udp_packet *receiving; /* while it is processed */
  uint64_t time;                /* the latest that ngtcp2 was told: for it, time may not go back */
  struct connection_race *race; /* a client's, during the handshake */
  bool answered;                /* somebody has answered: no more candidates */
  uint16_t moving;              /* number of the route that a migration tries; 0: none */
  enum connection_move moved;
  uint16_t held; /* number of the route that packets go by while another address of ours is tried */
  uint64_t unanswered; /* nanoseconds, of the first packet that asks for an answer since one came;
                          0: none */
  /* Nanoseconds: since when the peer owes an answer, whatever the path, 0: it does not; and the
   * longest such wait lately, with its end. */
  uint64_t asked, waited, waited_until;
  /* Nanoseconds, the probe time-out of the path that was left, until something comes by the new
   * one, of which ngtcp2 expects a third of a second for want of knowledge; 0: the present one's
   * holds. */
  uint64_t probe_timeout;
  uint64_t path_since;    /* nanoseconds, when the present path was taken */
  uint16_t current_route; /* number of the route that packets go by */
  bool remote_unproven;   /* the peer's address changed during the handshake */
  /* The last path on which the peer has shown that it hears us; port 0: none yet. A copy, since the
   * slot may go to another remote. */
  struct address validated_remote;
  struct ip_address validated_local;
  bool remote_news; /* the owner has not been told yet that either of these changed */

  struct quic_close close;
  ngtcp2_ccerr close_error; /* what CONNECTION_CLOSE says; its reason points into close.message */
  bool close_send;          /* the peer is to be told */
  uint8_t *last_words;      /* the packet that told it, or NULL */
  size_t last_words_size;

  uint64_t sent_packets, sent_bytes, received_packets, received_bytes, lost_packets;
  void *qlog; /* FILE *, or NULL */
};

/* connection.c */

/* A client's first packet that may open a connection. `token_odcid`: the client's first Destination
 * Connection ID if it came back from a Retry with a good token, else NULL. */
struct quic_connection *connection_accept(struct quic_endpoint *endpoint,
                                          const ngtcp2_pkt_hd *header,
                                          const ngtcp2_cid *token_odcid,
                                          const struct udp_packet *packet, uint64_t now);
/* Starts the end; the first call decides. `liberr` is ngtcp2's. */
void connection_fail(struct quic_connection *connection, int liberr);
/* Tells the owner; frees all but what late packets are answered by. */
void connection_destroy(struct quic_connection *connection);

/* Of one that is closed. */
void connection_free(struct quic_connection *connection);

/* closing.c */

/* The packet with our CONNECTION_CLOSE, to be said again. */
void closing_keep_words(struct quic_connection *connection, const uint8_t *packet, size_t size);
/* False: nothing of it is of use any more. Before ngtcp2's part is freed. */
bool closing_begin(struct quic_connection *connection) MUST_CHECK;
void closing_receive(struct quic_connection *connection, const struct udp_packet *packet);

/* connection_io.c */

/* The later of `now` and what ngtcp2 was told last: a batch shares one time stamp, but an owner who
 * sends from a callback within it took a later one. */
uint64_t connection_time(struct quic_connection *connection, uint64_t now);
/* Has the connection woken when ngtcp2 wants to be. */
void connection_arm(struct quic_connection *connection);
void connection_receive(struct quic_connection *connection, const struct udp_packet *packet,
                        uint64_t now);
/* Writes what is due since its time has come, before any more datagrams. False: there is no room.
 */
bool connection_write_due(struct quic_connection *connection, uint64_t now);
/* Writes what there is to send. False when the batch is blocked: it must be flushed again. */
bool connection_flush(struct quic_connection *connection, uint64_t now);
/* The route that packets go by, or NULL. */
const struct route *connection_route(const struct quic_connection *connection);
/* The peer has shown that it hears us on the route of this number. */
void connection_validated(struct quic_connection *connection, uint16_t number);
void connection_expire(struct quic_connection *connection, uint64_t now);
void connection_write_close(struct quic_connection *connection, uint64_t now);
/* Puts a packet that ngtcp2 wrote for `path` into the batch. */
void connection_commit(struct quic_connection *connection, const ngtcp2_path *path,
                       const ngtcp2_pkt_info *info, size_t size);

/* callbacks.c */
extern const ngtcp2_callbacks connection_client_callbacks, connection_server_callbacks;

/* stream.c */

/* How a stream's bytes wait for acknowledgement. */
struct stream_chunk;

struct quic_stream {
  struct quic_connection *connection;
  struct quic_stream *previous, *next;
  int64_t id;
  void *context;
  struct stream_chunk *first, *last; /* not yet acknowledged, oldest first */
  struct stream_chunk *unsent;       /* the first that is not wholly sent */
  size_t unsent_offset;              /* bytes of it sent */
  uint64_t acknowledged;             /* stream offset */
  size_t pending;                    /* bytes in all chunks */
  bool fin, fin_sent, blocked, reset;
};

struct quic_stream *stream_new(struct quic_connection *connection, int64_t id);
/* Tells the owner and frees. */
void stream_close(struct quic_stream *stream, bool reset);
bool stream_has_unsent(const struct quic_stream *stream);
/* Up to `max` pieces that wait; sets *fin if they end the stream. Returns how many. */
size_t stream_unsent(const struct quic_stream *stream, ngtcp2_vec *pieces, size_t max, bool *fin);
void stream_sent(struct quic_stream *stream, size_t size, bool fin);
void stream_acknowledged(struct quic_stream *stream, uint64_t offset);

/* datagram.c: one for which there is no handler yet */
void datagram_keep(struct quic_connection *connection, struct span data);

/* race.c */

int race_begin(struct quic_connection *connection, const struct address *remote) MUST_CHECK;
void race_end(struct quic_connection *connection);
bool race_has(const struct quic_connection *connection, const struct address *remote);
/* Says a packet of the first flight at the other candidates too. */
void race_sent(struct quic_connection *connection, const uint8_t *packet, size_t size);

/* migration.c: after ngtcp2 has been called */
void migration_settle(struct quic_connection *connection);
/* Something that the peer must answer was sent; something came by the path in use. */
void connection_begin_wait(struct quic_connection *connection, uint64_t now);
void connection_end_wait(struct quic_connection *connection, uint64_t now);

/* qlog.c */
void qlog_open(struct quic_connection *connection, const ngtcp2_cid *id, ngtcp2_settings *settings);
void qlog_close(struct quic_connection *connection);

#endif

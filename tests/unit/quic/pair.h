/* A client's and a server's endpoint on the loopback interface, the real library and real
 * certificates between them, and what each side of a connection lived through. */
#ifndef CYPHONIC_TEST_QUIC_PAIR_H
#define CYPHONIC_TEST_QUIC_PAIR_H

#include "fixture.h"

#define SECOND UINT64_C(1000000000)

/* One side of a connection and what it lived through. */
struct side {
  struct quic_connection *connection;
  bool established, closed;
  struct quic_close close;
  unsigned datagrams, datagrams_before_stream;
  uint8_t last_datagram[2048];
  size_t last_datagram_size;
  size_t stream_bytes;
  uint32_t stream_sum;
  bool stream_fin, stream_reset;
  unsigned streams_closed, stream_room;
  unsigned remote_changes;
  bool writable;
  bool pours;     /* whenever it may send, it sends datagrams as large as can be */
  unsigned moves; /* migrations that ended */
  bool last_move;
  bool proven_at_first;     /* a server's: the peer's address was validated when it was accepted */
  unsigned spoke_elsewhere; /* how often the peer did */
  bool follows;             /* and moves there */
  struct address next_move; /* where to move at once when a migration ends; unset: nowhere */
};

/* The usual pair: alice connects to bob. */
struct pair {
  struct quic_endpoint *client_endpoint, *server_endpoint;
  struct side client, server;
  uint16_t expected_port;    /* for conditions */
  uint64_t expected_packets; /* likewise */
};

/* The network that all tests of a program share; set up and torn down by the group. */
extern struct world world;
int pair_setup(void **state);
int pair_teardown(void **state);

/* Sides as their connections' owners: `accepted` is a service's, with the side as context. The
 * server's side gives back what a stream brings. */
extern const struct quic_handler handler;
struct quic_parameters parameters(void);
struct quic_service tunnel_service(struct side *server);
struct quic_target tunnel_target(struct side *client, uint16_t port);
void serve(struct quic_endpoint *endpoint, const struct quic_service *service);
void connect_to(struct quic_endpoint *endpoint, const struct quic_target *target,
                struct side *side);
bool both_established(void *context);
bool client_closed(void *context);
bool both_closed(void *context);
void pair_open(struct pair *pair);
uint16_t server_port(const struct pair *pair);
void pair_connect(struct pair *pair, uint16_t port);
void pair_close(struct pair *pair);
void accepted(struct quic_connection *connection, void *context);
bool server_got_datagram(void *context);
bool client_got_datagram(void *context);
bool client_is_confirmed(void *context); /* its handshake is over for both */
bool client_has_moved(void *context);
bool side_is_writable(void *context); /* of a side */
/* Sends a datagram of a few bytes, when it may: a path that is not validated yet takes little. */
void side_say(struct side *side);
/* A datagram each way, one after the other, since a server sends to where it has heard the client.
 */
void exchange(struct pair *pair);
struct quic_endpoint_counters endpoint_counters(const struct quic_endpoint *endpoint);

#endif

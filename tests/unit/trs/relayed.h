/* A tunnel between two nodes whose packets a TRS carries: their own QUIC connection, end to end.
 * Every function fails the test when something goes wrong. */
#ifndef CYPHONIC_TEST_TRS_RELAYED_H
#define CYPHONIC_TEST_TRS_RELAYED_H

#include "station.h"

/* Route ids. */
enum { ALICE = 0xa11ce001, BOB = 0xb0b00002 };

struct end {
  struct quic_connection *connection;
  bool established, closed;
  struct quic_close close;
  size_t received; /* datagrams */
};

/* Alice is the client. */
struct tunnel {
  struct station station;
  struct cloud *cloud;
  struct user alice, bob;
  struct end client, server;
};

/* Both are connected to the TRS; the tunnel does not stand yet. `config` as station_open takes it.
 */
void open_tunnel(struct cloud *cloud, const struct trs_config *config, struct tunnel *tunnel);
void close_tunnel(struct tunnel *tunnel);

/* Alice begins, by the TRS. */
void dial(struct tunnel *tunnel);
/* The same, and waits until both stand. */
void dial_and_meet(struct tunnel *tunnel);

/* Sends a datagram of 1,000 bytes; what quic_connection_send_datagram says. */
int say(struct end *end) MUST_CHECK;
/* Each sends one, and hears the other's. */
void talk(struct tunnel *tunnel);

#endif

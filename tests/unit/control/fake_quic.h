/* A double of quic/ for the tests of what stands on it: two connections that are each other's peer,
 * in memory, on a loop. Linked instead of the real library. Nothing moves but in fake_quic_run, so
 * a test decides what has arrived when something happens. */
#ifndef CYPHONIC_TEST_FAKE_QUIC_H
#define CYPHONIC_TEST_FAKE_QUIC_H

#include "quic/quic.h"

struct fake_quic {
  uv_loop_t loop;
  struct quic_connection *a, *b;
};

void fake_quic_init(struct fake_quic *fake);
/* Ends the connections if they are not yet, and checks that nothing is left on the loop. */
void fake_quic_clear(struct fake_quic *fake);

/* Hands everything under way to its receivers until nothing moves any more, and turns the loop
 * without waiting. */
void fake_quic_run(struct fake_quic *fake);
/* Turns the loop, waiting for its timers, until *done. */
void fake_quic_run_until(struct fake_quic *fake, const bool *done);
/* Both connections end: their streams close, then `closed` comes. */
void fake_quic_disconnect(struct fake_quic *fake);

/* Bytes of a stream arrive in pieces of at most this size; 0: as they were sent. */
void fake_quic_split(struct fake_quic *fake, size_t size);
/* As the connection's quic_stream_open would when the peer's limit is reached, or was and no longer
 * is. */
void fake_quic_limit_streams(struct quic_connection *connection, size_t limit);
/* Streams that are open on this side. */
size_t fake_quic_streams(const struct quic_connection *connection);

/* --- datagrams --- */

void fake_quic_set_room(struct quic_connection *connection, size_t room, bool settled);
/* So many datagrams are taken until ERROR_AGAIN comes; SIZE_MAX: all (the default). */
void fake_quic_set_budget(struct quic_connection *connection, size_t budget);
/* Tells the connection's handler that there is room again, if it was told ERROR_AGAIN. */
void fake_quic_writable(struct quic_connection *connection);
/* What quic_connection_silence says; the probe time-out is 10 ms. */
void fake_quic_set_silence(struct quic_connection *connection, uint64_t nanoseconds);
/* Ends the silence, and tells the handler if it asked to be told. */
void fake_quic_answer(struct quic_connection *connection);
size_t fake_quic_datagrams(const struct quic_connection *connection); /* sent, not yet arrived */
/* Bytes of the one with this index; valid until fake_quic_run. */
struct span fake_quic_datagram(const struct quic_connection *connection, size_t index);

#endif

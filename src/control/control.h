/* Signalling over a connection: requests and responses, each pair on a stream of its own, each
 * message behind a 4-byte big-endian length (docs/protocol.md). Both sides may ask. */
#ifndef CYPHONIC_CONTROL_CONTROL_H
#define CYPHONIC_CONTROL_CONTROL_H

#include "base/error.h"
#include "cyphonic.pb-c.h"
#include "quic/quic.h"

enum {
  CONTROL_MESSAGE_MAX = 32768, /* bytes of one message; more is refused before memory is taken */
  /* Requests under way at once each way; more is ERROR_LIMIT, or refused with Error UNAVAILABLE. */
  CONTROL_EXCHANGES_MAX = 64,
  CONTROL_WAITING_MAX = 1024, /* requests that wait for their turn */
  /* Milliseconds a peer has to send a request that it began, so that none holds memory for good. */
  CONTROL_RECEIVE_TIMEOUT = 10000,
};

/* Why this side broke a stream off, as the peer's QUIC sees it. */
enum control_reset {
  CONTROL_RESET_CANCELLED = 1, /* the answer is not awaited any more */
  CONTROL_RESET_TOO_LARGE = 2, /* a message beyond CONTROL_MESSAGE_MAX was announced */
  CONTROL_RESET_PROTOCOL = 3,  /* bytes that are no message, or behind it */
  CONTROL_RESET_TIMEOUT = 4,
  CONTROL_RESET_INTERNAL = 5, /* no memory */
};

struct control;          /* on one connection */
struct control_exchange; /* a peer's request that awaits its reply */

typedef Cyphonic__Message control_message;

struct control_handler {
  /* Answer by control_reply or control_refuse, now or later, once, and also when the connection is
   * gone by then: the exchange is the handler's until it does. `message` lives until this returns.
   * control_free may be called here. */
  void (*request)(struct control *control, struct control_exchange *exchange,
                  const control_message *message, void *context);
};

/* Takes over the connection's streams. The connection's owner calls control_free in the
 * connection's `closed` (or before it). `handler` is copied and may be NULL: requests are refused.
 * NULL without memory. */
struct control *control_new(struct quic_connection *connection,
                            const struct control_handler *handler, void *context);
/* Requests under way end with ERROR_CLOSED, before this returns; exchanges not answered become
 * void. May be called inside any callback of this module. The loop must turn once more before it is
 * closed: that is when the memory goes. */
void control_free(struct control *control);
struct quic_connection *control_connection(const struct control *control);

/* `reply` is NULL unless code is 0; an Error of the peer is ERROR_PERMISSION, ERROR_NOT_FOUND ...
 * as control_error_code maps it, with its text in `error` and reply the Error message itself.
 * ERROR_TIMEOUT, ERROR_CLOSED (the connection, or the peer broke the request off), ERROR_PROTOCOL
 * and ERROR_LIMIT (the reply is none) are ours. Called exactly once, from the loop or from
 * control_free, never from control_request; not at all if control_request fails. */
typedef void (*control_reply_callback)(struct control *control, int code,
                                       const control_message *reply, const struct error *error,
                                       void *context);
/* `message` is packed before this returns. At least one millisecond of time is given. */
int control_request(struct control *control, const control_message *message,
                    uint64_t timeout_milliseconds, control_reply_callback callback, void *context,
                    struct error *error) MUST_CHECK;
/* The same, but while too many are under way it waits until they are answered, in the time that it
 * is given: ERROR_TIMEOUT if it is not sent by then, ERROR_LIMIT only if too many wait. */
int control_request_in_turn(struct control *control, const control_message *message,
                            uint64_t timeout_milliseconds, control_reply_callback callback,
                            void *context, struct error *error) MUST_CHECK;

/* Each ends the exchange, which must be done exactly once; the pointer is dead then. A reply that
 * is too large becomes an Error UNAVAILABLE. The connection that carries it may be gone by then:
 * nothing happens. */
void control_reply(struct control_exchange *exchange, const control_message *message);
void control_refuse(struct control_exchange *exchange, Cyphonic__Error__Code code,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The error_code that stands for a peer's Error code. */
int control_error_code(Cyphonic__Error__Code code);

#endif

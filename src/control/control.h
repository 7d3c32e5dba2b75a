/* Signalling over a connection: requests and responses, each pair on a stream of its own, each
 * message behind a 4-byte big-endian length (docs/protocol.md). Both sides may ask. */
#ifndef CYPHONIC_CONTROL_CONTROL_H
#define CYPHONIC_CONTROL_CONTROL_H

#include "base/error.h"
#include "cyphonic.pb-c.h"
#include "quic/quic.h"

enum {
  CONTROL_MESSAGE_MAX = 32768, /* bytes of one message; more is refused before memory is taken */
  CONTROL_EXCHANGES_MAX =
      64, /* requests under way at once each way; more is ERROR_LIMIT or refused */
};

struct control;          /* on one connection */
struct control_exchange; /* a peer's request that awaits its reply */

typedef Cyphonic__Message control_message;

struct control_handler {
  /* Answer by control_reply or control_refuse, now or later; `message` lives until this returns. */
  void (*request)(struct control *control, struct control_exchange *exchange,
                  const control_message *message, void *context);
};

/* Takes over the connection's streams. The connection's owner calls control_free in the
 * connection's `closed` (or before it). `handler` may be NULL: requests are refused. NULL without
 * memory. */
struct control *control_new(struct quic_connection *connection,
                            const struct control_handler *handler, void *context);
/* Requests under way end with ERROR_CLOSED; exchanges not answered become void. */
void control_free(struct control *control);
struct quic_connection *control_connection(const struct control *control);

/* `reply` is NULL unless code is 0; an Error of the peer is ERROR_PERMISSION, ERROR_NOT_FOUND ...
 * as control_error_code maps it, with its text in `error` and reply the Error message itself.
 * Called exactly once. */
typedef void (*control_reply_callback)(struct control *control, int code,
                                       const control_message *reply, const struct error *error,
                                       void *context);
int control_request(struct control *control, const control_message *message,
                    uint64_t timeout_milliseconds, control_reply_callback callback, void *context,
                    struct error *error) MUST_CHECK;

/* Each ends the exchange. The connection that carries it may be gone by then: nothing happens. */
void control_reply(struct control_exchange *exchange, const control_message *message);
void control_refuse(struct control_exchange *exchange, Cyphonic__Error__Code code,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The error_code that stands for a peer's Error code. */
int control_error_code(Cyphonic__Error__Code code);

#endif

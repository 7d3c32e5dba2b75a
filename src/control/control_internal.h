/* What the files of this folder share: control.c has the exchanges, request.c those that we began,
 * answer.c the peer's. */
#ifndef CYPHONIC_CONTROL_CONTROL_INTERNAL_H
#define CYPHONIC_CONTROL_CONTROL_INTERNAL_H

#include "control/control.h"
#include "control/frame.h"
#include "control/peer_error.h"

#define NO_DEADLINE UINT64_MAX

enum direction { DIRECTION_OURS, DIRECTION_PEERS, DIRECTIONS };

/* A request and its response, whoever asks. */
struct control_exchange {
  struct control *control; /* NULL: freed, and this exchange is void */
  struct control_exchange *previous, *next;
  enum direction direction;
  struct quic_stream *stream; /* NULL: closed */
  struct frame_decoder decoder;
  uint64_t deadline; /* milliseconds of the loop's clock */
  bool handed;       /* the peer's: the request is whole and its reply is awaited */
  uint8_t *waiting;  /* ours: the frame, until it is its turn; no stream yet. NULL: under way */
  size_t waiting_size;
  control_reply_callback callback;
  void *context;
};

struct control {
  uv_timer_t timer; /* first: the memory lives until it is closed */
  struct quic_connection *connection;
  struct control_handler handler;
  void *context;
  struct control_exchange *exchanges; /* both directions' */
  size_t counts[DIRECTIONS];          /* under way */
  size_t waiting;
  bool beginning; /* those that waited */
  bool freed;
};

/* NULL without memory. */
struct control_exchange *exchange_new(struct control *control, enum direction direction,
                                      struct quic_stream *stream, uint64_t timeout);
/* Breaks the stream off, if there still is one. */
void exchange_reset_stream(struct control_exchange *exchange, enum control_reset reason);
void exchange_free(struct control_exchange *exchange);
/* After a deadline changed. */
void control_arm(struct control *control);

/* request.c */

void request_fail(struct control_exchange *exchange, enum error_code code, const char *text);
void request_receive(struct control_exchange *exchange, struct span data, bool fin);
/* Those that wait, as many as may be now. */
void request_begin_waiting(struct control *control);

/* answer.c */

void answer_receive(struct control_exchange *exchange, struct span data, bool fin);
void answer_error(struct quic_stream *stream, Cyphonic__Error__Code code, char *text);

#endif

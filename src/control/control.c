#include "control/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/frame.h"

#define NO_DEADLINE UINT64_MAX

enum { TEXT_MAX = 384 }; /* of an Error, theirs or ours; a struct error has room for words beside */

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
  control_reply_callback callback;
  void *context;
};

struct control {
  uv_timer_t timer; /* first: the memory lives until it is closed */
  struct quic_connection *connection;
  struct control_handler handler;
  void *context;
  struct control_exchange *exchanges; /* both directions' */
  size_t counts[DIRECTIONS];
  bool freed;
};

/* --- the timer --- */

static void expired(uv_timer_t *timer);

static struct control_exchange *earliest(const struct control *control) {
  struct control_exchange *first = NULL;
  for (struct control_exchange *exchange = control->exchanges; exchange != NULL;
       exchange = exchange->next) {
    if (exchange->deadline != NO_DEADLINE &&
        (first == NULL || exchange->deadline < first->deadline)) {
      first = exchange;
    }
  }
  return first;
}

static void arm(struct control *control) {
  if (control->freed) {
    return;
  }
  const struct control_exchange *first = earliest(control);
  if (first == NULL) {
    uv_timer_stop(&control->timer);
    return;
  }
  uint64_t now = uv_now(control->timer.loop);
  uv_timer_start(&control->timer, expired, first->deadline > now ? first->deadline - now : 0, 0);
}

/* --- life of an exchange --- */

static struct control_exchange *exchange_new(struct control *control, enum direction direction,
                                             struct quic_stream *stream, uint64_t timeout) {
  struct control_exchange *exchange = calloc(1, sizeof(*exchange));
  if (exchange == NULL) {
    return NULL;
  }
  exchange->control = control;
  exchange->direction = direction;
  exchange->stream = stream;
  uint64_t now = uv_now(control->timer.loop);
  exchange->deadline = timeout < NO_DEADLINE - now ? now + timeout : NO_DEADLINE;
  exchange->next = control->exchanges;
  if (exchange->next != NULL) {
    exchange->next->previous = exchange;
  }
  control->exchanges = exchange;
  control->counts[direction]++;
  quic_stream_set_context(stream, exchange);
  return exchange;
}

/* The stream goes on, or ends, without us. */
static void exchange_leave_stream(struct control_exchange *exchange) {
  if (exchange->stream != NULL) {
    quic_stream_set_context(exchange->stream, NULL);
    exchange->stream = NULL;
  }
}

static void exchange_reset_stream(struct control_exchange *exchange, enum control_reset reason) {
  struct quic_stream *stream = exchange->stream;
  exchange_leave_stream(exchange);
  if (stream != NULL) {
    quic_stream_reset(stream, reason);
  }
}

static void exchange_unlink(struct control_exchange *exchange) {
  struct control *control = exchange->control;
  exchange_leave_stream(exchange);
  frame_decoder_clear(&exchange->decoder);
  if (control == NULL) {
    return;
  }
  if (exchange->previous != NULL) {
    exchange->previous->next = exchange->next;
  } else {
    control->exchanges = exchange->next;
  }
  if (exchange->next != NULL) {
    exchange->next->previous = exchange->previous;
  }
  control->counts[exchange->direction]--;
  exchange->control = NULL;
  arm(control);
}

static void exchange_free(struct control_exchange *exchange) {
  exchange_unlink(exchange);
  free(exchange);
}

/* The callback may do anything, control_free included: nothing of ours is touched after it but the
 * control itself, whose memory outlives the loop's turn. */
static void request_end(struct control_exchange *exchange, int code, const control_message *reply,
                        const struct error *error) {
  struct control *control = exchange->control;
  control_reply_callback callback = exchange->callback;
  void *context = exchange->context;
  exchange_free(exchange);
  callback(control, code, reply, error, context);
}

static void request_fail(struct control_exchange *exchange, enum error_code code,
                         const char *text) {
  struct error error = {0};
  error_set(&error, code, "%s", text);
  request_end(exchange, code, NULL, &error);
}

static void expire(struct control_exchange *exchange) {
  if (exchange->direction == DIRECTION_PEERS) {
    exchange_reset_stream(exchange, CONTROL_RESET_TIMEOUT);
    exchange_free(exchange);
  } else if (exchange->stream == NULL) {
    request_fail(exchange, ERROR_CLOSED, "the peer broke the request off without an answer");
  } else {
    exchange_reset_stream(exchange, CONTROL_RESET_TIMEOUT);
    request_fail(exchange, ERROR_TIMEOUT, "the peer did not answer the request in time");
  }
}

static void expired(uv_timer_t *timer) {
  struct control *control = timer->data;
  /* One `now` for all: a request that a callback makes anew is due later, so this ends. */
  uint64_t now = uv_now(timer->loop);
  while (!control->freed) {
    struct control_exchange *exchange = earliest(control);
    if (exchange == NULL || exchange->deadline > now) {
      break;
    }
    expire(exchange);
  }
  arm(control);
}

/* --- replies to us --- */

int control_error_code(Cyphonic__Error__Code code) {
  switch (code) {
  case CYPHONIC__ERROR__CODE__INVITATION_EXPIRED:
  case CYPHONIC__ERROR__CODE__GRANT_EXPIRED:
    return ERROR_EXPIRED;
  case CYPHONIC__ERROR__CODE__GRANT_INVALID:
  case CYPHONIC__ERROR__CODE__INVITATION_INVALID:
  case CYPHONIC__ERROR__CODE__INVITATION_USED:
  case CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN:
  case CYPHONIC__ERROR__CODE__DEVICE_REVOKED:
  case CYPHONIC__ERROR__CODE__NOT_DIRECTED:
    return ERROR_PERMISSION;
  case CYPHONIC__ERROR__CODE__NAME_TAKEN:
    return ERROR_EXISTS;
  case CYPHONIC__ERROR__CODE__NAME_INVALID:
    return ERROR_INVALID;
  case CYPHONIC__ERROR__CODE__NAME_UNKNOWN:
    return ERROR_NOT_FOUND;
  case CYPHONIC__ERROR__CODE__ADDRESSES_EXHAUSTED:
    return ERROR_LIMIT;
  case CYPHONIC__ERROR__CODE__PEER_ABSENT:
    return ERROR_TIMEOUT;
  case CYPHONIC__ERROR__CODE__UNAVAILABLE:
  case CYPHONIC__ERROR__CODE__NOT_REGISTERED:
    return ERROR_AGAIN;
  case CYPHONIC__ERROR__CODE__UNSPECIFIED:
  case CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE:
  case CYPHONIC__ERROR__CODE__MALFORMED:
  case _CYPHONIC__ERROR__CODE_IS_INT_SIZE:
    break;
  }
  return ERROR_PROTOCOL;
}

/* A peer's text goes to logs and terminals: it may not bring line ends or escapes there. */
static void set_peer_error(struct error *error, int code, const char *text) {
  char clean[TEXT_MAX];
  size_t size = 0;
  for (; text[size] != '\0' && size + 1 < sizeof(clean); size++) {
    unsigned char character = (unsigned char)text[size];
    clean[size] = character < 0x20 || character == 0x7f ? ' ' : text[size];
  }
  clean[size] = '\0';
  error_set(error, (enum error_code)code, "%s",
            size > 0 ? clean : "the peer refused the request without saying why");
}

static void take_reply(struct control_exchange *exchange, Cyphonic__Message *reply) {
  struct error error = {0};
  int code = 0;
  const control_message *told = reply;
  if (reply->body_case == CYPHONIC__MESSAGE__BODY__NOT_SET) {
    told = NULL;
    code = error_set(&error, ERROR_PROTOCOL,
                     "the peer answered with a message that this version does not know");
  } else if (reply->body_case == CYPHONIC__MESSAGE__BODY_ERROR) {
    code = control_error_code(reply->error->code);
    set_peer_error(&error, code, reply->error->message);
  }
  request_end(exchange, code, told, &error);
  cyphonic__message__free_unpacked(reply, NULL);
}

static void receive_reply(struct control_exchange *exchange, struct span data, bool fin) {
  Cyphonic__Message *reply = NULL;
  struct error error = {0};
  int code = frame_decoder_feed(&exchange->decoder, data, &reply, &error);
  if (code > 0) {
    take_reply(exchange, reply);
  } else if (code < 0) {
    error_prefix(&error, "the peer's answer is refused: ");
    exchange_reset_stream(exchange,
                          code == ERROR_LIMIT ? CONTROL_RESET_TOO_LARGE : CONTROL_RESET_PROTOCOL);
    request_end(exchange, code, NULL, &error);
  } else if (fin) {
    request_fail(exchange, ERROR_PROTOCOL, "the peer ended the stream before its answer was whole");
  }
}

/* --- requests to us --- */

static void send_error(struct quic_stream *stream, Cyphonic__Error__Code code, char *text) {
  Cyphonic__Error body = CYPHONIC__ERROR__INIT;
  body.code = code;
  body.message = text;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_ERROR;
  message.error = &body;
  uint8_t *data = NULL;
  size_t size = 0;
  int status = frame_encode(&message, &data, &size, NULL);
  if (status == 0) {
    status = quic_stream_send(stream, (struct span){data, size}, true);
    free(data);
  }
  if (status != 0) {
    quic_stream_reset(stream, CONTROL_RESET_INTERNAL);
  }
}

static void hand_up(struct control_exchange *exchange, Cyphonic__Message *message) {
  struct control *control = exchange->control;
  exchange->handed = true;
  exchange->deadline = NO_DEADLINE;
  arm(control);
  if (message->body_case == CYPHONIC__MESSAGE__BODY__NOT_SET) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "this version does not know the message");
  } else if (control->handler.request == NULL) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE,
                   "this side takes no requests here");
  } else {
    control->handler.request(control, exchange, message, control->context);
  }
  cyphonic__message__free_unpacked(message, NULL);
}

static void receive_request(struct control_exchange *exchange, struct span data, bool fin) {
  if (exchange->handed) {
    if (data.size > 0) {
      exchange_reset_stream(exchange, CONTROL_RESET_PROTOCOL);
    }
    return;
  }
  Cyphonic__Message *message = NULL;
  struct error error = {0};
  int code = frame_decoder_feed(&exchange->decoder, data, &message, &error);
  if (code > 0) {
    hand_up(exchange, message);
  } else if (code == ERROR_PROTOCOL) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__MALFORMED, "%s", error.message);
  } else if (code < 0) {
    exchange_reset_stream(exchange,
                          code == ERROR_LIMIT ? CONTROL_RESET_TOO_LARGE : CONTROL_RESET_INTERNAL);
    exchange_free(exchange);
  } else if (fin && frame_decoder_is_empty(&exchange->decoder)) {
    if (quic_stream_send(exchange->stream, (struct span){0}, true) != 0) {
      exchange_reset_stream(exchange, CONTROL_RESET_INTERNAL);
    }
    exchange_free(exchange);
  } else if (fin) {
    control_refuse(exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                   "the stream ended before the request was whole");
  }
}

void control_reply(struct control_exchange *exchange, const control_message *message) {
  struct quic_stream *stream = exchange->stream;
  if (stream != NULL) {
    uint8_t *data = NULL;
    size_t size = 0;
    int code = frame_encode(message, &data, &size, NULL);
    if (code == 0) {
      code = quic_stream_send(stream, (struct span){data, size}, true);
      free(data);
      if (code != 0) {
        exchange_reset_stream(exchange, CONTROL_RESET_INTERNAL);
      }
    } else {
      send_error(stream, CYPHONIC__ERROR__CODE__UNAVAILABLE,
                 (char[]){"the answer is too large to send"});
    }
  }
  exchange_free(exchange);
}

void control_refuse(struct control_exchange *exchange, Cyphonic__Error__Code code,
                    const char *format, ...) {
  if (exchange->stream != NULL) {
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    send_error(exchange->stream, code, text);
  }
  exchange_free(exchange);
}

/* --- what the connection tells --- */

static void stream_opened(struct quic_connection *connection UNUSED, struct quic_stream *stream,
                          void *context) {
  struct control *control = context;
  if (control->counts[DIRECTION_PEERS] >= CONTROL_EXCHANGES_MAX) {
    send_error(stream, CYPHONIC__ERROR__CODE__UNAVAILABLE,
               (char[]){"too many requests at once; wait for answers to those under way"});
    return;
  }
  if (exchange_new(control, DIRECTION_PEERS, stream, CONTROL_RECEIVE_TIMEOUT) == NULL) {
    quic_stream_reset(stream, CONTROL_RESET_INTERNAL);
    return;
  }
  arm(control);
}

static void stream_received(struct quic_stream *stream, struct span data, bool fin,
                            void *context UNUSED) {
  struct control_exchange *exchange = quic_stream_context(stream);
  if (exchange == NULL) { /* answered or given up; what still comes is of no use */
    return;
  }
  if (exchange->direction == DIRECTION_OURS) {
    receive_reply(exchange, data, fin);
  } else {
    receive_request(exchange, data, fin);
  }
}

static void stream_closed(struct quic_stream *stream, bool reset UNUSED, void *context UNUSED) {
  struct control_exchange *exchange = quic_stream_context(stream);
  if (exchange == NULL) {
    return;
  }
  exchange_leave_stream(exchange);
  if (exchange->direction == DIRECTION_OURS) {
    /* Often the first sign of the connection's end, whose owner is told the reason only after this
     * and then calls control_free; so the word waits for the loop's next turn. */
    exchange->deadline = 0;
    arm(exchange->control);
  } else if (!exchange->handed) {
    exchange_free(exchange);
  }
}

static const struct quic_stream_handler stream_handler = {
    .opened = stream_opened, .received = stream_received, .closed = stream_closed};

/* --- the control itself --- */

struct control *control_new(struct quic_connection *connection,
                            const struct control_handler *handler, void *context) {
  struct control *control = calloc(1, sizeof(*control));
  if (control == NULL) {
    return NULL;
  }
  control->connection = connection;
  control->handler = handler == NULL ? (struct control_handler){0} : *handler;
  control->context = context;
  uv_timer_init(quic_connection_loop(connection), &control->timer);
  control->timer.data = control;
  quic_connection_set_stream_handler(connection, &stream_handler, control);
  return control;
}

static void timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

void control_free(struct control *control) {
  if (control == NULL || control->freed) {
    return;
  }
  control->freed = true;
  quic_connection_set_stream_handler(control->connection, NULL, NULL);
  for (struct control_exchange *exchange; (exchange = control->exchanges) != NULL;) {
    bool handed = exchange->handed;
    exchange_reset_stream(exchange, CONTROL_RESET_CANCELLED);
    if (exchange->direction == DIRECTION_OURS) {
      request_fail(exchange, ERROR_CLOSED, "the connection ended before the answer came");
    } else if (handed) {
      exchange_unlink(exchange); /* whoever has it answers into the void, and frees it by that */
    } else {
      exchange_free(exchange);
    }
  }
  uv_close((uv_handle_t *)&control->timer, timer_closed);
}

struct quic_connection *control_connection(const struct control *control) {
  return control->connection;
}

int control_request(struct control *control, const control_message *message,
                    uint64_t timeout_milliseconds, control_reply_callback callback, void *context,
                    struct error *error) {
  if (control->freed) {
    return error_set(error, ERROR_CLOSED, "the connection is closed; nothing can be asked on it");
  }
  if (control->counts[DIRECTION_OURS] >= CONTROL_EXCHANGES_MAX) {
    return error_set(error, ERROR_LIMIT, "%d requests are under way on this connection; wait",
                     CONTROL_EXCHANGES_MAX);
  }
  uint8_t *data = NULL;
  size_t size = 0;
  struct quic_stream *stream = NULL;
  struct control_exchange *exchange = NULL;
  int code = frame_encode(message, &data, &size, error);
  if (code != 0) {
    return code;
  }
  code = quic_stream_open(control->connection, &stream);
  if (code == ERROR_AGAIN) {
    code = error_set(error, ERROR_LIMIT, "the peer takes no further requests just now");
    goto out;
  }
  if (code != 0) {
    error_set(error, (enum error_code)code,
              "cannot ask: the connection is closed or without memory");
    goto out;
  }
  /* The loop's clock stands still while it works, and may be late by a whole start-up. */
  uv_update_time(control->timer.loop);
  exchange = exchange_new(control, DIRECTION_OURS, stream,
                          timeout_milliseconds > 0 ? timeout_milliseconds : 1);
  if (exchange == NULL) {
    quic_stream_reset(stream, CONTROL_RESET_INTERNAL);
    code = error_set(error, ERROR_NO_MEMORY, "no memory for a request");
    goto out;
  }
  exchange->callback = callback;
  exchange->context = context;
  code = quic_stream_send(stream, (struct span){data, size}, true);
  if (code != 0) {
    exchange_reset_stream(exchange, CONTROL_RESET_INTERNAL);
    exchange_free(exchange);
    error_set(error, (enum error_code)code, "cannot ask: the stream does not take the request");
    goto out;
  }
  arm(control);
out:
  free(data);
  return code;
}

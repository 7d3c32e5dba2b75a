#include <stdlib.h>

#include "control/control_internal.h"

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

void control_arm(struct control *control) {
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

struct control_exchange *exchange_new(struct control *control, enum direction direction,
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
  if (stream != NULL) {
    quic_stream_set_context(stream, exchange);
  }
  return exchange;
}

/* The stream goes on, or ends, without us. */
static void exchange_leave_stream(struct control_exchange *exchange) {
  if (exchange->stream != NULL) {
    quic_stream_set_context(exchange->stream, NULL);
    exchange->stream = NULL;
  }
}

void exchange_reset_stream(struct control_exchange *exchange, enum control_reset reason) {
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
  if (exchange->waiting != NULL) {
    control->waiting--;
  } else {
    control->counts[exchange->direction]--;
  }
  exchange->control = NULL;
  control_arm(control);
}

void exchange_free(struct control_exchange *exchange) {
  exchange_unlink(exchange);
  free(exchange->waiting);
  free(exchange);
}

static void expire(struct control_exchange *exchange) {
  if (exchange->direction == DIRECTION_PEERS) {
    exchange_reset_stream(exchange, CONTROL_RESET_TIMEOUT);
    exchange_free(exchange);
  } else if (exchange->waiting != NULL) {
    request_fail(exchange, ERROR_TIMEOUT, "too many requests are under way; it was never its turn");
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
  control_arm(control);
}

/* --- what the connection tells --- */

static void stream_opened(struct quic_connection *connection UNUSED, struct quic_stream *stream,
                          void *context) {
  struct control *control = context;
  if (control->counts[DIRECTION_PEERS] >= CONTROL_EXCHANGES_MAX) {
    answer_error(stream, CYPHONIC__ERROR__CODE__UNAVAILABLE,
                 (char[]){"too many requests at once; wait for answers to those under way"});
    return;
  }
  if (exchange_new(control, DIRECTION_PEERS, stream, CONTROL_RECEIVE_TIMEOUT) == NULL) {
    quic_stream_reset(stream, CONTROL_RESET_INTERNAL);
    return;
  }
  control_arm(control);
}

static void stream_received(struct quic_stream *stream, struct span data, bool fin,
                            void *context UNUSED) {
  struct control_exchange *exchange = quic_stream_context(stream);
  if (exchange == NULL) { /* answered or given up; what still comes is of no use */
    return;
  }
  if (exchange->direction == DIRECTION_OURS) {
    request_receive(exchange, data, fin);
  } else {
    answer_receive(exchange, data, fin);
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
    control_arm(exchange->control);
  } else if (!exchange->handed) {
    exchange_free(exchange);
  }
}

static void more_streams(struct quic_connection *connection UNUSED, void *context) {
  request_begin_waiting(context);
}

static const struct quic_stream_handler stream_handler = {.opened = stream_opened,
                                                          .received = stream_received,
                                                          .closed = stream_closed,
                                                          .room = more_streams};

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

/* What we ask: requests under way, those that wait for their turn, and the replies. */
#include <stdlib.h>

#include "control/control_internal.h"

/* The callback may do anything, control_free included: nothing of ours is touched after it but the
 * control itself, whose memory outlives the loop's turn. */
static void request_end(struct control_exchange *exchange, int code, const control_message *reply,
                        const struct error *error) {
  struct control *control = exchange->control;
  control_reply_callback callback = exchange->callback;
  void *context = exchange->context;
  exchange_free(exchange);
  callback(control, code, reply, error, context);
  request_begin_waiting(control);
}

void request_fail(struct control_exchange *exchange, enum error_code code, const char *text) {
  struct error error = {0};
  error_set(&error, code, "%s", text);
  request_end(exchange, code, NULL, &error);
}

/* --- replies to us --- */

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
    control_set_peer_error(&error, code, reply->error->message);
  }
  request_end(exchange, code, told, &error);
  cyphonic__message__free_unpacked(reply, NULL);
}

void request_receive(struct control_exchange *exchange, struct span data, bool fin) {
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

/* --- our requests --- */

/* Puts a frame on a stream of its own. ERROR_LIMIT: not now. */
static int send_frame(struct control *control, struct span frame, struct quic_stream **out,
                      struct error *error) {
  if (control->counts[DIRECTION_OURS] >= CONTROL_EXCHANGES_MAX) {
    return error_set(error, ERROR_LIMIT, "%d requests are under way on this connection; wait",
                     CONTROL_EXCHANGES_MAX);
  }
  struct quic_stream *stream = NULL;
  int code = quic_stream_open(control->connection, &stream);
  if (code == ERROR_AGAIN) {
    return error_set(error, ERROR_LIMIT, "the peer takes no further requests just now");
  }
  if (code != 0) {
    return error_set(error, (enum error_code)code,
                     "cannot ask: the connection is closed or without memory");
  }
  code = quic_stream_send(stream, frame, true);
  if (code != 0) {
    quic_stream_reset(stream, CONTROL_RESET_INTERNAL);
    return error_set(error, (enum error_code)code,
                     "cannot ask: the stream does not take the request");
  }
  *out = stream;
  return 0;
}

static struct control_exchange *longest_waiting(const struct control *control) {
  struct control_exchange *longest = NULL; /* new ones come first */
  for (struct control_exchange *exchange = control->exchanges; exchange != NULL;
       exchange = exchange->next) {
    longest = exchange->waiting != NULL ? exchange : longest;
  }
  return longest;
}

void request_begin_waiting(struct control *control) {
  if (control->beginning) {
    return;
  }
  control->beginning = true;
  while (!control->freed && control->waiting > 0) {
    struct control_exchange *exchange = longest_waiting(control);
    struct span frame = {exchange->waiting, exchange->waiting_size};
    struct error error = {0};
    int code = send_frame(control, frame, &exchange->stream, &error);
    if (code == ERROR_LIMIT) {
      break;
    }
    if (code != 0) {
      request_end(exchange, code, NULL, &error);
      continue;
    }
    quic_stream_set_context(exchange->stream, exchange);
    free(exchange->waiting);
    exchange->waiting = NULL;
    control->waiting--;
    control->counts[DIRECTION_OURS]++;
  }
  control->beginning = false;
}

static int request(struct control *control, const control_message *message, uint64_t timeout,
                   bool in_turn, control_reply_callback callback, void *context,
                   struct error *error) {
  if (control->freed) {
    return error_set(error, ERROR_CLOSED, "the connection is closed; nothing can be asked on it");
  }
  uint8_t *data = NULL;
  size_t size = 0;
  int code = frame_encode(message, &data, &size, error);
  if (code != 0) {
    return code;
  }
  struct quic_stream *stream = NULL;
  code = in_turn && control->waiting > 0
             ? ERROR_LIMIT
             : send_frame(control, (struct span){data, size}, &stream, error);
  bool waits = code == ERROR_LIMIT && in_turn;
  if (waits && control->waiting >= CONTROL_WAITING_MAX) {
    code = error_set(error, ERROR_LIMIT, "%d requests wait on this connection already",
                     CONTROL_WAITING_MAX);
    waits = false;
  }
  if (code != 0 && !waits) {
    goto out;
  }
  /* The loop's clock stands still while it works, and may be late by a whole start-up. */
  uv_update_time(control->timer.loop);
  struct control_exchange *exchange =
      exchange_new(control, DIRECTION_OURS, stream, timeout > 0 ? timeout : 1);
  if (exchange == NULL) {
    if (stream != NULL) {
      quic_stream_reset(stream, CONTROL_RESET_INTERNAL);
    }
    code = error_set(error, ERROR_NO_MEMORY, "no memory for a request");
    goto out;
  }
  exchange->callback = callback;
  exchange->context = context;
  code = 0;
  if (waits) {
    if (error != NULL) { /* that it could not be sent at once is none */
      *error = (struct error){0};
    }
    exchange->waiting = data;
    exchange->waiting_size = size;
    data = NULL;
    control->counts[DIRECTION_OURS]--;
    control->waiting++;
  }
  control_arm(control);
out:
  free(data);
  return code;
}

int control_request(struct control *control, const control_message *message,
                    uint64_t timeout_milliseconds, control_reply_callback callback, void *context,
                    struct error *error) {
  return request(control, message, timeout_milliseconds, false, callback, context, error);
}

int control_request_in_turn(struct control *control, const control_message *message,
                            uint64_t timeout_milliseconds, control_reply_callback callback,
                            void *context, struct error *error) {
  return request(control, message, timeout_milliseconds, true, callback, context, error);
}

/* What the peer asks: its requests, and our replies. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/control_internal.h"

void answer_error(struct quic_stream *stream, Cyphonic__Error__Code code, char *text) {
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
  control_arm(control);
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

void answer_receive(struct control_exchange *exchange, struct span data, bool fin) {
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
      answer_error(stream, CYPHONIC__ERROR__CODE__UNAVAILABLE,
                   (char[]){"the answer is too large to send"});
    }
  }
  exchange_free(exchange);
}

void control_refuse(struct control_exchange *exchange, Cyphonic__Error__Code code,
                    const char *format, ...) {
  if (exchange->stream != NULL) {
    char text[CONTROL_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    answer_error(exchange->stream, code, text);
  }
  exchange_free(exchange);
}

#include "control/frame.h"

#include <stdlib.h>
#include <string.h>

#include "control/control.h"

enum { BODY_CAPACITY_FIRST = 512 }; /* nearly all messages fit */

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

static struct span take(struct span *data, size_t size) {
  struct reader reader = reader_init(data->data, data->size);
  struct span taken = reader_bytes(&reader, smaller(size, data->size));
  *data = reader.rest;
  return taken;
}

static int take_header(struct frame_decoder *decoder, struct span *data, struct error *error) {
  struct span piece = take(data, FRAME_HEADER_SIZE - decoder->header_size);
  if (piece.size > 0) {
    memcpy(decoder->header + decoder->header_size, piece.data, piece.size);
    decoder->header_size += piece.size;
  }
  if (decoder->header_size < FRAME_HEADER_SIZE) {
    return 0;
  }
  struct reader reader = reader_init(decoder->header, FRAME_HEADER_SIZE);
  uint32_t announced = reader_u32(&reader);
  if (announced > CONTROL_MESSAGE_MAX) {
    return error_set(error, ERROR_LIMIT, "a message of %lu bytes was announced; %d is the most",
                     (unsigned long)announced, CONTROL_MESSAGE_MAX);
  }
  decoder->body_expected = announced;
  return 0;
}

/* Memory grows with what has come, not with what is announced: an announcement is cheap to make. */
static int body_reserve(struct frame_decoder *decoder, size_t size, struct error *error) {
  if (size <= decoder->body_capacity) {
    return 0;
  }
  size_t capacity = decoder->body_capacity == 0 ? BODY_CAPACITY_FIRST : 2 * decoder->body_capacity;
  if (capacity < size) {
    capacity = size;
  }
  capacity = smaller(capacity, decoder->body_expected);
  uint8_t *body = realloc(decoder->body, capacity);
  if (body == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a message of %zu bytes",
                     decoder->body_expected);
  }
  decoder->body = body;
  decoder->body_capacity = capacity;
  return 0;
}

static int take_body(struct frame_decoder *decoder, struct span *data, struct error *error) {
  struct span piece = take(data, decoder->body_expected - decoder->body_size);
  if (piece.size == 0) {
    return 0;
  }
  int code = body_reserve(decoder, decoder->body_size + piece.size, error);
  if (code != 0) {
    return code;
  }
  memcpy(decoder->body + decoder->body_size, piece.data, piece.size);
  decoder->body_size += piece.size;
  return 0;
}

int frame_decoder_feed(struct frame_decoder *decoder, struct span data, Cyphonic__Message **message,
                       struct error *error) {
  if (!decoder->complete && decoder->header_size < FRAME_HEADER_SIZE) {
    int code = take_header(decoder, &data, error);
    if (code != 0 || decoder->header_size < FRAME_HEADER_SIZE) {
      return code;
    }
  }
  if (!decoder->complete) {
    int code = take_body(decoder, &data, error);
    if (code != 0) {
      return code;
    }
  }
  if (data.size > 0) {
    return error_set(error, ERROR_PROTOCOL, "%zu bytes follow a message of %zu bytes", data.size,
                     decoder->body_expected);
  }
  if (decoder->complete || decoder->body_size < decoder->body_expected) {
    return 0;
  }
  /* An empty body is a message without a known field, and needs no buffer of its own. */
  const uint8_t *body = decoder->body == NULL ? decoder->header : decoder->body;
  Cyphonic__Message *unpacked = cyphonic__message__unpack(NULL, decoder->body_size, body);
  if (unpacked == NULL) {
    return error_set(error, ERROR_PROTOCOL, "a message of %zu bytes does not decode",
                     decoder->body_size);
  }
  free(decoder->body);
  decoder->body = NULL;
  decoder->body_capacity = 0;
  decoder->complete = true;
  *message = unpacked;
  return 1;
}

bool frame_decoder_is_empty(const struct frame_decoder *decoder) {
  return decoder->header_size == 0;
}

void frame_decoder_clear(struct frame_decoder *decoder) {
  free(decoder->body);
  *decoder = (struct frame_decoder){0};
}

int frame_encode(const Cyphonic__Message *message, uint8_t **data, size_t *size,
                 struct error *error) {
  size_t body = cyphonic__message__get_packed_size(message);
  if (body > CONTROL_MESSAGE_MAX) {
    return error_set(error, ERROR_LIMIT, "a message of %zu bytes is too large to send; %d is most",
                     body, CONTROL_MESSAGE_MAX);
  }
  uint8_t *buffer = malloc(FRAME_HEADER_SIZE + body);
  if (buffer == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a message of %zu bytes", body);
  }
  struct writer writer = writer_init(buffer, FRAME_HEADER_SIZE);
  writer_u32(&writer, (uint32_t)body);
  cyphonic__message__pack(message, buffer + FRAME_HEADER_SIZE);
  *data = buffer;
  *size = FRAME_HEADER_SIZE + body;
  return 0;
}

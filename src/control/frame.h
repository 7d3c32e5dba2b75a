/* One length-prefixed message, out of bytes as they come. Pure: the fuzz target of all signalling.
 */
#ifndef CYPHONIC_CONTROL_FRAME_H
#define CYPHONIC_CONTROL_FRAME_H

#include "base/error.h"
#include "base/span.h"
#include "cyphonic.pb-c.h"

enum { FRAME_HEADER_SIZE = 4 };

/* Zero-initialise; frame_decoder_clear at the end. */
struct frame_decoder {
  uint8_t header[FRAME_HEADER_SIZE];
  size_t header_size;
  uint8_t *body; /* taken only when bytes of it have come */
  size_t body_size, body_expected, body_capacity;
  bool complete; /* the message has been returned; nothing may follow */
};

/* Takes the next bytes. Returns 1 with *message (free with cyphonic__message__free_unpacked) when
 * it is whole, 0 when more is needed, ERROR_LIMIT for an announced size beyond CONTROL_MESSAGE_MAX,
 * ERROR_PROTOCOL for a body that does not decode or bytes behind it (in this call or a later one).
 * Each message is handed out once. */
int frame_decoder_feed(struct frame_decoder *decoder, struct span data, Cyphonic__Message **message,
                       struct error *error) MUST_CHECK;
/* True when no byte has come, so that a stream may end here. */
bool frame_decoder_is_empty(const struct frame_decoder *decoder);
void frame_decoder_clear(struct frame_decoder *decoder);

/* Header and body in a new buffer that the caller frees with free(). ERROR_LIMIT: the message is
 * larger than a peer would take. */
int frame_encode(const Cyphonic__Message *message, uint8_t **data, size_t *size,
                 struct error *error) MUST_CHECK;

#endif

/* What a peer's stream brings: length-prefixed messages, cut as the network likes. The first byte
 * says where the cuts are; whatever they are, the outcome must be the one of the uncut bytes. */
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds `data` in pieces of at most `piece` bytes, until the decoder has a word to say. A copy on
 * the heap for each, so that a read beyond it is seen. */
static int feed(struct span data, size_t piece, Cyphonic__Message **message) {
  struct frame_decoder decoder = {0};
  int result = 0;
  do {
    size_t count = data.size < piece ? data.size : piece;
    uint8_t *copy = malloc(count > 0 ? count : 1);
    if (copy == NULL) {
      abort();
    }
    if (count > 0) {
      memcpy(copy, data.data, count);
    }
    int code = frame_decoder_feed(&decoder, (struct span){copy, count}, message, NULL);
    free(copy);
    data.data += count;
    data.size -= count;
    if (code < 0) {
      result = code;
      break;
    }
    if (code > 0) {
      if (result > 0) { /* one frame, one message */
        abort();
      }
      result = code;
    }
  } while (data.size > 0);
  if (decoder.body_capacity > CONTROL_MESSAGE_MAX) {
    abort();
  }
  frame_decoder_clear(&decoder);
  if (!frame_decoder_is_empty(&decoder)) {
    abort();
  }
  return result;
}

/* What was understood can be said again. It need not be understood again: the library keeps unknown
 * fields whose tags it would not take in the form in which it writes them. */
static void repeat(const Cyphonic__Message *message) {
  uint8_t *data = NULL;
  size_t size = 0;
  int code = frame_encode(message, &data, &size, NULL);
  if (code == ERROR_LIMIT) { /* a field that came in fewer bytes than it takes */
    return;
  }
  if (code != 0) {
    abort();
  }
  Cyphonic__Message *again = NULL;
  code = feed((struct span){data, size}, size, &again);
  if (code != 1 && code != ERROR_PROTOCOL) {
    abort();
  }
  if (code == 1 && again->body_case != message->body_case) {
    abort();
  }
  cyphonic__message__free_unpacked(again, NULL);
  free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) {
    return 0;
  }
  struct span stream = {.data = data + 1, .size = size - 1};
  Cyphonic__Message *whole = NULL, *pieces = NULL;
  int code_whole = feed(stream, stream.size > 0 ? stream.size : 1, &whole);
  int code_pieces = feed(stream, 1 + (size_t)data[0], &pieces);
  if (code_whole != code_pieces) {
    abort();
  }
  if (code_whole == 1) {
    if (whole == NULL || pieces == NULL || whole->body_case != pieces->body_case) {
      abort();
    }
    repeat(whole);
  }
  cyphonic__message__free_unpacked(whole, NULL);
  cyphonic__message__free_unpacked(pieces, NULL);
  return 0;
}

/* Bytes that know their bounds: a span to look at, a reader and a writer with checked steps.
 * Everything parsed from a network goes through these; nothing does pointer arithmetic on input. */
#ifndef CYPHONIC_BASE_SPAN_H
#define CYPHONIC_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; whoever made the span says how long they live. */
struct span {
  const uint8_t *data;
  size_t size;
};

/* Reads forward through a span. Once a read fails, `failed` stays set and all later reads give 0,
 * so that a parser may check once at its end. Integers are big-endian. */
struct reader {
  struct span rest;
  bool failed;
};

struct reader reader_init(const void *data, size_t size);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
/* The next `size` bytes, or an empty span and `failed`. */
struct span reader_bytes(struct reader *reader, size_t size);

/* Writes forward into storage of the caller's; `failed` as above. */
struct writer {
  uint8_t *data;
  size_t capacity;
  size_t size;
  bool failed;
};

struct writer writer_init(void *data, size_t capacity);
void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_bytes(struct writer *writer, const void *data, size_t size);

#endif

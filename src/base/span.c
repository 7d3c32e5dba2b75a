#include "base/span.h"

#include <string.h>

struct reader reader_init(const void *data, size_t size) {
  return (struct reader){.rest = {.data = data, .size = size}};
}

struct span reader_bytes(struct reader *reader, size_t size) {
  if (reader->failed || size > reader->rest.size) {
    reader->failed = true;
    return (struct span){0};
  }
  struct span bytes = {.data = reader->rest.data, .size = size};
  /* Even adding 0 to a null pointer is undefined in C. */
  if (size > 0) {
    reader->rest.data += size;
    reader->rest.size -= size;
  }
  return bytes;
}

static uint32_t reader_integer(struct reader *reader, size_t size) {
  struct span bytes = reader_bytes(reader, size);
  uint32_t value = 0;
  for (size_t i = 0; i < bytes.size; i++) {
    value = value << 8 | bytes.data[i];
  }
  return value;
}

uint8_t reader_u8(struct reader *reader) {
  return (uint8_t)reader_integer(reader, 1);
}

uint16_t reader_u16(struct reader *reader) {
  return (uint16_t)reader_integer(reader, 2);
}

uint32_t reader_u32(struct reader *reader) {
  return reader_integer(reader, 4);
}

struct writer writer_init(void *data, size_t capacity) {
  return (struct writer){.data = data, .capacity = capacity};
}

void writer_bytes(struct writer *writer, const void *data, size_t size) {
  if (writer->failed || size > writer->capacity - writer->size) {
    writer->failed = true;
    return;
  }
  if (size > 0) {
    memcpy(writer->data + writer->size, data, size);
    writer->size += size;
  }
}

static void writer_integer(struct writer *writer, uint32_t value, size_t size) {
  uint8_t bytes[4];
  for (size_t i = 0; i < size; i++) {
    bytes[i] = (uint8_t)(value >> 8 * (size - 1 - i));
  }
  writer_bytes(writer, bytes, size);
}

void writer_u8(struct writer *writer, uint8_t value) {
  writer_integer(writer, value, 1);
}

void writer_u16(struct writer *writer, uint16_t value) {
  writer_integer(writer, value, 2);
}

void writer_u32(struct writer *writer, uint32_t value) {
  writer_integer(writer, value, 4);
}

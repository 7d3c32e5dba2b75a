#include "tunnel/checksum.h"

#include <string.h>

/* Sixteen bytes are what every x86-64 and ARMv8 has; the compiler makes plain code of it elsewhere.
 * Wider registers, chosen at run time, were measured: 1.8 times as fast on a sum that takes three
 * hundredths of a core at 10 Gbit/s, so not worth a second body. */
typedef uint64_t lanes __attribute__((vector_size(16)));

enum { LANES_SIZE = sizeof(lanes), BLOCK_SIZE = 4 * LANES_SIZE };

static lanes load(const uint8_t *data) {
  lanes value;
  memcpy(&value, data, sizeof(value));
  return value;
}

/* Each half of a 64-bit word is added to a lane of its own, whose upper half takes the carries of
 * four thousand million additions. Four chains, or each addition would wait for the last. */
static uint64_t add_blocks(const uint8_t *data, size_t blocks) {
  const lanes low = {UINT32_MAX, UINT32_MAX};
  lanes a = {0, 0}, b = {0, 0}, c = {0, 0}, d = {0, 0};
  for (size_t i = 0; i < blocks; i++, data += BLOCK_SIZE) {
    lanes first = load(data), second = load(data + LANES_SIZE);
    lanes third = load(data + 2 * LANES_SIZE), fourth = load(data + 3 * LANES_SIZE);
    a += first & low;
    b += first >> 32;
    c += second & low;
    d += second >> 32;
    a += third & low;
    b += third >> 32;
    c += fourth & low;
    d += fourth >> 32;
  }
  a += b;
  a += c + d;
  return a[0] + a[1];
}

static uint64_t add_word(uint64_t sum, uint64_t word) {
  return sum + (word & UINT32_MAX) + (word >> 32);
}

uint64_t checksum_add(uint64_t sum, struct span data) {
  const uint8_t *at = data.data;
  size_t size = data.size;
  if (size >= BLOCK_SIZE) {
    size_t blocks = size / BLOCK_SIZE;
    sum += add_blocks(at, blocks);
    at += blocks * BLOCK_SIZE;
    size -= blocks * BLOCK_SIZE;
  }
  uint64_t word;
  for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
    memcpy(&word, at, sizeof(word));
    sum = add_word(sum, word);
  }
  if (size > 0) {
    word = 0;
    memcpy(&word, at, size);
    sum = add_word(sum, word);
  }
  return sum;
}

uint16_t checksum_fold(uint64_t sum) {
  while (sum >> 16 != 0) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return ntohs((uint16_t)sum);
}

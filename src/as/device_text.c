#include "as/device_text.h"

#include <string.h>

/* The length of the UTF-8 character (RFC 3629) at `text`, 0 if there is none. Zero-terminated text
 * is never read beyond its end, since the terminator is no continuation byte. */
static size_t character_size(const unsigned char *text) {
  unsigned char first = text[0], second_minimum = 0x80, second_maximum = 0xbf;
  size_t size;
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    second_minimum = first == 0xe0 ? 0xa0 : 0x80; /* no overlong forms */
    second_maximum = first == 0xed ? 0x9f : 0xbf; /* no surrogates */
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    second_minimum = first == 0xf0 ? 0x90 : 0x80;
    second_maximum = first == 0xf4 ? 0x8f : 0xbf; /* nothing beyond U+10FFFF */
  } else {
    return 0;
  }
  if (text[1] < second_minimum || text[1] > second_maximum) {
    return 0;
  }
  for (size_t i = 2; i < size; i++) {
    if ((text[i] & 0xc0) != 0x80) {
      return 0;
    }
  }
  return size;
}

static bool is_control(const unsigned char *character, size_t size) {
  return (size == 1 && (character[0] < 0x20 || character[0] == 0x7f)) ||
         (size == 2 && character[0] == 0xc2 && character[1] < 0xa0); /* C1 */
}

void as_device_text(const char *said, char text[static STORE_TEXT_SIZE]) {
  const unsigned char *rest = (const unsigned char *)said;
  size_t used = 0;
  while (*rest != '\0') {
    size_t size = character_size(rest);
    bool replaced = size == 0 || is_control(rest, size);
    size_t written = replaced ? 1 : size;
    if (used + written > STORE_TEXT_SIZE - 1) {
      break;
    }
    if (replaced) {
      text[used] = '?';
    } else {
      memcpy(text + used, rest, size);
    }
    used += written;
    rest += size == 0 ? 1 : size;
  }
  text[used] = '\0';
}

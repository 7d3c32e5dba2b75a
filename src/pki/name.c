#include "pki/name.h"

#include <string.h>

enum { LABEL_MAX = 63 };

static bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool pki_name_normalise(struct span text, char name[static PKI_NAME_SIZE]) {
  name[0] = '\0';
  if (text.size == 0 || text.size >= PKI_NAME_SIZE) {
    return false;
  }
  size_t label = 0; /* length so far */
  for (size_t i = 0; i < text.size; i++) {
    char c = (char)text.data[i];
    if (c >= 'A' && c <= 'Z') {
      c = (char)(c - 'A' + 'a');
    }
    name[i] = c;
    bool ends = i + 1 == text.size || text.data[i + 1] == '.';
    if (c == '.' && label > 0) {
      label = 0;
      continue;
    }
    bool hyphen_inside = c == '-' && label > 0 && !ends;
    if ((!is_letter_or_digit(c) && !hyphen_inside) || ++label > LABEL_MAX) {
      name[0] = '\0';
      return false;
    }
  }
  name[text.size] = '\0';
  if (label == 0) {
    name[0] = '\0';
  }
  return label > 0;
}

bool pki_name_normalise_text(const char *text, char name[static PKI_NAME_SIZE]) {
  return pki_name_normalise((struct span){(const uint8_t *)text, strlen(text)}, name);
}

#include "as/device_name.h"

#include <string.h>

enum { LABEL_MAX = 63 };

/* Certificates of the services bear these under the same domain. */
static const char *const reserved[] = {"as", "nms", "trs", "localhost"};

int as_device_name(const char *wished, char name[static STORE_NAME_SIZE], struct error *error) {
  size_t size = strlen(wished);
  if (size == 0) {
    return error_set(error, ERROR_INVALID, "the device has no name; give it one with --name");
  }
  if (size > LABEL_MAX) {
    return error_set(error, ERROR_INVALID,
                     "the name has %zu characters; a device's name has at most %d", size,
                     LABEL_MAX);
  }
  for (size_t i = 0; i < size; i++) {
    char c = wished[i];
    if (c >= 'A' && c <= 'Z') {
      c = (char)(c - 'A' + 'a');
    }
    bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter_or_digit && (c != '-' || i == 0 || i == size - 1)) {
      /* The name itself is not repeated: it may hold anything. */
      return error_set(error, ERROR_INVALID,
                       "character %zu of the name is not allowed; a device's name is made of a-z, "
                       "0-9 and '-', the last not at an end",
                       i + 1);
    }
    name[i] = c;
  }
  name[size] = '\0';
  for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
    if (strcmp(name, reserved[i]) == 0) {
      return error_set(error, ERROR_INVALID,
                       "the name %s is reserved for the network itself; choose another", name);
    }
  }
  return 0;
}

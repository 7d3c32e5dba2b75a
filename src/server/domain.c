#include "server/domain.h"

#include <stdbool.h>
#include <string.h>

static char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static bool is_letter(char letter) {
  return letter >= 'a' && letter <= 'z';
}

static bool is_digit(char letter) {
  return letter >= '0' && letter <= '9';
}

/* What is wrong with a label in lower case; NULL: nothing. */
static const char *label_fault(const char *label, size_t size) {
  if (size == 0) {
    return "has an empty label";
  }
  if (size > DOMAIN_LABEL_MAX) {
    return "has a label of more than 63 characters";
  }
  if (label[0] == '-' || label[size - 1] == '-') {
    return "has a label that begins or ends with a hyphen";
  }
  for (size_t i = 0; i < size; i++) {
    if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-') {
      return "has characters other than letters, digits, hyphens and dots";
    }
  }
  return NULL;
}

static const char *last_label_fault(const char *label, size_t size) {
  /* RFC 6762: multicast DNS takes these names; the resolver would never be asked. */
  if (strcmp(label, "local") == 0) {
    return "ends in .local, which multicast DNS takes for itself; 'NAME.internal' is free to use";
  }
  if (strcmp(label, "localhost") == 0 || strcmp(label, "invalid") == 0) {
    return "ends in a name that resolvers answer by themselves; 'NAME.internal' is free to use";
  }
  for (size_t i = 0; i < size; i++) {
    if (!is_digit(label[i])) {
      return NULL;
    }
  }
  return "ends in a number, which makes it look like an IP address";
}

static const char *domain_fault(const char *domain) {
  size_t labels = 0;
  const char *label = domain;
  for (;;) {
    const char *end = strchr(label, '.');
    size_t size = end != NULL ? (size_t)(end - label) : strlen(label);
    const char *fault = label_fault(label, size);
    if (fault == NULL && end == NULL) {
      fault = last_label_fault(label, size);
    }
    if (fault != NULL) {
      return fault;
    }
    labels++;
    if (end == NULL) {
      break;
    }
    label = end + 1;
  }
  return labels >= 2 ? NULL : "has one label only; take two or more, such as 'NAME.internal'";
}

int domain_parse(const char *text, char domain[static DOMAIN_SIZE], struct error *error) {
  size_t size = strlen(text);
  if (size > 0 && text[size - 1] == '.') {
    size--;
  }
  if (size > DOMAIN_TEXT_MAX) {
    return error_set(error, ERROR_CONFIG, "the domain is longer than %d characters: '%.40s...'",
                     DOMAIN_TEXT_MAX, text);
  }
  for (size_t i = 0; i < size; i++) {
    domain[i] = lower(text[i]);
  }
  domain[size] = '\0';
  const char *fault = domain_fault(domain);
  if (fault != NULL) {
    return error_set(error, ERROR_CONFIG, "the domain '%s' %s", text, fault);
  }
  return ERROR_NONE;
}

int domain_label_parse(const char *text, char label[static DOMAIN_LABEL_SIZE],
                       struct error *error) {
  size_t size = strlen(text);
  if (size > DOMAIN_LABEL_MAX) {
    return error_set(error, ERROR_CONFIG, "the name '%.40s...' is longer than %d characters", text,
                     DOMAIN_LABEL_MAX);
  }
  for (size_t i = 0; i < size; i++) {
    label[i] = lower(text[i]);
  }
  label[size] = '\0';
  if (label_fault(label, size) != NULL) {
    return error_set(error, ERROR_CONFIG,
                     "'%s' is no name for a node: 1 to %d letters, digits and hyphens, no hyphen "
                     "first or last, no dot",
                     text, DOMAIN_LABEL_MAX);
  }
  return ERROR_NONE;
}

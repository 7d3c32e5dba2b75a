/* Names that a network may have, and its nodes. Pure. */
#ifndef CYPHONIC_SERVER_DOMAIN_H
#define CYPHONIC_SERVER_DOMAIN_H

#include "base/error.h"

enum {
  DOMAIN_LABEL_MAX = 63,
  /* A node's label and a dot still fit into a name of 253 characters before it. */
  DOMAIN_TEXT_MAX = 189,
  DOMAIN_SIZE = DOMAIN_TEXT_MAX + 1,
  DOMAIN_LABEL_SIZE = DOMAIN_LABEL_MAX + 1,
};

/* Checks `text` and writes it in lower case without a final dot. At least two labels of letters,
 * digits and hyphens; not below names that resolvers treat on their own. ERROR_CONFIG. */
int domain_parse(const char *text, char domain[static DOMAIN_SIZE], struct error *error) MUST_CHECK;

/* One label, the bare name of a node, in lower case. ERROR_CONFIG. */
int domain_label_parse(const char *text, char label[static DOMAIN_LABEL_SIZE],
                       struct error *error) MUST_CHECK;

#endif

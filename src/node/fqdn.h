/* Names of this network: what a user may type, and what a certificate bears. Pure. */
#ifndef CYPHONIC_NODE_FQDN_H
#define CYPHONIC_NODE_FQDN_H

#include <stdbool.h>

#include "base/error.h"

enum { FQDN_SIZE = 254, LABEL_SIZE = 64 };

/* A full name or a bare label of this network, in any case, with or without a final dot, as the
 * lower-case FQDN. ERROR_INVALID: not a host name; ERROR_NOT_FOUND: a name of another domain. */
int fqdn_from_text(const char *text, const char *domain, char fqdn[static FQDN_SIZE],
                   struct error *error) MUST_CHECK;

/* True for lower-case letters, digits and inner hyphens in labels below `domain`. */
bool fqdn_is_valid(const char *fqdn, const char *domain);

/* A device's wished name as a lower-case label; ERROR_INVALID if it is none. */
int fqdn_label(const char *text, char label[static LABEL_SIZE], struct error *error) MUST_CHECK;

/* A label out of a host's own name: the part before the first dot, lower case, what a label may
 * not hold replaced by hyphens. ERROR_INVALID if nothing usable remains. */
int fqdn_label_from_host(const char *host, char label[static LABEL_SIZE],
                         struct error *error) MUST_CHECK;

#endif

/* DER certificates as PEM text (RFC 7468): AS sends the one, files hold the other. Pure. */
#ifndef CYPHONIC_NODE_PEM_H
#define CYPHONIC_NODE_PEM_H

#include <stddef.h>

#include "base/error.h"
#include "base/span.h"

/* The certificates one after the other in a new string that the caller frees with free(). */
int pem_from_certificates(const struct span *certificates, size_t count, char **text, size_t *size,
                          struct error *error) MUST_CHECK;

#endif

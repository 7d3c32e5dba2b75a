/* The secret of a server's QUIC endpoint, in a file, so that it stays over restarts. */
#ifndef CYPHONIC_SERVER_QUIC_SECRET_H
#define CYPHONIC_SERVER_QUIC_SECRET_H

#include "base/error.h"
#include "quic/quic.h"
#include "server/made.h"

/* Makes the file, and notes it. */
int quic_secret_make(const char *path, struct made *made, struct error *error) MUST_CHECK;

/* A file that others may read is ERROR_PERMISSION, one of another size ERROR_INVALID. To be wiped
 * with explicit_bzero after use. */
int quic_secret_load(const char *path, uint8_t secret[static QUIC_SECRET_SIZE],
                     struct error *error) MUST_CHECK;

#endif

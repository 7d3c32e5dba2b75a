/* What people read of a netcheck: a pure function from the daemon's JSON to a stream, as in
 * render.h. */
#ifndef CYPHONIC_CLI_RENDER_NETCHECK_H
#define CYPHONIC_CLI_RENDER_NETCHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

void render_netcheck(FILE *stream, const json_t *data);
/* Whether any service answered over either IP version. */
bool netcheck_works(const json_t *data);

#endif

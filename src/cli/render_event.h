/* One line of text for an event of the daemon, as render.h. */
#ifndef CYPHONIC_CLI_RENDER_EVENT_H
#define CYPHONIC_CLI_RENDER_EVENT_H

#include <jansson.h>
#include <stdio.h>

/* "2026-11-24T17:00:00Z  bob.example moved: ", with what render_move says. */
void render_event(FILE *stream, const json_t *event);
/* "this node's address 192.0.2.10 -> 192.0.2.20, 17 ms without an answer"; without a line's end. */
void render_move(FILE *stream, const json_t *move);

#endif

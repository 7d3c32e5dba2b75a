/* What people read: pure functions from the daemon's JSON to a stream. Members that are absent or
 * of another type are left out, so that this works with a daemon of another version. */
#ifndef CYPHONIC_CLI_RENDER_H
#define CYPHONIC_CLI_RENDER_H

#include <jansson.h>
#include <stdio.h>

#include "cli/client.h"

void render_status(FILE *stream, const json_t *data);
/* After `join` and `up`: who this node is and what to try; `data` is a status. */
void render_joined(FILE *stream, const json_t *data);
void render_resolve(FILE *stream, const json_t *data);
void render_ping_head(FILE *stream, const json_t *data);
void render_ping(FILE *stream, unsigned long sequence, const json_t *data);

/* To people: `stream` is stderr. As JSON: {"error":{"code":...,"message":...}}. */
void render_error(FILE *stream, const struct client_error *error);
void render_error_json(FILE *stream, const struct client_error *error);

/* As the JSON output has it: indented, sorted as the daemon gave it, with a newline. */
void render_json(FILE *stream, const json_t *data);
/* On one line, for a command that prints several. */
void render_json_line(FILE *stream, const json_t *data);

/* The text of a string member, or `otherwise`. Control characters never come from a daemon of ours,
 * and a terminal would obey them: such a text is `otherwise` too. */
const char *render_text(const json_t *object, const char *key, const char *otherwise);
/* "1.5 MiB"; writes to and returns `text`. */
enum { RENDER_SIZE_SIZE = 32 };
const char *render_size(json_int_t bytes, char text[static RENDER_SIZE_SIZE]);
/* "just now", "12 s", "3 min", "2 h", "5 d" */
const char *render_duration(json_int_t seconds, char text[static RENDER_SIZE_SIZE]);

#endif

/* node.json as text. Pure. */
#ifndef CYPHONIC_NODE_STATE_JSON_H
#define CYPHONIC_NODE_STATE_JSON_H

#include "node/state.h"

/* `name` stands for the file in messages. Unknown members pass, so that an older program reads what
 * a newer one wrote. */
int state_json_parse(const char *name, const char *text, size_t size, struct node_state *state,
                     struct error *error) MUST_CHECK;
/* A new string that the caller frees with free(); NULL without memory. */
char *state_json_write(const struct node_state *state);

#endif

/* Nodes as the operator sees them: JSON, and text made from it. Pure. */
#ifndef CYPHONIC_SERVER_NODE_RENDER_H
#define CYPHONIC_SERVER_NODE_RENDER_H

#include <jansson.h>
#include <stdio.h>

#include "store/store.h"

/* New references; NULL without memory. Times that never were are absent. */
json_t *node_render_device(const struct store_device *device);
json_t *node_render_certificate(const struct store_certificate *certificate);
json_t *node_render_endpoint(const struct store_endpoint *endpoint);

/* A table of what node_render_device gave. */
void node_render_table(FILE *stream, const json_t *devices);
/* One device in full: with "certificate" and "endpoints" put in by the caller. */
void node_render_full(FILE *stream, const json_t *device);

#endif

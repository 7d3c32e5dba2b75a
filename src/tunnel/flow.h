/* Which packets of one tunnel belong together. Pure. */
#ifndef CYPHONIC_TUNNEL_FLOW_H
#define CYPHONIC_TUNNEL_FLOW_H

#include "base/span.h"

enum { FLOWS = 256 /* told apart by a hash; some share a number */ };

/* Below FLOWS; of any bytes. */
uint8_t flow_of(struct span packet);

#endif

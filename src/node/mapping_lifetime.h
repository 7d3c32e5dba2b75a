/* How long this node's NAT keeps a UDP mapping that nothing uses (RFC 4787 section 4.3), found out
 * as in RFC 5780 section 4.6: from a socket of its own, so that no tunnel is at risk, NMS is asked
 * to answer after a silence; if the answer comes, after a longer one, until none comes. A tunnel
 * needs to remind the NAT no oftener than that. */
#ifndef CYPHONIC_NODE_MAPPING_LIFETIME_H
#define CYPHONIC_NODE_MAPPING_LIFETIME_H

#include "node/dial.h"

/* Seconds behind the end of a silence in which the answer must come; two losses on its way fit. */
enum { MAPPING_LIFETIME_GRACE = 4 };

struct mapping_lifetime;

struct mapping_lifetime_config {
  struct dial_target target; /* for connections to NMS; its endpoint is not used, and what it points
                                to is borrowed until mapping_lifetime_free */
  uint64_t shortest;         /* nanoseconds: what each NAT is trusted with, and the first silence */
  uint64_t longest;          /* that is tried; if not above `shortest`, nothing is */
  void (*changed)(void *context); /* mapping_lifetime_keep_alive may be another */
  void *context;
};

/* NULL without memory. */
struct mapping_lifetime *mapping_lifetime_new(const struct mapping_lifetime_config *config);
/* The loop must turn afterwards; nothing is called back. NULL is allowed. */
void mapping_lifetime_free(struct mapping_lifetime *lifetime);

/* Behind a NAT that may be another than before: begins anew, at this observation port. */
void mapping_lifetime_learn(struct mapping_lifetime *lifetime, const struct address *nms);
/* Goes on where NMS went away before it was known; it may be back. */
void mapping_lifetime_retry(struct mapping_lifetime *lifetime);
/* There is no NAT, or nobody to ask. */
void mapping_lifetime_forget(struct mapping_lifetime *lifetime);

/* Nanoseconds of silence after which a packet keeps a mapping, by what is known now. */
uint64_t mapping_lifetime_keep_alive(const struct mapping_lifetime *lifetime);

#endif

/* The least that the daemon can run with: CAP_NET_ADMIN for its TUN device, and
 * CAP_NET_BIND_SERVICE for UDP ports 443 and 53 (design 1). */
#ifndef CYPHONIC_NODE_MAIN_PRIVILEGES_H
#define CYPHONIC_NODE_MAIN_PRIVILEGES_H

#include "base/error.h"

/* Makes the state folder (0700) and the socket's folder (0755) where they are missing, owned by
 * `user` if started as root and `user` is not NULL. */
int privileges_make_folders(const char *state, const char *socket, const char *user,
                            struct error *error) MUST_CHECK;

/* Drops all else, for good. As root: changes to `user` (NULL: stays), and shrinks the bounding set.
 * Fails where the process may not make a TUN device, saying how to run it. */
int privileges_drop(const char *user, struct error *error) MUST_CHECK;

#endif

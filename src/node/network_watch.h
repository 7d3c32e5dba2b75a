/* Hears from the kernel when addresses, routes or links of this host change (design 7, link
 * monitor), and reads them. */
#ifndef CYPHONIC_NODE_NETWORK_WATCH_H
#define CYPHONIC_NODE_NETWORK_WATCH_H

#include <uv.h>

#include "base/log.h"
#include "net/netlink.h"

struct network_watch;

/* From the loop, once for what came together: `changed` for the host's own interfaces,
 * `own_changed` for the one that is excepted: somebody set it down (`up` false), or up, or took an
 * address from it. */
int network_watch_new(uv_loop_t *loop, const struct log *log, void (*changed)(void *context),
                      void (*own_changed)(bool up, void *context), void *context,
                      struct network_watch **watch, struct error *error) MUST_CHECK;
/* No callback any more; frees from the loop. */
void network_watch_close(struct network_watch *watch);

/* Changes of our own interface are not news. 0: none. */
void network_watch_except(struct network_watch *watch, unsigned interface);
unsigned network_watch_excepted(const struct network_watch *watch);
/* For reading addresses and setting interfaces up. */
struct netlink *network_watch_netlink(const struct network_watch *watch);

#endif

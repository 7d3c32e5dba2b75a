/* Hears from the kernel when addresses, routes or links of this host change (design 7, link
 * monitor), and reads them. */
#ifndef CYPHONIC_NODE_NETWORK_WATCH_H
#define CYPHONIC_NODE_NETWORK_WATCH_H

#include <uv.h>

#include "base/log.h"
#include "net/netlink.h"

struct network_watch;

enum {
  /* Milliseconds between the first look, which is at once, and the next: an address seldom comes
   * without its route, nor one IP version without the other. After some looks before all has
   * settled it is doubled with each, up to the limit: a router's table may never stop changing. */
  NETWORK_CHANGE_SPACING = 1,
  NETWORK_CHANGE_EAGER = 8, /* looks */
  NETWORK_CHANGE_SPACING_LIMIT = 64,
  NETWORK_CHANGE_SETTLED = 250, /* what is taken away for good has no successor by then */
  NETWORK_LOOK_AGAIN = 15000,   /* a captive network opens when its user has agreed to something */
};

struct network_handler {
  /* The host's own interfaces changed, or their routes; once for what came together. What is
   * missing now may be about to come back. */
  void (*changed)(void *context);
  /* Nothing changed any more for a while after that. */
  void (*settled)(void *context);
  /* Before `changed`: this host was asleep for so many seconds, after which its network changes. */
  void (*woke)(uint64_t seconds, void *context);
  /* The interface that is excepted: somebody set it down (`up` false), or up, or took an address
   * from it. */
  void (*own_changed)(bool up, void *context);
};

int network_watch_new(uv_loop_t *loop, const struct log *log, const struct network_handler *handler,
                      void *context, struct network_watch **watch, struct error *error) MUST_CHECK;
/* No callback any more; frees from the loop. */
void network_watch_close(struct network_watch *watch);

/* Changes of our own interface are not news. 0: none. */
void network_watch_except(struct network_watch *watch, unsigned interface);
unsigned network_watch_excepted(const struct network_watch *watch);
/* `changed` comes once more, after NETWORK_LOOK_AGAIN. */
void network_watch_look_again(struct network_watch *watch);
/* For reading addresses and setting interfaces up. */
struct netlink *network_watch_netlink(const struct network_watch *watch);

#endif

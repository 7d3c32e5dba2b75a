/* A node (paper 2.1, design 7): its identity on disk, its sessions with AS and NMS, its tunnels,
 * its TUN device and its resolver, behind the few verbs that the daemon's local socket offers. */
#ifndef CYPHONIC_NODE_NODE_H
#define CYPHONIC_NODE_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"

struct node;

struct node_config {
  uv_loop_t *loop;
  const struct log *log;
  const char *state_folder;   /* node.key, node.crt, root.crt, node.json, quic.secret */
  const char *interface_name; /* of the TUN device */
  uint16_t port;              /* UDP port to take if free, else any; 0: any */
  unsigned threads;           /* for tunnels, besides the main one; 0: that does it all */
  uint64_t tunnel_idle;       /* nanoseconds without inner packets after which a tunnel closes */
  uint64_t keep_alive;        /* nanoseconds, where a NAT mapping must live */
  uint64_t keep_alive_limit;  /* up to which it is learned how long that may be; 0: it is not */
  struct address
      resolver;        /* where the resolver listens; family 0: the virtual IPv4 address, port 53 */
  bool resolver_setup; /* tell systemd-resolved, where it runs, of the overlay's domain */
  const char *qlog_folder; /* or NULL */
};

/* Loads what is in the state folder (a node that has not joined has none) and, if the node was up
 * when it last ran, brings it up from the loop. Strings are copied. */
int node_new(const struct node_config *config, struct node **node, struct error *error) MUST_CHECK;
/* Leaves cleanly: tunnels and sessions close, the TUN device goes. `done` comes from the loop. */
void node_close(struct node *node, void (*done)(void *context), void *context);

typedef void (*node_callback)(int code, const struct error *error, void *context);

/* Sign-up (paper 4.3): makes the key here, gets the certificate from AS, keeps both. `name` NULL:
 * this host's name. A node that has joined already: ERROR_EXISTS. Then brings the node up; the
 * callback comes when it is registered with NMS or has failed. */
void node_join(struct node *node, const char *invitation, const char *name, node_callback callback,
               void *context);
/* The callback comes when the node is registered with NMS, or at once with an error that trying
 * again cannot mend; while AS or NMS is unreachable the node keeps trying after ERROR_TIMEOUT is
 * told. */
void node_up(struct node *node, node_callback callback, void *context);
void node_down(struct node *node, node_callback callback, void *context);

/* A new reference; the stable form is in docs/operations.md. */
json_t *node_status(struct node *node);

/* One event (docs/operations.md), borrowed. Of the node it may call node_observe alone. */
typedef void (*node_observer)(json_t *event, void *context);
/* Who hears of events from now on; NULL: nobody. */
void node_observe(struct node *node, node_observer observer, void *context);
/* Tells `observer` what is so now: the node's event, and one for each peer. */
void node_tell(struct node *node, node_observer observer, void *context);

/* Name (full or a bare label of this network) or virtual address, either way; answers come from
 * NMS. */
struct node_name {
  char fqdn[254];
  struct ip_address ipv4, ipv6;
};
typedef void (*node_resolve_callback)(int code, const struct node_name *name,
                                      const struct error *error, void *context);
void node_resolve(struct node *node, const char *name, node_resolve_callback callback,
                  void *context);

/* Sets the path up if there is none, then one echo over the tunnel's control stream. A relayed
 * tunnel goes on looking for a direct path while it is pinged. */
struct node_ping {
  struct node_name name;
  uint64_t round_trip;   /* nanoseconds */
  struct address remote; /* real address of the peer, or of the relay */
  bool relayed;          /* when the echo left */
  char relay[254];       /* the TRS's name, if relayed */
};
typedef void (*node_ping_callback)(int code, const struct node_ping *ping,
                                   const struct error *error, void *context);
void node_ping(struct node *node, const char *name, node_ping_callback callback, void *context);

/* Tries every server address over both IP versions. `report` is the receiver's; its members are in
 * netcheck_report.h. */
typedef void (*node_netcheck_callback)(int code, json_t *report, const struct error *error,
                                       void *context);
void node_netcheck(struct node *node, node_netcheck_callback callback, void *context);

#endif

/* `cyphonic netcheck`: tries every server address over both IP versions from the node's own socket,
 * so that what answers and how it sees us is what holds for tunnels too. Where that leaves open how
 * a NAT maps, NMS's observation port is tried as well. */
#ifndef CYPHONIC_NODE_NETCHECK_H
#define CYPHONIC_NODE_NETCHECK_H

#include <jansson.h>

#include "node/dial.h"
#include "pki/identity.h"

struct netcheck;

enum {
  NETCHECK_RELAYS_MAX = 16,  /* more are left out */
  NETCHECK_RESULTS_MAX = 64, /* likewise; the report then fits a line of the local socket */
};

struct netcheck_relay {
  char name[PKI_NAME_SIZE];
  struct service_addresses addresses;
};

struct netcheck_config {
  struct dial_target target; /* loop, log, endpoint, credentials and trust; the rest is set here */
  struct service_addresses as, nms;
  size_t relay_count;
  const struct netcheck_relay *relays; /* that this node has no connection to; copied */
};

/* Once, from the loop, within seconds, with netcheck_report's JSON, which is the receiver's (NULL:
 * no memory). The netcheck is over: its pointer must be dropped. */
typedef void (*netcheck_callback)(json_t *report, void *context);

int netcheck_start(const struct netcheck_config *config, netcheck_callback callback, void *context,
                   struct netcheck **netcheck, struct error *error) MUST_CHECK;
/* The callback does not come. Before the endpoint is closed. */
void netcheck_cancel(struct netcheck *netcheck);

#endif

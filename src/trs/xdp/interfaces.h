/* Which network interfaces the relay's packets come in by. For trs/xdp alone. */
#ifndef CYPHONIC_TRS_XDP_INTERFACES_H
#define CYPHONIC_TRS_XDP_INTERFACES_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "trs/xdp/flow.h"
#include "trs/xdp/forward.h"

/* Plain data. */
struct xdp_candidate {
  char name[IF_NAMESIZE];
  unsigned index;
  uint8_t mac[6];
};

/* The Ethernet interfaces that are up and have an address of the relay's; XDP_INTERFACES_MAX at
 * most. ERROR_NOT_FOUND: none; ERROR_SYSTEM. */
int xdp_interfaces_find(const struct xdp_forward_config *config,
                        struct xdp_candidate found[static XDP_INTERFACES_MAX], size_t *count,
                        struct error *error) MUST_CHECK;

#endif

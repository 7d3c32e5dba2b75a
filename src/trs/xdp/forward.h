/* Forwards the flows of bound pairs in the kernel, by a program at the network driver's receive
 * path (XDP): an offload of the relay table. Whoever may not load it, or was built without it
 * (none.c), forwards all in user space.
 *
 * Native mode alone: the generic one begins after the kernel has made a socket buffer of each
 * packet, and copies it for the program, so that it wins nothing over user space, which takes and
 * gives packets by trains.
 *
 * What is in the kernel is gone when this process is, however it ends: the kernel holds nothing but
 * what our file descriptors hold. */
#ifndef CYPHONIC_TRS_XDP_FORWARD_H
#define CYPHONIC_TRS_XDP_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "trs/relay_table.h"

struct xdp_forward;

struct xdp_forward_config {
  uint16_t port;                /* of the relay */
  struct ip_address ipv4, ipv6; /* that the relay is bound to; family 0: all of this host */
  /* Also where no device stands behind it, as with a veth. A veth loses what the program sends,
   * unless its other end has a program as well, and nobody here can see that. */
  bool any_interface;
};

/* Loads the program, attaches it to the up Ethernet interfaces that have such an address now, and
 * begins without flows. ERROR_NOT_FOUND: there is no such interface, or we were built without;
 * ERROR_CONFIG: the system's settings are against it; ERROR_PERMISSION, ERROR_SYSTEM: the kernel or
 * the driver is; ERROR_NO_MEMORY. The message says what to do. */
int xdp_forward_new(const struct xdp_forward_config *config, struct xdp_forward **forward,
                    struct error *error) MUST_CHECK;
/* Detaches it. NULL is nothing. */
void xdp_forward_free(struct xdp_forward *forward);

/* To be given to a relay table; it borrows `forward`. */
struct relay_offload xdp_forward_offload(struct xdp_forward *forward);

/* Where it is attached: "eth0,eth1"; borrowed. */
const char *xdp_forward_interfaces(const struct xdp_forward *forward);
/* The program's file descriptor, for tests; borrowed. */
int xdp_forward_program(const struct xdp_forward *forward);

#endif

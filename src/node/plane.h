/* What applications see of the overlay while the node is up: the TUN device with its packets, and
 * the resolver. It stands as soon as the overlay's ranges are known, and stands up again by itself
 * when the device is taken away or the local networks change. */
#ifndef CYPHONIC_NODE_PLANE_H
#define CYPHONIC_NODE_PLANE_H

#include "node/lanes.h"
#include "node/names.h"
#include "node/network_watch.h"
#include "node/packet_path.h"
#include "node/warnings.h"

struct plane;

struct plane_config {
  uv_loop_t *loop;
  const struct log *log;
  struct warnings *warnings;
  struct network_watch *watch;
  struct lanes *lanes;                 /* which take packets; NULL: the main thread does */
  const char *interface_name, *domain; /* borrowed */
  struct ip_address ipv4, ipv6;
  struct address resolver; /* family 0: port 53 of the virtual address */
  bool resolver_setup;
  struct names *names; /* asked by the resolver; its with_ipv4 is kept here */
  void (*outbound)(const struct ip_address *destination, struct span packet, void *context);
  void *context;
};

int plane_new(const struct plane_config *config, struct plane **plane,
              struct error *error) MUST_CHECK;
/* The device is gone at once; the rest frees from the loop. Before the watch. */
void plane_close(struct plane *plane);

/* The overlay's ranges, as NMS or the state folder tells. */
void plane_set_overlay(struct plane *plane, const struct ip_prefix *ipv4,
                       const struct ip_prefix *ipv6);
/* Local addresses changed: does one of them overlap? */
void plane_network_changed(struct plane *plane);
/* Somebody set our interface down, or (`up`) up, or took an address from it, which it gets again.
 */
void plane_interface_changed(struct plane *plane, bool up);
/* To the applications. */
void plane_deliver(struct plane *plane, struct span packet);
/* The device's name, NULL while there is none. */
const char *plane_interface(const struct plane *plane);

#endif

/* All lanes of a node that has several threads (lane.h): an endpoint on each, all on one UDP port,
 * a queue each of the TUN device, and the way from where a packet came to the lane whose it is.
 *
 * The kernel brings most packets to the right lane: those from the network by their Connection IDs,
 * those of the applications because it keeps a flow to the queue that the other direction came by.
 * The others are handed over, by a ring for each pair of lanes.
 *
 * From the main thread, where nothing else is said. */
#ifndef CYPHONIC_NODE_LANES_H
#define CYPHONIC_NODE_LANES_H

#include "node/link.h"
#include "node/packet_path.h"

enum { LANES_THREADS_MAX = 16 }; /* besides the main thread */

struct lanes;

/* Starts `count` threads and opens all endpoints as `endpoint` says, of which lanes_main_endpoint
 * is the main thread's. */
int lanes_new(unsigned count, const struct quic_endpoint_config *endpoint, struct lanes **lanes,
              struct error *error) MUST_CHECK;
/* What lives on the lanes is closed, and all is gone but the main thread's endpoint, which is the
 * caller's to close. NULL is allowed. */
void lanes_close(struct lanes *lanes);

struct quic_endpoint *lanes_main_endpoint(const struct lanes *lanes);
/* A lane's part of what its links share: lane, loop, endpoint, and where packets are delivered.
 * `number` counts from 0. */
unsigned lanes_count(const struct lanes *lanes);
void lanes_share(struct lanes *lanes, unsigned number, struct link_shared *shared);

/* Every endpoint takes the main one's route id and overlay. */
void lanes_follow(struct lanes *lanes, const struct ip_prefix *ipv4, const struct ip_prefix *ipv6);

/* Where packets go whose destination has no link: to the main thread, by this. NULL: nowhere. */
void lanes_set_outbound(struct lanes *lanes,
                        void (*outbound)(const struct ip_address *destination, struct span packet,
                                         void *context),
                        void *context);
/* Packets for the virtual addresses of the link's peer go by `link` now, and no more by `before`;
 * either may be NULL. */
void lanes_set_link(struct lanes *lanes, const struct link *before, struct link *link);

/* Takes the device over, also on failure, with a queue for each lane. Of `config` the loop and
 * `outbound` are not used. `gone` comes at most once. */
int lanes_attach(struct lanes *lanes, const struct packet_path_config *config, struct tun *tun,
                 struct error *error) MUST_CHECK;
void lanes_detach(struct lanes *lanes);
/* To the applications. */
void lanes_deliver(struct lanes *lanes, struct span packet);

#endif

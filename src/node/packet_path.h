/* Packets between the TUN device and the peers (design 7): read in runs, no memory taken for any.
 */
#ifndef CYPHONIC_NODE_PACKET_PATH_H
#define CYPHONIC_NODE_PACKET_PATH_H

#include <uv.h>

#include "base/log.h"
#include "net/tun.h"
#include "node/packet_verdict.h"

struct packet_path;

struct packet_path_config {
  uv_loop_t *loop;
  const struct log *log;
  struct packet_scope scope;
  void (*outbound)(const struct ip_address *destination, struct span packet, void *context);
  /* The device went away or down. Nothing more comes; close the path. */
  void (*gone)(void *context);
  void *context;
};

enum { PACKET_PATH_BATCH = 192 /* packets a wake-up, so that the network has its turn too */ };

/* Takes the device over, also on failure. */
int packet_path_new(const struct packet_path_config *config, struct tun *tun,
                    struct packet_path **path, struct error *error) MUST_CHECK;
/* The device is gone at once; the rest frees from the loop. */
void packet_path_close(struct packet_path *path);

/* To the applications, joined with others of its flow that come in the same turn of the loop. What
 * the kernel does not take is lost, as on a wire. */
void packet_path_deliver(struct packet_path *path, struct span packet);

#endif

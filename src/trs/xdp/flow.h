// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What the kernel's program and its loader share: the maps' keys and values. Both sides include it,
 * so it names nothing but the kernel's types. */
#ifndef CYPHONIC_TRS_XDP_FLOW_H
#define CYPHONIC_TRS_XDP_FLOW_H

#include <linux/types.h>

/* More flows are forwarded in user space. The kernel takes 16 bytes for each of them at once, and
 * the rest when they come. */
#define XDP_FLOWS_MAX 65536
/* With the program attached. */
#define XDP_INTERFACES_MAX 32

/* Of a UDP datagram, as UDP_PAYLOAD_MAX of quic/limits.h: what is longer, user space drops. */
#define XDP_PAYLOAD_MAX 1452

/* As struct binding_key: who sends, and for whom. Without padding, since it is hashed as bytes. */
struct xdp_flow_key {
  __u8 source[16]; /* IPv4: the first four bytes, the others 0 */
  __u32 route_id;  /* here and below in network byte order */
  __u16 source_port;
  __u16 family; /* 4 or 6, in host byte order */
};

struct xdp_flow {
  __u8 local[16];  /* our address that the sender talks to */
  __u8 from[16];   /* our address that the receiver knows */
  __u8 to[16];     /* the receiver's; all three of the key's family */
  __u64 deadline;  /* nanoseconds of CLOCK_MONOTONIC */
  __u64 packets;   /* forwarded by the kernel */
  __u64 bytes;     /* their UDP payloads */
  __u16 port;      /* the receiver's */
  __u16 unused[3]; /* no padding that would have to be cleared */
};

/* A value of `interfaces`, by interface index. */
struct xdp_interface {
  __u8 mac[6];
  __u8 unused[2];
};

/* The one value of `totals`, a processor. */
struct xdp_totals {
  __u64 packets, bytes;
};

#endif

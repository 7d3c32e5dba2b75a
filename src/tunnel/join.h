/* Joins received packets into the super-packets of the TUN device (net/tun.h), as the kernel's own
 * generic receive offload does: consecutive segments of one TCP connection, datagrams of one size
 * of one UDP flow, whose headers say the same. A super-packet passes the kernel's network stack
 * once, not a packet at a time, and can be cut into exactly the packets that came (the
 * identification of IPv4 packets that may not be fragmented means nothing, RFC 6864, and may
 * differ).
 *
 * Packets of one flow keep their order; whatever cannot be joined passes through at once, behind
 * what its flow had waiting. Checksums are verified before anything is joined, because the kernel
 * takes those of a super-packet for granted: a packet with a bad one passes alone, unchanged, for
 * the kernel to drop and count. The tunnel authenticates who sent it, not that it was whole before
 * (a peer may forward for others). It costs nothing over all, since the kernel need not sum then.
 * Where the peer left TCP's checksum out (CHECKSUM_LEFT_OUT) there is nothing to verify: a segment
 * with data comes out as one whose checksum is missing, joined or not.
 *
 * Pure but for the callback; all memory is taken at the beginning. One thread. */
#ifndef CYPHONIC_TUNNEL_JOIN_H
#define CYPHONIC_TUNNEL_JOIN_H

#include "net/tun.h"

enum {
  JOIN_FLOWS = 8,       /* that wait at once; the oldest gives way */
  JOIN_PIECES_MAX = 64, /* packets in one super-packet; as the kernel's UDP_GRO_CNT_MAX */
  JOIN_PACKET_MAX =
      65535, /* bytes of a super-packet: IPv4's length field, and the kernel's bound */
};
_Static_assert(JOIN_PIECES_MAX + 1 <= TUN_SPANS_MAX, "tun_write_super takes what is emitted");

struct join_config {
  /* Join nothing: for a device without TUN_OFFLOADS_TCP, to which packets come out complete. */
  bool single;
  /* Join UDP too: only for a device that has TUN_OFFLOADS_UDP. */
  bool udp;
  /* Each payload is copied behind its flow's (64 KiB of address space a flow, resident as used),
   * for packets whose memory does not outlive join_add; `emit` gets one span. Otherwise packets are
   * borrowed until they are emitted, join_flush at the latest. */
  bool copy;
  /* For tun_write_super. The spans are valid during the call, from which no join_... may be called.
   */
  void (*emit)(const struct span *spans, size_t count, const struct tun_offload *offload,
               void *context);
  void *context;
};

struct join;

int join_new(const struct join_config *config, struct join **join, struct error *error) MUST_CHECK;
/* What waits is lost; join_flush before. */
void join_free(struct join *join);
/* The next packet that came. Anything passes; what is no IP packet is not this module's to judge.
 */
void join_add(struct join *join, struct span packet);
/* Emits all that waits: at the end of each batch, so that nothing waits for packets to come. */
void join_flush(struct join *join);
/* Whether anything waits. */
bool join_pending(const struct join *join);

#endif

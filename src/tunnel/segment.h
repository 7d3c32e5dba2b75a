/* Cuts a super-packet of the TUN device (net/tun.h) into the packets that go over the wire, with
 * the checksums that the kernel left out. Each packet is a head, written into a buffer of the
 * caller's, and a body that stays where it is in the super-packet, so that no payload is copied.
 *
 * The kernel hands on what a local program may have forged, so nothing is believed: lengths and
 * headers that contradict each other are ERROR_INVALID, and nothing outside of the packet is ever
 * read. Pure, no allocation. */
#ifndef CYPHONIC_TUNNEL_SEGMENT_H
#define CYPHONIC_TUNNEL_SEGMENT_H

#include "net/tun.h"

enum {
  SEGMENT_HEAD_MAX = 256,    /* IP with options or extension headers, and TCP with options */
  SEGMENT_PIECES_MAX = 2048, /* of one super-packet; more than the smallest honest segments make,
                                36 bytes beside a timestamp (Linux's least maximum of 48) */
};

/* Where the cutting of one super-packet has come to. Plain data of the caller's, who may keep it
 * and go on later while the super-packet's bytes are there; filled and read by this module alone.
 */
struct segment_cut {
  struct span packet;
  enum tun_offload_kind kind;
  size_t transport, header_size; /* offsets: of TCP or UDP, of the payload */
  size_t segment_size;           /* what the sender agreed on with its peer */
  size_t each;                   /* payload of the packets to come */
  size_t offset;                 /* payload cut by now */
  uint64_t ip_sum, transport_sum;
  uint32_t sequence;
  uint16_t identification, flags;
  bool leave_checksums, done;
  uint8_t header[SEGMENT_HEAD_MAX]; /* of a super-packet, without what is each packet's own */
};

/* `packet` is what tun_read_super gave, and is borrowed until the last packet is cut. `packet_max`:
 * the largest packet that the path takes. Segments of TCP that would be larger are cut smaller;
 * datagrams of UDP cannot be, ERROR_LIMIT: cut again with TUN_PACKET_MAX and treat each packet as
 * one that is too large for the path. A single packet (TUN_OFFLOAD_NONE) comes out as one, whatever
 * its size. ERROR_LIMIT also where `packet_max` leaves next to no room behind the headers. */
int segment_begin(struct segment_cut *cut, struct span packet, const struct tun_offload *offload,
                  size_t packet_max) MUST_CHECK;
/* The path has changed in the midst of it: the same for the packets to come. On ERROR_LIMIT they
 * stay as large as they would have been. */
int segment_limit(struct segment_cut *cut, size_t packet_max) MUST_CHECK;
/* After segment_begin: TCP segments are cut with CHECKSUM_LEFT_OUT, for a receiver that joins them
 * (tunnel/join.h), so that nobody sums what the tunnel protects. Where he would not join them, the
 * checksums are written all the same. */
void segment_leave_checksums(struct segment_cut *cut);
/* False: there is no more. Else the next packet is `head` (in `buffer`; empty where a single packet
 * needs no change) with `body` behind it. What lies before `body` in the super-packet is not read
 * again: a caller that needs the packet in one piece may write the head there. */
bool segment_next(struct segment_cut *cut, uint8_t buffer[static SEGMENT_HEAD_MAX],
                  struct span *head, struct span *body) MUST_CHECK;

/* For a single packet: writes the checksum that is missing, if one is, in place. ERROR_INVALID for
 * a super-packet or a place that cannot be. */
int segment_complete(uint8_t *packet, size_t size, const struct tun_offload *offload) MUST_CHECK;

#endif

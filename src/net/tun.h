/* A TUN device (Linux, IFF_TUN without packet information): whole IP packets in and out, and
 * super-packets, which the kernel has not cut yet or need not see joined packet by packet. */
#ifndef CYPHONIC_NET_TUN_H
#define CYPHONIC_NET_TUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

struct tun;

/* What a super-packet leaves to do, or, with all fields zero, a packet that is complete. It comes
 * from the kernel, which takes some of it from applications that may forge it (packet sockets,
 * other TUN devices): nothing of it is checked here but `kind`. */
enum tun_offload_kind {
  TUN_OFFLOAD_NONE,     /* one packet */
  TUN_OFFLOAD_TCP_IPV4, /* one TCP header and the payload of many segments */
  TUN_OFFLOAD_TCP_IPV6,
  TUN_OFFLOAD_UDP, /* one UDP header and the payload of many datagrams, IPv4 or IPv6 */
};

struct tun_offload {
  enum tun_offload_kind kind;
  uint16_t segment_size; /* payload of each packet to be, in bytes; the last may have less */
  uint16_t header_size;  /* IP and transport; only a hint in what is read */
  bool ecn;              /* TCP: CWR is set, and belongs to the first segment only (RFC 3168) */
  /* The checksum that belongs `checksum_offset` bytes behind `checksum_start` is that of all bytes
   * from `checksum_start` on; its field holds the sum of the pseudo-header, not complemented. */
  bool needs_checksum;
  uint16_t checksum_start, checksum_offset;
};

/* What the kernel agreed to. */
enum tun_offloads {
  TUN_OFFLOADS_CHECKSUM = 1, /* packets whose checksum is missing, both ways */
  TUN_OFFLOADS_TCP = 2,      /* super-packets of TCP, both ways */
  TUN_OFFLOADS_UDP = 4,      /* super-packets of UDP, both ways: Linux 6.2 */
};

struct tun_options {
  bool offload;     /* take all that the kernel has; see tun_offloads */
  bool multi_queue; /* tun_queue_open may follow */
};

enum {
  TUN_PACKET_MAX = 40 + 65535, /* the largest that can be read: IPv6 with a full length field */
  TUN_SPANS_MAX = 128,         /* pieces of one packet that is written */
};

/* Non-blocking. `name` may hold %d. Without CAP_NET_ADMIN or /dev/net/tun: ERROR_PERMISSION or
 * ERROR_NOT_FOUND with what to do; a name in use: ERROR_EXISTS. The device vanishes with close. */
int tun_open(const char *name, struct tun **tun, struct error *error) MUST_CHECK;
/* As tun_open, which takes no options. A kernel without an offload goes without it. */
int tun_open_with(const char *name, const struct tun_options *options, struct tun **tun,
                  struct error *error) MUST_CHECK;
/* One more queue of a device that was opened with `multi_queue`, with the same offloads: another
 * descriptor, which may belong to another thread. The kernel keeps each flow to one queue. The
 * device vanishes with the last of them. ERROR_CLOSED: it is gone already. */
int tun_queue_open(const struct tun *tun, struct tun **queue, struct error *error) MUST_CHECK;
void tun_close(struct tun *tun);
int tun_descriptor(const struct tun *tun);
const char *tun_name(const struct tun *tun);
unsigned tun_index(const struct tun *tun);    /* interface index */
unsigned tun_offloads(const struct tun *tun); /* TUN_OFFLOADS_..., or-ed */

/* One packet. ERROR_AGAIN when there is none. ERROR_CLOSED if the device is gone or down.
 * ERROR_INVALID: a super-packet came, for which tun_read_super is to be used with a device that has
 * offloads; it is lost. */
int tun_read(struct tun *tun, uint8_t *data, size_t capacity, size_t *size) MUST_CHECK;
/* ERROR_AGAIN or another code if the kernel did not take it: the packet is lost, as on a wire. */
int tun_write(struct tun *tun, const uint8_t *data, size_t size) MUST_CHECK;

/* A packet or super-packet. ERROR_AGAIN and ERROR_CLOSED as above. ERROR_INVALID (a kind that was
 * not asked for) and ERROR_NO_MEMORY concern one packet, which is lost: read on. What does not fit
 * `capacity` is cut off, so that the length in its header shows it; TUN_PACKET_MAX is enough. */
int tun_read_super(struct tun *tun, uint8_t *data, size_t capacity, size_t *size,
                   struct tun_offload *offload) MUST_CHECK;
/* The packet is the spans one behind the other, up to TUN_SPANS_MAX of them (else ERROR_LIMIT).
 * ERROR_INVALID: the kernel finds a contradiction, or has not this kind of offload. */
int tun_write_super(struct tun *tun, const struct span *spans, size_t count,
                    const struct tun_offload *offload) MUST_CHECK;

#endif

/* Black hole detection (RFC 8899 section 4.3): a path that takes smaller packets than it used to.
 * ngtcp2 1.11 finds how large packets may become, but not that they no longer pass. Here the fate
 * of large datagrams is watched: when several were sent and none arrives for a while, although the
 * peer is heard, only what every QUIC path takes is sent. At once and not step by step, because the
 * TCP connection inside sends less and less to judge by. (The library's report of lost datagrams is
 * no help: it leaves out what it gave up on a probe time-out.) Pure. */
#ifndef CYPHONIC_QUIC_PATH_MTU_H
#define CYPHONIC_QUIC_PATH_MTU_H

#include <stddef.h>
#include <stdint.h>

enum {
  PATH_MTU_REMEMBERED = 1024, /* datagrams that are known; more are seldom in flight */
  PATH_MTU_MISSING = 3,       /* large ones sent since one arrived */
};
/* After so long the path may have become wide again (RFC 8899 section 5.1.1: 600 s). */
#define PATH_MTU_RAISE UINT64_C(600000000000)

/* The UDP payloads that path MTU discovery tries, in its order. */
enum { PATH_MTU_BASE = 1200, PATH_MTU_PROBES = 6 };
extern const uint16_t path_mtu_sizes[PATH_MTU_PROBES];

struct path_mtu {
  uint16_t limit;                           /* largest UDP payload to be sent */
  uint32_t missing;                         /* large ones sent since the last that arrived */
  uint64_t since;                           /* nanoseconds, when the first of them was sent */
  uint64_t lowered;                         /* nanoseconds */
  uint64_t large[PATH_MTU_REMEMBERED / 64]; /* a bit for each datagram: it was a large one */
};

void path_mtu_init(struct path_mtu *mtu, uint64_t now);
void path_mtu_sent(struct path_mtu *mtu, uint64_t id, size_t size, uint64_t now);
void path_mtu_arrived(struct path_mtu *mtu, uint64_t id);
/* The peer sent something. `patience`: in how long it would have told of a large one, a few probe
 * time-outs. */
void path_mtu_heard(struct path_mtu *mtu, uint64_t now, uint64_t patience);
/* The limit now. */
size_t path_mtu_limit(struct path_mtu *mtu, uint64_t now);

#endif

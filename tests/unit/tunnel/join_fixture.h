/* A joiner under test, and what it emits. */
#ifndef CYPHONIC_TEST_TUNNEL_JOIN_FIXTURE_H
#define CYPHONIC_TEST_TUNNEL_JOIN_FIXTURE_H

#include "segments.h"
#include "tunnel/join.h"

enum { EMITTED_MAX = 300, EACH = 1000 };

/* What came out, in order. */
struct emitted {
  struct tun_offload offload;
  size_t size;
  uint16_t port;
  uint32_t sequence;
};

extern struct emitted emitted[EMITTED_MAX];
extern size_t emitted_count;
extern uint8_t last[SEGMENT_SIZE_MAX]; /* the last one's bytes */
extern struct join *join;

/* With this configuration, but for `emit`. */
void join_open(const struct join_config *config);
/* As a node has it: copying, UDP too. */
int join_setup(void **state);
int join_teardown(void **state);

struct test_segment tcp_segment(void);
struct test_segment udp_datagram(void);
void add(const struct test_segment *segment);
/* The next one behind it in its stream. */
void advance(struct test_segment *segment);
void add_and_advance(struct test_segment *segment);

/* The last one emitted is one super-packet: `whole`, with segments of `each`. */
void assert_joined(const struct test_segment *whole, size_t each);
/* All that was emitted were single packets as they came. */
void assert_singles(size_t count);

#endif

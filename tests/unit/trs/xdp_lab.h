/* A relay with its program for the kernel in a network namespace of the test's own, nodes that are
 * bound on it, and packets to run through the program (BPF_PROG_TEST_RUN) and past the relay table
 * that is its reference. */
#ifndef CYPHONIC_TESTS_TRS_XDP_LAB_H
#define CYPHONIC_TESTS_TRS_XDP_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trs/relay_table.h"
#include "trs/xdp/forward.h"

enum { LAB_PORT = 443, LAB_FRAME_MAX = 2048, LAB_NOW = 1764000000, LAB_HOUR = 3600 };

/* In the order of lab_node. ERIN has no neighbour entry; the way to FRANK takes 1,000 bytes. */
enum lab_name { ALICE, BOB, ALICE6, BOB6, CAROL, ERIN, FRANK, LAB_NODES };

struct lab_node {
  const char *name, *address, *local;
  uint32_t route_id;
};
extern const struct lab_node lab_nodes[LAB_NODES];

struct lab {
  struct xdp_forward *forward;
  struct relay_table *table;     /* with the kernel as offload */
  struct relay_table *reference; /* the same without */
  struct relay_node *nodes[LAB_NODES];
  struct relay_pair *alice_bob;
};

/* Whether XDP can be had here; otherwise says why, to be skipped. Enters a new network namespace
 * for good. */
int lab_prepare(void);
/* Of each pair below; `bound` is what the relay binds to, NULL: all addresses. */
void lab_open(struct lab *lab, const char *bound);
void lab_close(struct lab *lab);
/* ALICE and BOB lose each other. */
void lab_part(struct lab *lab);
/* They are bound anew, when their grant holds so many seconds more. */
void lab_hasten(struct lab *lab, int64_t seconds);

struct frame {
  uint8_t bytes[LAB_FRAME_MAX];
  size_t size;
};

/* An Ethernet frame with a right UDP datagram of `size` random bytes of payload, from one node to
 * the relay for another, whose route id stands in a short header. */
struct frame lab_frame(enum lab_name from, enum lab_name to, size_t size);
/* Of a plain frame: where its UDP header and payload begin, and its IP header's. */
size_t lab_udp(const struct frame *frame);
enum { LAB_IP = 14 };
/* Rights the checksums of IPv4's header and of UDP after a change. */
void lab_seal(struct frame *frame);
bool lab_is_sealed(const struct frame *frame);

/* The verdict (XDP_...), and the frame as the program leaves it. */
int lab_run(const struct lab *lab, const struct frame *in, struct frame *out);
/* What user space does with it: true if it goes to *to. Frames that the kernel would not give the
 * socket must not be asked for. */
bool lab_reference(const struct lab *lab, const struct frame *frame, struct relay_place *to);
/* Source and destination of a plain frame. */
void lab_addresses(const struct frame *frame, struct address *source, struct address *destination);

#endif

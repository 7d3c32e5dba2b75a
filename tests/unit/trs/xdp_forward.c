/* The kernel's program against its reference, the relay table: whatever it forwards, user space
 * would, to the same place; and what it does not, it leaves as it came. */
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "xdp_lab.h"

enum { SKIPPED = 77, PAYLOAD = 1200, MUTANTS = 20000 };

static void goes_up(const struct lab *lab, const struct frame *frame, const char *what) {
  struct frame out;
  int verdict = lab_run(lab, frame, &out);
  if (verdict != XDP_PASS) {
    fail_msg("%s: the verdict is %d instead of XDP_PASS", what, verdict);
  }
  if (out.size != frame->size || memcmp(out.bytes, frame->bytes, out.size) != 0) {
    fail_msg("%s: goes up, but changed", what);
  }
}

/* All that the reference does not say of a frame that was forwarded. */
static void is_well_forwarded(const struct frame *in, const struct frame *out, const char *what) {
  size_t payload = lab_udp(in) + 8;
  bool ipv6 = payload == LAB_IP + 48;
  if (out->size != in->size ||
      memcmp(out->bytes + payload, in->bytes + payload, in->size - payload)) {
    fail_msg("%s: the payload has changed", what);
  }
  const uint8_t *before = in->bytes + LAB_IP, *after = out->bytes + LAB_IP;
  size_t ttl = ipv6 ? 7 : 8;
  if (after[ttl] != before[ttl] - 1) {
    fail_msg("%s: TTL %d became %d", what, before[ttl], after[ttl]);
  }
  bool service =
      ipv6 ? after[0] == 0x60 && after[1] == (before[1] & 0x3f) : after[1] == (before[1] & 3);
  if (!service) {
    fail_msg("%s: the service class or ECN is wrong", what);
  }
  static const uint8_t next_hops[] = {2, 0, 0, 0, 2}, own[] = {2, 0, 0, 0, 1};
  if (memcmp(out->bytes, next_hops, sizeof(next_hops)) != 0 ||
      memcmp(out->bytes + 6, own, sizeof(own)) != 0) {
    fail_msg("%s: the Ethernet addresses are not those of the next hop and of ours", what);
  }
  static const uint8_t none[2];
  if ((memcmp(in->bytes + payload - 2, none, 2) == 0) !=
      (memcmp(out->bytes + payload - 2, none, 2) == 0)) {
    fail_msg("%s: a UDP checksum came or went", what);
  }
}

/* Runs it; if it was forwarded, all of that must be right. */
static int judge(const struct lab *lab, const struct frame *frame, const char *what) {
  struct frame out;
  int verdict = lab_run(lab, frame, &out);
  if (verdict == XDP_PASS) {
    assert_int_equal(out.size, frame->size);
    assert_memory_equal(out.bytes, frame->bytes, out.size);
    return verdict;
  }
  struct relay_place to;
  if (!lab_reference(lab, frame, &to)) {
    fail_msg("%s: the kernel forwards what user space would not", what);
  }
  struct address source, destination;
  lab_addresses(&out, &source, &destination);
  const struct address own = {.ip = to.local, .port = LAB_PORT};
  char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];
  if (!address_equal(&source, &own) || !address_equal(&destination, &to.remote)) {
    fail_msg("%s: goes from %s to %s", what, address_text(&source, one),
             address_text(&destination, other));
  }
  if (lab_is_sealed(frame) != lab_is_sealed(&out)) {
    fail_msg("%s: the checksums do not stay as right as they were", what);
  }
  is_well_forwarded(frame, &out, what);
  return verdict;
}

static void goes_on(const struct lab *lab, const struct frame *frame, int verdict,
                    const char *what) {
  int seen = judge(lab, frame, what);
  if (seen != verdict) {
    fail_msg("%s: the verdict is %d instead of %d", what, seen, verdict);
  }
}

static void bound_pairs_are_forwarded(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  static const size_t sizes[] = {5, 6, 30, 31, PAYLOAD, 1452};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    struct frame frame = lab_frame(ALICE, BOB, sizes[i]);
    goes_on(&lab, &frame, XDP_TX, "alice to bob");
    frame = lab_frame(BOB, ALICE, sizes[i]);
    goes_on(&lab, &frame, XDP_TX, "bob to alice");
    frame = lab_frame(ALICE6, BOB6, sizes[i]);
    goes_on(&lab, &frame, XDP_TX, "alice to bob over IPv6");
    frame = lab_frame(ALICE, CAROL, sizes[i]);
    goes_on(&lab, &frame, XDP_REDIRECT, "alice to carol, by another interface");
  }
  lab_close(&lab);
}

static void headers_of_all_kinds_are_forwarded(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  for (enum lab_name from = ALICE; from <= ALICE6; from += ALICE6 - ALICE) {
    struct frame frame = lab_frame(from, from + 1, PAYLOAD);
    uint8_t *payload = frame.bytes + lab_udp(&frame) + 8, id[4];
    memcpy(id, payload + 1, sizeof(id));
    memcpy(payload, (const uint8_t[]){0xc3, 0, 0, 0, 1, 4}, 6);
    memcpy(payload + 6, id, sizeof(id));
    lab_seal(&frame);
    goes_on(&lab, &frame, XDP_TX, "a long header");
    payload[5] = 3;
    lab_seal(&frame);
    goes_up(&lab, &frame, "a Connection ID too short for a route id");
    frame = lab_frame(from, from + 1, PAYLOAD);
    frame.bytes[LAB_IP + 1] |= from == ALICE ? 0xb8 : 0x80;
    lab_seal(&frame);
    goes_on(&lab, &frame, XDP_TX, "a service class");
    frame = lab_frame(from, from + 1, 10);
    frame.size += 6;
    goes_on(&lab, &frame, XDP_TX, "padding of Ethernet's");
  }
  struct frame frame = lab_frame(ALICE, BOB, PAYLOAD);
  frame.bytes[LAB_IP + 6] = 0;
  lab_seal(&frame);
  goes_on(&lab, &frame, XDP_TX, "a packet that may be fragmented");
  lab_close(&lab);
}

static void checksums_stay_right(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  struct frame frame = lab_frame(ALICE, BOB, PAYLOAD), out;
  memset(frame.bytes + lab_udp(&frame) + 6, 0, 2);
  goes_on(&lab, &frame, XDP_TX, "no checksum");
  lab_run(&lab, &frame, &out);
  assert_memory_equal(out.bytes + lab_udp(&out) + 6, "\0\0", 2);
  frame = lab_frame(ALICE6, BOB6, PAYLOAD);
  memset(frame.bytes + lab_udp(&frame) + 6, 0, 2);
  goes_up(&lab, &frame, "no checksum over IPv6");
  /* Whatever one word of the payload is, so is the sum: each checksum there is comes once. */
  for (enum lab_name from = ALICE; from <= ALICE6; from += ALICE6 - ALICE) {
    frame = lab_frame(from, from + 1, 64);
    uint8_t *word = frame.bytes + lab_udp(&frame) + 28;
    for (unsigned value = 0; value <= UINT16_MAX; value++) {
      word[0] = (uint8_t)(value >> 8);
      word[1] = (uint8_t)value;
      lab_seal(&frame);
      judge(&lab, &frame, "any checksum");
    }
  }
  frame = lab_frame(ALICE, BOB, PAYLOAD);
  frame.bytes[lab_udp(&frame) + 6] ^= 0x55;
  judge(&lab, &frame, "a wrong UDP checksum stays wrong");
  frame = lab_frame(ALICE, BOB, PAYLOAD);
  frame.bytes[LAB_IP + 10] ^= 0x55;
  goes_up(&lab, &frame, "a wrong checksum of the IPv4 header");
  lab_close(&lab);
}

static void a_checksum_that_was_left_open_goes_up(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  for (enum lab_name from = ALICE; from <= ALICE6; from += ALICE6 - ALICE) {
    /* The sum of the pseudo header: that of a datagram that is all zero, and 17 stands for it. */
    struct frame frame = lab_frame(from, from + 1, PAYLOAD);
    struct frame bare = frame;
    size_t at = lab_udp(&bare);
    memset(bare.bytes + at + 8, 0, PAYLOAD);
    memset(bare.bytes + at, 0, 4);
    lab_seal(&bare); /* ~(pseudo header + the length once more) */
    unsigned check = (unsigned)(bare.bytes[at + 6] << 8 | bare.bytes[at + 7]);
    unsigned open = (~check & 0xffff) + (~(unsigned)(PAYLOAD + 8) & 0xffff);
    open = (open & 0xffff) + (open >> 16);
    frame.bytes[at + 6] = (uint8_t)(open >> 8);
    frame.bytes[at + 7] = (uint8_t)open;
    goes_up(&lab, &frame, "a checksum for the card to complete");
  }
  lab_close(&lab);
}

static void what_is_not_bound_goes_up(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  struct frame frame = lab_frame(BOB, CAROL, PAYLOAD);
  goes_up(&lab, &frame, "a pair that is not bound");
  frame = lab_frame(ALICE, ALICE, PAYLOAD);
  goes_up(&lab, &frame, "to herself");
  static const struct {
    const char *what;
    size_t at; /* of the frame; from the UDP header if it is 100 and more */
  } changes[] = {
      {"a spoofed source address", LAB_IP + 15},
      {"another address of ours", LAB_IP + 19},
      {"a spoofed source port", 101},
      {"another port of ours", 103},
      {"another route id", 112},
      {"another route id", 109},
      {"a frame for somebody else", 5},
      {"a multicast frame", 0},
  };
  for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
    frame = lab_frame(ALICE, BOB, PAYLOAD);
    frame.bytes[changes[i].at >= 100 ? lab_udp(&frame) + changes[i].at - 100 : changes[i].at] ^= 1;
    lab_seal(&frame);
    goes_up(&lab, &frame, changes[i].what);
  }
  lab_close(&lab);
}

static void what_is_unusual_goes_up(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  static const struct {
    const char *what;
    enum lab_name from;
    size_t at; /* from the IP header */
    uint8_t value;
  } changes[] = {
      {"IP options", ALICE, 0, 0x46},
      {"a header too short", ALICE, 0, 0x44},
      {"another version", ALICE, 0, 0x65},
      {"a first fragment", ALICE, 6, 0x20},
      {"a last fragment", ALICE, 7, 0x10},
      {"TTL 1", ALICE, 8, 1},
      {"TTL 0", ALICE, 8, 0},
      {"TCP", ALICE, 9, 6},
      {"a total too long", ALICE, 2, 0x05},
      {"a total too short", ALICE, 2, 0},
      {"a UDP length too long", ALICE, 24, 5},
      {"a UDP length too short", ALICE, 24, 0},
      {"a hop limit of 1", ALICE6, 7, 1},
      {"an extension header", ALICE6, 6, 0},
      {"a fragment header", ALICE6, 6, 44},
      {"a length too long", ALICE6, 4, 0x05},
      {"a jumbogram", ALICE6, 4, 0},
      {"another version", ALICE6, 0, 0x45},
  };
  for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
    struct frame frame = lab_frame(changes[i].from, changes[i].from + 1, 1000);
    struct frame sealed = frame;
    frame.bytes[LAB_IP + changes[i].at] = changes[i].value;
    sealed.bytes[LAB_IP + changes[i].at] = changes[i].value;
    if (changes[i].at != 24) {
      lab_seal(&sealed); /* the reason must be the change, and not a checksum */
      memcpy(frame.bytes + LAB_IP + 10, sealed.bytes + LAB_IP + 10,
             changes[i].from == ALICE ? 2 : 0);
    }
    goes_up(&lab, &frame, changes[i].what);
  }
  struct frame frame = lab_frame(ALICE, BOB, 4);
  goes_up(&lab, &frame, "too short for a route id");
  frame.bytes[frame.size++] = (uint8_t)lab_nodes[BOB].route_id;
  goes_up(&lab, &frame, "a route id that Ethernet's padding completes");
  frame = lab_frame(ALICE, BOB, 1453);
  goes_up(&lab, &frame, "longer than user space takes");
  frame = lab_frame(ALICE, BOB, PAYLOAD);
  frame.size -= 1;
  goes_up(&lab, &frame, "a frame that was cut");
  lab_close(&lab);
}

static void ways_that_are_not_simple_go_up(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, "198.51.100.10");
  struct frame frame = lab_frame(ALICE, CAROL, PAYLOAD);
  goes_up(&lab, &frame, "by an interface without the program");
  frame = lab_frame(ALICE, ERIN, PAYLOAD);
  goes_up(&lab, &frame, "a neighbour that is not known");
  frame = lab_frame(ALICE6, CAROL, PAYLOAD);
  goes_up(&lab, &frame, "to the other IP version");
  frame = lab_frame(ALICE, FRANK, 1000 - 28);
  goes_on(&lab, &frame, XDP_TX, "as large as the way takes");
  frame = lab_frame(ALICE, FRANK, 1000 - 27);
  goes_up(&lab, &frame, "larger than the way takes");
  lab_close(&lab);
}

static void bindings_come_and_go(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  struct frame frame = lab_frame(ALICE, BOB, PAYLOAD);
  goes_on(&lab, &frame, XDP_TX, "bound");
  struct relay_place place = {.remote = {.port = 7777},
                              .local = {.family = 4, .bytes = {198, 51, 100, 10}}};
  place.remote.ip = (struct ip_address){.family = 4, .bytes = {198, 51, 100, 2}};
  relay_table_move(lab.table, lab.nodes[BOB], &place);
  struct frame out;
  assert_int_equal(lab_run(&lab, &frame, &out), XDP_TX);
  struct address source, destination;
  lab_addresses(&out, &source, &destination);
  assert_true(address_equal(&destination, &place.remote));
  struct frame back = lab_frame(BOB, ALICE, PAYLOAD);
  goes_up(&lab, &back, "from where bob was");
  relay_table_set_time(lab.table, LAB_NOW + LAB_HOUR);
  goes_up(&lab, &frame, "after the grant's end");
  lab_close(&lab);

  lab_open(&lab, NULL);
  goes_on(&lab, &frame, XDP_TX, "bound again");
  lab_part(&lab);
  goes_up(&lab, &frame, "when bob is gone");
  frame = lab_frame(ALICE, CAROL, PAYLOAD);
  goes_on(&lab, &frame, XDP_REDIRECT, "carol is still there");
  lab_close(&lab);
}

/* Nobody tells the kernel: it knows the end since the pair was bound. */
static void a_grant_ends_in_the_kernel_too(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  lab_hasten(&lab, 1);
  struct frame frame = lab_frame(ALICE, BOB, PAYLOAD), out;
  goes_on(&lab, &frame, XDP_TX, "a second before the end");
  uint64_t late = clock_now() + 5 * NANOSECONDS_PER_SECOND;
  while (lab_run(&lab, &frame, &out) != XDP_PASS) {
    assert_true(clock_now() < late);
  }
  lab_close(&lab);
}

static void the_kernels_part_is_counted(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  struct frame frame = lab_frame(ALICE, BOB, PAYLOAD);
  for (size_t i = 0; i < 3; i++) {
    goes_on(&lab, &frame, XDP_TX, "to be counted");
  }
  frame = lab_frame(BOB, ALICE, 100);
  goes_on(&lab, &frame, XDP_TX, "to be counted");
  frame = lab_frame(BOB, CAROL, 100);
  goes_up(&lab, &frame, "not to be counted");
  struct relay_table_counters counters;
  relay_table_counters(lab.table, &counters);
  assert_int_equal(counters.offloaded.packets, 4);
  assert_int_equal(counters.offloaded.bytes, 3 * PAYLOAD + 100);
  assert_int_equal(counters.forwarded_packets, 4);
  lab_part(&lab);
  struct relay_pair_counters pair;
  relay_pair_counters(lab.alice_bob, &pair);
  size_t alice = strcmp(pair.fqdn[0], "alice") == 0 ? 0 : 1;
  assert_int_equal(pair.packets[alice], 3);
  assert_int_equal(pair.bytes[alice], 3 * PAYLOAD);
  assert_int_equal(pair.packets[1 - alice], 1);
  relay_table_counters(lab.table, &counters);
  assert_int_equal(counters.forwarded_packets, 4);
  lab_close(&lab);
}

/* Frames of bound pairs with some bytes changed, checksums righted now and then. */
static void mutants_are_judged_as_by_user_space(void **state UNUSED) {
  struct lab lab;
  lab_open(&lab, NULL);
  unsigned forwarded = 0;
  for (unsigned i = 0; i < MUTANTS; i++) {
    uint8_t dice[8];
    random_bytes(dice, sizeof(dice));
    enum lab_name from = (dice[0] & 1) != 0 ? ALICE : ALICE6;
    struct frame frame = lab_frame(from, from + 1, 5 + (size_t)dice[1] % 60);
    size_t header = lab_udp(&frame) + 20 < frame.size ? lab_udp(&frame) + 20 : frame.size;
    for (size_t change = 0; change < dice[2] % 4u; change++) {
      frame.bytes[dice[3 + change] % header] ^= (uint8_t)(1u << (dice[6] >> change) % 8);
    }
    bool plain = frame.bytes[12] == (from == ALICE ? 0x08 : 0x86);
    if (plain && (dice[0] & 2) != 0 && frame.bytes[lab_udp(&frame) + 4] == 0) {
      lab_seal(&frame);
    }
    if (judge(&lab, &frame, "a mutant") != XDP_PASS) {
      forwarded++;
    }
  }
  /* A quarter is not changed at all. */
  assert_in_range(forwarded, MUTANTS / 8, MUTANTS - MUTANTS / 8);
  lab_close(&lab);
}

int main(void) {
  if (lab_prepare() != 0) {
    return SKIPPED;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bound_pairs_are_forwarded),
      cmocka_unit_test(headers_of_all_kinds_are_forwarded),
      cmocka_unit_test(checksums_stay_right),
      cmocka_unit_test(a_checksum_that_was_left_open_goes_up),
      cmocka_unit_test(what_is_not_bound_goes_up),
      cmocka_unit_test(what_is_unusual_goes_up),
      cmocka_unit_test(ways_that_are_not_simple_go_up),
      cmocka_unit_test(bindings_come_and_go),
      cmocka_unit_test(a_grant_ends_in_the_kernel_too),
      cmocka_unit_test(the_kernels_part_is_counted),
      cmocka_unit_test(mutants_are_judged_as_by_user_space),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

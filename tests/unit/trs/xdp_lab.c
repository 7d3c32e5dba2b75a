#include "xdp_lab.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "base/span.h"

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, UDP_HEADER = 8, ROUTE_ID_BYTES = 4 };

const struct lab_node lab_nodes[LAB_NODES] = {
    [ALICE] = {"alice", "198.51.100.1:5001", "198.51.100.10", 0xa11ce001},
    [BOB] = {"bob", "198.51.100.2:5002", "198.51.100.10", 0xb0b00002},
    [ALICE6] = {"alice6", "[2001:db8:100::1]:6001", "2001:db8:100::10", 0xa11ce006},
    [BOB6] = {"bob6", "[2001:db8:100::2]:6002", "2001:db8:100::10", 0xb0b00006},
    [CAROL] = {"carol", "203.0.113.3:5003", "203.0.113.10", 0xca401003},
    [ERIN] = {"erin", "198.51.100.4:5004", "198.51.100.10", 0xe4140004},
    [FRANK] = {"frank", "198.51.100.5:5005", "198.51.100.10", 0xf4a40005},
};

/* ALICE6 and CAROL stand for a pair of both IP versions. */
static const enum lab_name pairs[][2] = {{ALICE, BOB},  {ALICE6, BOB6}, {ALICE, CAROL},
                                         {ALICE, ERIN}, {ALICE, FRANK}, {ALICE6, CAROL}};

static const char setting[] =
    "set -e\n"
    "ip link set lo up\n"
    "for which in all default; do echo 0 >/proc/sys/net/ipv6/conf/$which/accept_dad; done\n"
    "for number in 0 1; do\n"
    "  ip link add v$number address 02:00:00:00:01:0$number type veth peer name p$number\n"
    "  ip link set v$number up; ip link set p$number up\n"
    "done\n"
    "ip address add 198.51.100.10/24 dev v0\n"
    "ip address add 2001:db8:100::10/64 dev v0 nodad\n"
    "ip address add 203.0.113.10/24 dev v1\n"
    "ip route add 198.51.100.5/32 dev v0 mtu lock 1000\n"
    "for last in 1 2 5; do\n"
    "  ip neighbour add 198.51.100.$last lladdr 02:00:00:00:02:0$last dev v0\n"
    "  ip neighbour add 2001:db8:100::$last lladdr 02:00:00:00:02:0$last dev v0\n"
    "done\n"
    "ip neighbour add 203.0.113.3 lladdr 02:00:00:00:02:03 dev v1\n"
    "for version in 4 6; do echo 1 >/proc/sys/net/ipv$version/conf/lo/forwarding; done\n";

static const uint8_t own_mac[] = {2, 0, 0, 0, 1, 0};

static struct address address_of(const char *text) {
  struct address address;
  assert_int_equal(address_parse(text, LAB_PORT, &address), 0);
  return address;
}

int lab_prepare(void) {
  if (unshare(CLONE_NEWNET) != 0) {
    printf("SKIP: no network namespace can be made (%s); run as root\n", strerror(errno));
    return -1;
  }
  if (system(setting) != 0) {
    printf("SKIP: the test's network cannot be built; are iproute2 and veth there?\n");
    return -1;
  }
  const struct xdp_forward_config config = {.port = LAB_PORT, .any_interface = true};
  struct xdp_forward *forward;
  struct error error = {0};
  int code = xdp_forward_new(&config, &forward, &error);
  if (code == ERROR_PERMISSION) {
    printf("SKIP: %s\n", error.message);
    return -1;
  }
  if (code != 0) {
    printf("%s\n", error.message);
    exit(1);
  }
  xdp_forward_free(forward);
  return 0;
}

/* --- the relay --- */

static struct relay_place place_of(const struct lab_node *node) {
  struct relay_place place = {.remote = address_of(node->address)};
  assert_int_equal(ip_address_parse(node->local, &place.local), 0);
  return place;
}

static struct relay_table *table_open(void) {
  const struct relay_table_config config = {
      .nodes_max = LAB_NODES, .pairs_max = LAB_NODES, .pairs_per_node = LAB_NODES};
  struct relay_table *table = relay_table_new(&config);
  assert_non_null(table);
  relay_table_set_time(table, LAB_NOW);
  return table;
}

static struct relay_pair *bind_pair(struct relay_table *table, struct relay_node **nodes,
                                    const enum lab_name names[2]) {
  struct trs_grant grant = {.expires = LAB_NOW + LAB_HOUR};
  struct relay_pair *pair = NULL;
  struct error error = {0};
  for (size_t i = 0; i < 2; i++) {
    snprintf(grant.node[i].fqdn, sizeof(grant.node[i].fqdn), "%s", lab_nodes[names[i]].name);
    grant.node[i].route_id = lab_nodes[names[i]].route_id;
  }
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(relay_table_ask(table, nodes[names[i]], &grant, &pair, &error), 0);
  }
  assert_true(relay_pair_is_bound(pair));
  return pair;
}

static struct relay_pair *fill(struct relay_table *table, struct relay_node **nodes) {
  struct error error = {0};
  static char owner;
  for (size_t i = 0; i < LAB_NODES; i++) {
    struct relay_place place = place_of(&lab_nodes[i]);
    void *replaced;
    assert_int_equal(
        relay_table_connect(table, lab_nodes[i].name, &place, &owner, &nodes[i], &replaced, &error),
        0);
  }
  struct relay_pair *first = bind_pair(table, nodes, pairs[0]);
  for (size_t i = 1; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
    bind_pair(table, nodes, pairs[i]);
  }
  return first;
}

void lab_open(struct lab *lab, const char *bound) {
  struct xdp_forward_config config = {.port = LAB_PORT, .any_interface = true};
  if (bound != NULL) {
    assert_int_equal(ip_address_parse(bound, &config.ipv4), 0);
  }
  struct error error = {0};
  if (xdp_forward_new(&config, &lab->forward, &error) != 0) {
    fail_msg("%s", error.message);
  }
  lab->table = table_open();
  const struct relay_offload offload = xdp_forward_offload(lab->forward);
  relay_table_set_offload(lab->table, &offload);
  lab->alice_bob = fill(lab->table, lab->nodes);
  struct relay_node *unused[LAB_NODES];
  lab->reference = table_open();
  fill(lab->reference, unused);
}

void lab_close(struct lab *lab) {
  relay_table_free(lab->table);
  relay_table_free(lab->reference);
  xdp_forward_free(lab->forward);
}

void lab_part(struct lab *lab) {
  relay_table_disconnect(lab->table, lab->nodes[BOB]);
}

void lab_hasten(struct lab *lab, int64_t seconds) {
  relay_table_set_time(lab->table, LAB_NOW + LAB_HOUR - seconds);
  struct relay_place place = place_of(&lab_nodes[BOB]);
  relay_table_move(lab->table, lab->nodes[BOB], &place);
}

/* --- frames --- */

static bool is_ipv6(const struct frame *frame) {
  return frame->bytes[12] == 0x86;
}

static void put16(uint8_t *at, size_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

size_t lab_udp(const struct frame *frame) {
  return LAB_IP + (is_ipv6(frame) ? IPV6_HEADER : IPV4_HEADER);
}

static uint32_t sum(uint32_t start, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    start += (uint32_t)data[i] << (i % 2 == 0 ? 8 : 0);
  }
  return start;
}

static uint16_t fold(uint32_t value) {
  while (value > 0xffff) {
    value = (value & 0xffff) + (value >> 16);
  }
  return (uint16_t)value;
}

/* Of the pseudo header and the datagram, its own checksum included: 0xffff if that is right. */
static uint16_t udp_sum(const struct frame *frame) {
  size_t at = lab_udp(frame), addresses = is_ipv6(frame) ? 32 : 8;
  size_t size = (size_t)frame->bytes[at + 4] << 8 | frame->bytes[at + 5];
  uint32_t value = sum((uint32_t)size + 17, frame->bytes + at - addresses, addresses);
  return fold(sum(value, frame->bytes + at, size));
}

void lab_seal(struct frame *frame) {
  uint8_t *ip = frame->bytes + LAB_IP, *udp = frame->bytes + lab_udp(frame);
  if (!is_ipv6(frame)) {
    put16(ip + 10, 0);
    put16(ip + 10, (uint16_t)~fold(sum(0, ip, IPV4_HEADER)));
  }
  put16(udp + 6, 0);
  uint16_t check = (uint16_t)~udp_sum(frame);
  put16(udp + 6, check == 0 ? 0xffff : check);
}

bool lab_is_sealed(const struct frame *frame) {
  const uint8_t *ip = frame->bytes + LAB_IP, *udp = frame->bytes + lab_udp(frame);
  bool header = is_ipv6(frame) || fold(sum(0, ip, IPV4_HEADER)) == 0xffff;
  bool none = !is_ipv6(frame) && udp[6] == 0 && udp[7] == 0;
  return header && (none || udp_sum(frame) == 0xffff);
}

struct frame lab_frame(enum lab_name from, enum lab_name to, size_t size) {
  struct relay_place place = place_of(&lab_nodes[from]);
  struct frame frame = {0};
  memcpy(frame.bytes, own_mac, sizeof(own_mac));
  memcpy(frame.bytes + 6, (const uint8_t[]){2, 0, 0, 0, 2, 1}, 6);
  uint8_t *ip = frame.bytes + LAB_IP;
  if (place.local.family == 4) {
    put16(frame.bytes + 12, 0x0800);
    ip[0] = 0x45;
    ip[1] = 2; /* ECT(0) */
    put16(ip + 2, IPV4_HEADER + UDP_HEADER + size);
    put16(ip + 6, 0x4000);
    ip[8] = 61;
    ip[9] = 17;
    memcpy(ip + 12, place.remote.ip.bytes, 4);
    memcpy(ip + 16, place.local.bytes, 4);
  } else {
    put16(frame.bytes + 12, 0x86dd);
    ip[0] = 0x60;
    ip[1] = 0x2a; /* ECT(0), and a flow label */
    put16(ip + 4, UDP_HEADER + size);
    ip[6] = 17;
    ip[7] = 61;
    memcpy(ip + 8, place.remote.ip.bytes, 16);
    memcpy(ip + 24, place.local.bytes, 16);
  }
  size_t at = lab_udp(&frame);
  put16(frame.bytes + at, place.remote.port);
  put16(frame.bytes + at + 2, LAB_PORT);
  put16(frame.bytes + at + 4, UDP_HEADER + size);
  uint8_t *payload = frame.bytes + at + UDP_HEADER;
  random_bytes(payload, size);
  payload[0] = (uint8_t)(0x40 | (payload[0] & 0x3f));
  put16(payload + 1, lab_nodes[to].route_id >> 16);
  put16(payload + 3, lab_nodes[to].route_id & 0xffff);
  frame.size = at + UDP_HEADER + size;
  lab_seal(&frame);
  return frame;
}

void lab_addresses(const struct frame *frame, struct address *source, struct address *destination) {
  size_t at = lab_udp(frame), size = is_ipv6(frame) ? 16 : 4;
  const uint8_t *udp = frame->bytes + at, *ips = udp - 2 * size;
  *source = *destination = (struct address){0};
  assert_int_equal(ip_address_from_bytes(&source->ip, ips, size), 0);
  assert_int_equal(ip_address_from_bytes(&destination->ip, ips + size, size), 0);
  source->port = (uint16_t)(udp[0] << 8 | udp[1]);
  destination->port = (uint16_t)(udp[2] << 8 | udp[3]);
}

/* --- judges --- */

int lab_run(const struct lab *lab, const struct frame *in, struct frame *out) {
  struct xdp_md context = {.data_end = (uint32_t)in->size, .ingress_ifindex = if_nametoindex("v0")};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes, .data_size_in = (uint32_t)in->size,
              .data_out = out->bytes, .data_size_out = sizeof(out->bytes), .ctx_in = &context,
              .ctx_size_in = sizeof(context), .repeat = 1);
  int code = bpf_prog_test_run_opts(xdp_forward_program(lab->forward), &options);
  if (code != 0) {
    fail_msg("the program does not run: %s", strerror(-code));
  }
  out->size = options.data_size_out;
  return (int)options.retval;
}

/* As dispatch.c reads it. */
static bool read_route_id(const uint8_t *payload, size_t size, uint32_t *route_id) {
  struct reader reader = reader_init(payload, size);
  if ((reader_u8(&reader) & 0x80) != 0) {
    (void)reader_u32(&reader);
    if (reader_u8(&reader) < ROUTE_ID_BYTES) {
      return false;
    }
  }
  *route_id = reader_u32(&reader);
  return !reader.failed;
}

bool lab_reference(const struct lab *lab, const struct frame *frame, struct relay_place *to) {
  struct address source, destination;
  lab_addresses(frame, &source, &destination);
  const uint8_t *udp = frame->bytes + lab_udp(frame);
  size_t size = (size_t)(udp[4] << 8 | udp[5]) - UDP_HEADER;
  uint32_t route_id;
  return destination.port == LAB_PORT && read_route_id(udp + UDP_HEADER, size, &route_id) &&
         relay_table_forward(lab->reference, &source, route_id, size, 0, to) == RELAY_FORWARD;
}

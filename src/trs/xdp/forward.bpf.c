// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Forwards the packets of bound pairs in the kernel, before a socket buffer is made of them. It
 * does for these exactly what the relay does in user space (dispatch.c, relay_table.c), and only
 * where that is simple: all else goes up, changed in nothing, and user space decides.
 *
 * Whatever is read of a packet lies before a check against its end, as the verifier demands. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>

#include "trs/xdp/flow.h"

#define FAMILY_IPV4     2  /* AF_INET, of the kernel's headers for programs in user space */
#define FAMILY_IPV6     10 /* AF_INET6 */
#define LOOPBACK_INDEX  1  /* of `lo` in any network namespace */
#define DONT_FRAGMENT   0x4000
#define ECN_MASK        3    /* of IPv4's type of service and IPv6's traffic class */
#define HEADER_FORM     0x80 /* RFC 8999 section 5: set in a long header */
#define ROUTE_ID_SIZE   4
#define SHORT_HEADER_ID 1 /* where the Destination Connection ID is */
#define LONG_HEADER_ID  6 /* after the version and the Connection ID's length */

#define WORDS_OF_ADDRESS 8 /* of 16 bits; IPv4 uses the first two */

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, XDP_FLOWS_MAX);
  __type(key, struct xdp_flow_key);
  __type(value, struct xdp_flow);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XDP_INTERFACES_MAX);
  __type(key, __u32);
  __type(value, struct xdp_interface);
} interfaces SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct xdp_totals);
} totals SEC(".maps");

/* The relay's UDP port in network byte order; the loader sets it. */
const volatile __u16 relay_port = 0;

/* A packet as far as it has been read. All code is compiled once for each IP version, which is a
 * constant in it (`is_ipv6`): were it a variable, the verifier could not tell which header is
 * there. */
struct packet {
  void *end;
  struct ethhdr *ethernet;
  union {
    struct iphdr *ipv4;
    struct ipv6hdr *ipv6;
  };
  struct udphdr *udp;
  __u16 size; /* of the IP packet without IPv6's header, which has no such field */
  __u16 payload;
};

/* --- checksums (RFC 1071, RFC 1624) --- */

static __always_inline __u16 fold(__u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)((sum & 0xffff) + (sum >> 16));
}

static __always_inline __u32 sum_words(const void *data, int count) {
  const __u16 *words = data;
  __u32 sum = 0;
#pragma unroll
  for (int i = 0; i < WORDS_OF_ADDRESS; i++) {
    if (i < count) {
      sum += words[i];
    }
  }
  return sum;
}

static __always_inline __u16 ipv4_header_sum(const struct iphdr *ipv4) {
  return fold(sum_words(ipv4, 5) + sum_words((const __u16 *)ipv4 + 5, 5));
}

/* What lies in the checksum's place where a local sender left it to a network card that never came
 * (CHECKSUM_PARTIAL, over a veth): the sum of the pseudo header alone. What we could put there
 * would not be completed by anybody. A true checksum has this value once in 65,536 packets. */
static __always_inline bool checksum_is_left_open(const struct packet *packet, __u32 addresses) {
  return packet->udp->check == fold(addresses + packet->udp->len + bpf_htons(IPPROTO_UDP));
}

/* `before` and `after` are sums of all words that change and are under the checksum. */
static __always_inline void checksum_update(struct udphdr *udp, __u32 before, __u32 after) {
  __u16 check = (__u16)~fold((__u16)~udp->check + (__u16)~fold(before) + (__u32)fold(after));
  udp->check = check == 0 ? 0xffff : check;
}

/* --- reading --- */

/* A plain header, valid, of a whole packet that may be forwarded once more. */
static __always_inline bool read_ipv4(struct packet *packet, struct xdp_flow_key *key) {
  struct iphdr *ipv4 = (struct iphdr *)(packet->ethernet + 1);
  if ((void *)(ipv4 + 1) > packet->end || ipv4->version != 4 || ipv4->ihl != 5 ||
      ipv4->protocol != IPPROTO_UDP || ipv4->ttl <= 1 ||
      (ipv4->frag_off & ~bpf_htons(DONT_FRAGMENT)) != 0 || ipv4_header_sum(ipv4) != 0xffff) {
    return false;
  }
  packet->ipv4 = ipv4;
  packet->size = bpf_ntohs(ipv4->tot_len);
  packet->udp = (struct udphdr *)(ipv4 + 1);
  if (packet->size < sizeof(*ipv4)) {
    return false;
  }
  packet->size -= sizeof(*ipv4);
  __builtin_memcpy(key->source, &ipv4->saddr, sizeof(ipv4->saddr));
  key->family = 4;
  return true;
}

static __always_inline bool read_ipv6(struct packet *packet, struct xdp_flow_key *key) {
  struct ipv6hdr *ipv6 = (struct ipv6hdr *)(packet->ethernet + 1);
  if ((void *)(ipv6 + 1) > packet->end || ipv6->version != 6 || ipv6->nexthdr != IPPROTO_UDP ||
      ipv6->hop_limit <= 1) {
    return false;
  }
  packet->ipv6 = ipv6;
  packet->size = bpf_ntohs(ipv6->payload_len);
  packet->udp = (struct udphdr *)(ipv6 + 1);
  __builtin_memcpy(key->source, &ipv6->saddr, sizeof(ipv6->saddr));
  key->family = 6;
  return true;
}

/* The UDP datagram fills the IP packet, and that the frame, but for Ethernet's padding. */
static __always_inline bool read_udp(struct xdp_md *context, struct packet *packet, bool is_ipv6,
                                     struct xdp_flow_key *key) {
  __u64 headers = sizeof(struct ethhdr) + (is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
  struct udphdr *udp = packet->udp;
  if ((void *)(udp + 1) > packet->end || udp->dest != relay_port ||
      bpf_ntohs(udp->len) != packet->size || packet->size < sizeof(*udp) ||
      packet->size > sizeof(*udp) + XDP_PAYLOAD_MAX ||
      headers + packet->size > bpf_xdp_get_buff_len(context)) {
    return false;
  }
  if (udp->check == 0 && is_ipv6) {
    return false; /* the kernel drops it (RFC 8200 section 8.1) */
  }
  packet->payload = packet->size - sizeof(*udp);
  key->source_port = udp->source;
  return true;
}

/* Without a branch on where it is, so that the verifier sees no offset that varies: to allow one
 * takes one more capability. */
static __always_inline bool copy_route_id(const struct packet *packet, int at,
                                          struct xdp_flow_key *key) {
  const __u8 *id = (const __u8 *)(packet->udp + 1) + at;
  if (packet->payload < at + ROUTE_ID_SIZE || (void *)(id + ROUTE_ID_SIZE) > packet->end) {
    return false;
  }
  __builtin_memcpy(&key->route_id, id, ROUTE_ID_SIZE);
  return true;
}

/* The first bytes of the Destination Connection ID, as dispatch.c reads them (RFC 8999). */
static __always_inline bool read_route_id(const struct packet *packet, struct xdp_flow_key *key) {
  const __u8 *data = (const __u8 *)(packet->udp + 1);
  if ((void *)(data + 1) > packet->end) {
    return false;
  }
  if ((data[0] & HEADER_FORM) == 0) {
    return copy_route_id(packet, SHORT_HEADER_ID, key);
  }
  return (void *)(data + LONG_HEADER_ID) <= packet->end &&
         data[LONG_HEADER_ID - 1] >= ROUTE_ID_SIZE && copy_route_id(packet, LONG_HEADER_ID, key);
}

static __always_inline bool is_equal(const void *one, const void *other, int words) {
  const __u16 *a = one, *b = other;
#pragma unroll
  for (int i = 0; i < WORDS_OF_ADDRESS; i++) {
    if (i < words && a[i] != b[i]) {
      return false;
    }
  }
  return true;
}

/* --- forwarding --- */

/* The kernel's own way for a packet of ours: as if it came from `lo`, since the interface that it
 * came from need not be a router's. False also where no neighbour is known, or the packet is too
 * large for the way. */
static __always_inline bool find_way(struct xdp_md *context, const struct packet *packet,
                                     bool is_ipv6, const struct xdp_flow *flow,
                                     struct bpf_fib_lookup *way) {
  way->ifindex = LOOPBACK_INDEX;
  way->l4_protocol = IPPROTO_UDP;
  way->sport = relay_port;
  way->dport = flow->port;
  if (!is_ipv6) {
    way->family = FAMILY_IPV4;
    way->tot_len = packet->size + sizeof(struct iphdr);
    __builtin_memcpy(&way->ipv4_src, flow->from, sizeof(way->ipv4_src));
    __builtin_memcpy(&way->ipv4_dst, flow->to, sizeof(way->ipv4_dst));
  } else {
    way->family = FAMILY_IPV6;
    way->tot_len = packet->size + sizeof(struct ipv6hdr);
    __builtin_memcpy(way->ipv6_src, flow->from, sizeof(way->ipv6_src));
    __builtin_memcpy(way->ipv6_dst, flow->to, sizeof(way->ipv6_dst));
  }
  return bpf_fib_lookup(context, way, sizeof(*way), 0) == BPF_FIB_LKUP_RET_SUCCESS;
}

/* The code point for congestion stays (RFC 3168), the service class does not: no more than what the
 * socket in user space passes on. */
static __always_inline void rewrite_ipv4(struct iphdr *ipv4, const struct xdp_flow *flow) {
  __builtin_memcpy(&ipv4->saddr, flow->from, sizeof(ipv4->saddr));
  __builtin_memcpy(&ipv4->daddr, flow->to, sizeof(ipv4->daddr));
  ipv4->tos &= ECN_MASK;
  ipv4->ttl--;
  ipv4->check = 0;
  ipv4->check = (__u16)~ipv4_header_sum(ipv4);
}

static __always_inline void rewrite_ipv6(struct ipv6hdr *ipv6, const struct xdp_flow *flow) {
  __builtin_memcpy(&ipv6->saddr, flow->from, sizeof(ipv6->saddr));
  __builtin_memcpy(&ipv6->daddr, flow->to, sizeof(ipv6->daddr));
  ipv6->priority = 0;
  ipv6->flow_lbl[0] &=
      (ECN_MASK << 4) | 0x0f; /* the traffic class's low half lies above the label */
  ipv6->hop_limit--;
}

static __always_inline void count(struct xdp_flow *flow, __u16 payload) {
  __sync_fetch_and_add(&flow->packets, 1);
  __sync_fetch_and_add(&flow->bytes, payload);
  __u32 zero = 0;
  struct xdp_totals *total = bpf_map_lookup_elem(&totals, &zero);
  if (total != 0) {
    total->packets++;
    total->bytes += payload;
  }
}

static __always_inline int forward(struct xdp_md *context, struct packet *packet, bool is_ipv6,
                                   struct xdp_flow *flow) {
  int words = is_ipv6 ? WORDS_OF_ADDRESS : 2;
  const void *addresses =
      is_ipv6 ? (const void *)&packet->ipv6->saddr : (const void *)&packet->ipv4->saddr;
  __u32 before = sum_words(addresses, words) + sum_words((const __u16 *)addresses + words, words);
  if (packet->udp->check != 0 && checksum_is_left_open(packet, before)) {
    return XDP_PASS;
  }
  struct bpf_fib_lookup way = {};
  if (!find_way(context, packet, is_ipv6, flow, &way)) {
    return XDP_PASS;
  }
  __u32 out = way.ifindex;
  /* Any other interface's driver might lose it in silence. */
  if (bpf_map_lookup_elem(&interfaces, &out) == 0) {
    return XDP_PASS;
  }
  if (packet->udp->check != 0) {
    __u32 after = sum_words(flow->from, words) + sum_words(flow->to, words);
    checksum_update(packet->udp, before + packet->udp->source + packet->udp->dest,
                    after + relay_port + flow->port);
  }
  packet->udp->source = relay_port;
  packet->udp->dest = flow->port;
  if (is_ipv6) {
    rewrite_ipv6(packet->ipv6, flow);
  } else {
    rewrite_ipv4(packet->ipv4, flow);
  }
  __builtin_memcpy(packet->ethernet->h_dest, way.dmac, ETH_ALEN);
  __builtin_memcpy(packet->ethernet->h_source, way.smac, ETH_ALEN);
  count(flow, packet->payload);
  return out == context->ingress_ifindex ? XDP_TX : (int)bpf_redirect(out, 0);
}

/* A host takes frames to its own address alone, whatever a switch floods. */
static __always_inline bool is_for_us(struct xdp_md *context, const struct ethhdr *ethernet) {
  __u32 index = context->ingress_ifindex;
  const struct xdp_interface *interface = bpf_map_lookup_elem(&interfaces, &index);
  return interface != 0 && is_equal(ethernet->h_dest, interface->mac, ETH_ALEN / 2);
}

static __always_inline int handle(struct xdp_md *context, struct packet *packet, bool is_ipv6) {
  struct xdp_flow_key key = {};
  if (!(is_ipv6 ? read_ipv6(packet, &key) : read_ipv4(packet, &key)) ||
      !read_udp(context, packet, is_ipv6, &key) || !read_route_id(packet, &key) ||
      !is_for_us(context, packet->ethernet)) {
    return XDP_PASS;
  }
  struct xdp_flow *flow = bpf_map_lookup_elem(&flows, &key);
  if (flow == 0 || bpf_ktime_get_coarse_ns() >= flow->deadline) {
    return XDP_PASS;
  }
  bool to_local = is_ipv6 ? is_equal(&packet->ipv6->daddr, flow->local, WORDS_OF_ADDRESS)
                          : is_equal(&packet->ipv4->daddr, flow->local, 2);
  return to_local ? forward(context, packet, is_ipv6, flow) : XDP_PASS;
}

SEC("xdp")
int forward_bound(struct xdp_md *context) {
  struct packet packet = {.end = (void *)(long)context->data_end,
                          .ethernet = (void *)(long)context->data};
  if ((void *)(packet.ethernet + 1) > packet.end) {
    return XDP_PASS;
  }
  switch (packet.ethernet->h_proto) {
  case bpf_htons(ETH_P_IP):
    return handle(context, &packet, false);
  case bpf_htons(ETH_P_IPV6):
    return handle(context, &packet, true);
  default:
    return XDP_PASS;
  }
}

/* The kernel lends bpf_fib_lookup to programs under a licence like its own, hence this file's two.
 */
const char forward_licence[] SEC("license") = "GPL";

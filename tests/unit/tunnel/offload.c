/* The whole way of a packet but for the network: out of a real TUN device in super-packets, cut,
 * joined, and back into the device, whose kernel must take it and find the bytes that were sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "../net/namespace.h"
#include "base/address.h"
#include "net/netlink.h"
#include "tunnel/join.h"
#include "tunnel/segment.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { MTU = 1400, TRANSFER_SIZE = 4 << 20, WAIT_MILLISECONDS = 10000 };

enum way { AS_IT_IS, CUT, CUT_SMALLER, CUT_AND_JOINED, CUT_AND_JOINED_BORROWED };

struct reflector {
  struct tun *tun;
  enum way way;
  enum tun_offload_kind kind;
  struct join *join;
  size_t packets, super_packets; /* that came out of the device */
  size_t cut;                    /* that they were cut into */
  size_t written, joined;        /* that went back; super-packets among them */
};

static struct ip_address ip(const char *text) {
  struct ip_address parsed;
  assert_int_equal(ip_address_parse(text, &parsed), 0);
  return parsed;
}

static int find_address(const struct nlattr *attribute, void *context) {
  struct ip_address *address = context;
  if (mnl_attr_get_type(attribute) == RTA_DST && mnl_attr_get_payload_len(attribute) == 16 &&
      memcmp(mnl_attr_get_payload(attribute), address->bytes, 16) == 0) {
    *address = (struct ip_address){0};
  }
  return MNL_CB_OK;
}

static int find_local_route(const struct nlmsghdr *header, void *context) {
  const struct rtmsg *route = mnl_nlmsg_get_payload(header);
  return header->nlmsg_type == RTM_NEWROUTE && route->rtm_type == RTN_LOCAL
             ? mnl_attr_parse(header, sizeof(*route), find_address, context)
             : MNL_CB_OK;
}

/* The kernel enters an IPv6 address into its routing table in its own time; until then it drops
 * what comes for it. */
static void await_local_route(struct mnl_socket *routes, struct ip_address address) {
  uint8_t buffer[16384] __attribute__((aligned(8)));
  while (ip_address_is_set(&address)) {
    wait_readable(mnl_socket_get_fd(routes));
    ssize_t got = mnl_socket_recvfrom(routes, buffer, sizeof(buffer));
    assert_true(got > 0);
    assert_true(mnl_cb_run(buffer, (size_t)got, 0, 0, find_local_route, &address) >= 0);
  }
}

/* With 10.9.0.1/24 and fd09::1/64. Skips the test without the rights or the offload. */
static struct tun *opened(unsigned offloads) {
  const struct tun_options options = {.offload = true};
  struct tun *tun;
  struct netlink *netlink;
  struct error error = {0};
  struct ip_address ipv4 = ip("10.9.0.1"), ipv6 = ip("fd09::1");
  int code = tun_open_with("test0", &options, &tun, &error);
  if (code == ERROR_NOT_FOUND || code == ERROR_PERMISSION) {
    print_message("%s\n", error.message);
    skip();
  }
  assert_int_equal(code, 0);
  if ((tun_offloads(tun) & offloads) != offloads) {
    tun_close(tun);
    skip();
  }
  struct mnl_socket *routes = mnl_socket_open(NETLINK_ROUTE);
  assert_non_null(routes);
  assert_int_equal(mnl_socket_bind(routes, RTMGRP_IPV6_ROUTE, MNL_SOCKET_AUTOPID), 0);
  assert_int_equal(netlink_open(&netlink, &error), 0);
  if (netlink_link_up(netlink, tun_index(tun), MTU, &error) != 0 ||
      netlink_address_add(netlink, tun_index(tun), &ipv4, 24, &error) != 0 ||
      netlink_address_add(netlink, tun_index(tun), &ipv6, 64, &error) != 0) {
    fail_msg("%s", error.message);
  }
  await_local_route(routes, ipv6);
  mnl_socket_close(routes);
  netlink_close(netlink);
  return tun;
}

/* Multicast of the host's own (neighbour discovery, MLD) makes no sense the other way round, hence
 * refusals are no failure by themselves. */
static void write_back(const struct span *spans, size_t count, const struct tun_offload *offload,
                       void *context) {
  struct reflector *reflector = context;
  reflector->written++;
  reflector->joined += offload->kind == TUN_OFFLOAD_NONE ? 0 : 1;
  (void)!tun_write_super(reflector->tun, spans, count, offload);
}

/* To and from change places: no checksum notices. What the host sends to its neighbour comes back
 * to it as the neighbour's. */
static void swap_hosts(uint8_t *packet) {
  size_t size = packet[0] >> 4 == 4 ? 4 : 16, offset = size == 4 ? 12 : 8;
  uint8_t source[16];
  memcpy(source, packet + offset, size);
  memcpy(packet + offset, packet + offset + size, size);
  memcpy(packet + offset + size, source, size);
}

static void send_piece(struct reflector *reflector, struct span packet) {
  static const struct tun_offload none = {0};
  reflector->cut++;
  if (reflector->join != NULL) {
    join_add(reflector->join, packet);
  } else {
    write_back(&packet, 1, &none, reflector);
  }
}

static void cut_up(struct reflector *reflector, struct span super,
                   const struct tun_offload *offload) {
  static uint8_t pieces[4 * TUN_PACKET_MAX];
  size_t packet_max = reflector->way == CUT_SMALLER ? 900 : MTU;
  uint8_t buffer[SEGMENT_HEAD_MAX];
  struct segment_cut cut;
  struct span head, body;
  assert_int_equal(segment_begin(&cut, super, offload, packet_max), 0);
  struct writer writer = writer_init(pieces, sizeof(pieces));
  while (segment_next(&cut, buffer, &head, &body)) {
    const uint8_t *piece = pieces + writer.size;
    writer_bytes(&writer, head.data, head.size);
    writer_bytes(&writer, body.data, body.size);
    assert_false(writer.failed);
    send_piece(reflector, (struct span){piece, head.size + body.size});
  }
  if (reflector->join != NULL) {
    join_flush(reflector->join);
  }
}

static void reflect(struct reflector *reflector) {
  static uint8_t packet[TUN_PACKET_MAX];
  size_t size;
  struct tun_offload offload;
  int code;
  while ((code = tun_read_super(reflector->tun, packet, sizeof(packet), &size, &offload)) == 0) {
    reflector->packets++;
    if (offload.kind != TUN_OFFLOAD_NONE) {
      assert_int_equal(offload.kind, reflector->kind);
      assert_true(offload.needs_checksum);
      reflector->super_packets++;
    }
    swap_hosts(packet);
    const struct span whole = {packet, size};
    if (reflector->way == AS_IT_IS) {
      write_back(&whole, 1, &offload, reflector);
    } else {
      cut_up(reflector, whole, &offload);
    }
  }
  assert_int_equal(code, ERROR_AGAIN);
}

static void reflector_open(struct reflector *reflector, enum way way, enum tun_offload_kind kind) {
  *reflector = (struct reflector){.way = way, .kind = kind};
  reflector->tun = opened(kind == TUN_OFFLOAD_UDP ? TUN_OFFLOADS_UDP : TUN_OFFLOADS_TCP);
  const struct join_config config = {
      .udp = kind == TUN_OFFLOAD_UDP,
      .copy = way == CUT_AND_JOINED,
      .emit = write_back,
      .context = reflector,
  };
  struct error error = {0};
  if (way >= CUT_AND_JOINED) {
    assert_int_equal(join_new(&config, &reflector->join, &error), 0);
  }
}

static void reflector_close(struct reflector *reflector) {
  print_message("%zu packets out, %zu of them super-packets; cut into %zu; %zu back, %zu of them "
                "super-packets\n",
                reflector->packets, reflector->super_packets, reflector->cut, reflector->written,
                reflector->joined);
  join_free(reflector->join);
  tun_close(reflector->tun);
}

/* --- what is sent through it --- */

static uint8_t content_at(size_t offset) {
  return (uint8_t)(offset * 7 + offset / 251 + offset / 65521);
}

static socklen_t endpoint(const char *text, uint16_t port, struct sockaddr_storage *storage) {
  struct ip_address address = ip(text);
  memset(storage, 0, sizeof(*storage));
  if (address.family == 4) {
    struct sockaddr_in *in = (struct sockaddr_in *)storage;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, address.bytes, 4);
    return sizeof(*in);
  }
  struct sockaddr_in6 *in = (struct sockaddr_in6 *)storage;
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(port);
  memcpy(&in->sin6_addr, address.bytes, 16);
  return sizeof(*in);
}

static int bound_socket(const char *own, int type, uint16_t port) {
  struct sockaddr_storage address;
  socklen_t size = endpoint(own, port, &address);
  int descriptor = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int yes = 1;
  assert_true(descriptor >= 0);
  assert_int_equal(setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
  assert_int_equal(bind(descriptor, (struct sockaddr *)&address, size), 0);
  return descriptor;
}

struct transfer {
  int listener, from, to; /* -1: not there yet */
  size_t sent, received;
};

static void transfer_send(struct transfer *transfer) {
  uint8_t chunk[65536];
  while (transfer->sent < TRANSFER_SIZE) {
    size_t size = TRANSFER_SIZE - transfer->sent;
    size = size < sizeof(chunk) ? size : sizeof(chunk);
    for (size_t i = 0; i < size; i++) {
      chunk[i] = content_at(transfer->sent + i);
    }
    ssize_t sent = send(transfer->from, chunk, size, MSG_NOSIGNAL);
    if (sent <= 0) {
      return;
    }
    transfer->sent += (size_t)sent;
  }
}

static void transfer_receive(struct transfer *transfer) {
  uint8_t chunk[65536];
  ssize_t got;
  if (transfer->to < 0) {
    transfer->to = accept4(transfer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  }
  while (transfer->to >= 0 && (got = recv(transfer->to, chunk, sizeof(chunk), 0)) > 0) {
    for (size_t i = 0; i < (size_t)got; i++) {
      if (chunk[i] != content_at(transfer->received + i)) {
        fail_msg("byte %zu came as 0x%02x", transfer->received + i, chunk[i]);
      }
    }
    transfer->received += (size_t)got;
  }
}

static void tcp_passes(void **state, const char *own, const char *neighbour, enum way way,
                       enum tun_offload_kind kind) {
  namespace_need(state);
  struct reflector reflector;
  reflector_open(&reflector, way, kind);
  struct transfer transfer = {.listener = bound_socket(own, SOCK_STREAM, 5001),
                              .from = bound_socket(own, SOCK_STREAM, 0),
                              .to = -1};
  struct sockaddr_storage remote;
  socklen_t size = endpoint(neighbour, 5001, &remote);
  assert_int_equal(listen(transfer.listener, 1), 0);
  (void)!connect(transfer.from, (struct sockaddr *)&remote, size);
  while (transfer.received < TRANSFER_SIZE) {
    struct pollfd items[] = {
        {.fd = tun_descriptor(reflector.tun), .events = POLLIN},
        {.fd = transfer.from, .events = transfer.sent < TRANSFER_SIZE ? POLLOUT : 0},
        {.fd = transfer.to < 0 ? transfer.listener : transfer.to, .events = POLLIN},
    };
    assert_true(poll(items, 3, WAIT_MILLISECONDS) > 0);
    transfer_send(&transfer);
    reflect(&reflector);
    transfer_receive(&transfer);
  }
  close(transfer.listener);
  close(transfer.from);
  close(transfer.to);
  reflector_close(&reflector);
  assert_in_range(reflector.super_packets, 1, TRANSFER_SIZE / MTU / 2);
  if (way == AS_IT_IS) {
    assert_int_equal(reflector.joined, reflector.super_packets);
  } else if (way >= CUT_AND_JOINED) {
    assert_true(reflector.cut > TRANSFER_SIZE / MTU);
    assert_in_range(reflector.joined, 1, TRANSFER_SIZE / MTU / 2);
  } else {
    assert_true(reflector.cut > TRANSFER_SIZE / (way == CUT ? MTU : 900));
    assert_int_equal(reflector.joined, 0);
  }
}

static void tcp_passes_both_ways(void **state, enum way way) {
  tcp_passes(state, "10.9.0.1", "10.9.0.2", way, TUN_OFFLOAD_TCP_IPV4);
  tcp_passes(state, "fd09::1", "fd09::2", way, TUN_OFFLOAD_TCP_IPV6);
}

static void tcp_passes_in_super_packets(void **state) {
  tcp_passes_both_ways(state, AS_IT_IS);
}

static void tcp_passes_cut(void **state) {
  tcp_passes_both_ways(state, CUT);
}

static void tcp_passes_cut_smaller_than_it_asked(void **state) {
  tcp_passes_both_ways(state, CUT_SMALLER);
}

static void tcp_passes_cut_and_joined(void **state) {
  tcp_passes_both_ways(state, CUT_AND_JOINED);
}

static void tcp_passes_cut_and_joined_where_it_lies(void **state) {
  tcp_passes_both_ways(state, CUT_AND_JOINED_BORROWED);
}

static void udp_passes(void **state, const char *own, const char *neighbour, enum way way) {
  enum { EACH = 1000, COUNT = 20, LAST = 300 };
  namespace_need(state);
  struct reflector reflector;
  reflector_open(&reflector, way, TUN_OFFLOAD_UDP);
  int from = bound_socket(own, SOCK_DGRAM, 0), to = bound_socket(own, SOCK_DGRAM, 5001);
  int each = EACH;
  assert_int_equal(setsockopt(from, IPPROTO_UDP, UDP_SEGMENT, &each, sizeof(each)), 0);
  uint8_t data[(COUNT - 1) * EACH + LAST], got[2 * EACH];
  for (size_t i = 0; i < sizeof(data); i++) {
    data[i] = content_at(i);
  }
  struct sockaddr_storage remote;
  socklen_t size = endpoint(neighbour, 5001, &remote);
  assert_int_equal(sendto(from, data, sizeof(data), 0, (struct sockaddr *)&remote, size),
                   sizeof(data));
  while (reflector.super_packets == 0) {
    wait_readable(tun_descriptor(reflector.tun));
    reflect(&reflector);
  }
  for (size_t i = 0; i < COUNT; i++) {
    wait_readable(to);
    size_t expected = i + 1 == COUNT ? LAST : EACH;
    assert_int_equal(recv(to, got, sizeof(got), 0), expected);
    assert_memory_equal(got, data + i * EACH, expected);
  }
  assert_int_equal(reflector.joined, way == CUT ? 0 : 1);
  close(from);
  close(to);
  reflector_close(&reflector);
}

static void udp_passes_cut(void **state) {
  udp_passes(state, "10.9.0.1", "10.9.0.2", CUT);
  udp_passes(state, "fd09::1", "fd09::2", CUT);
}

static void udp_passes_cut_and_joined(void **state) {
  udp_passes(state, "10.9.0.1", "10.9.0.2", CUT_AND_JOINED);
  udp_passes(state, "fd09::1", "fd09::2", CUT_AND_JOINED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tcp_passes_in_super_packets),
      cmocka_unit_test(tcp_passes_cut),
      cmocka_unit_test(tcp_passes_cut_smaller_than_it_asked),
      cmocka_unit_test(tcp_passes_cut_and_joined),
      cmocka_unit_test(tcp_passes_cut_and_joined_where_it_lies),
      cmocka_unit_test(udp_passes_cut),
      cmocka_unit_test(udp_passes_cut_and_joined),
  };
  return cmocka_run_group_tests(tests, namespace_enter, NULL);
}

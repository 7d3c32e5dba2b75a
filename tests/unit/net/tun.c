#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "base/error.h"
#include "namespace.h"
#include "net/netlink.h"
#include "net/tun.h"
#include "net/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { MTU = 1400 };

static struct tun *opened_with(const char *name, const struct tun_options *options) {
  struct tun *tun = NULL;
  struct error error = {0};
  int code = tun_open_with(name, options, &tun, &error);
  if (code == ERROR_NOT_FOUND || code == ERROR_PERMISSION) {
    print_message("%s\n", error.message);
    skip();
  }
  if (code != 0) {
    fail_msg("%s", error.message);
  }
  return tun;
}

static struct tun *opened(const char *name) {
  const struct tun_options none = {0};
  return opened_with(name, &none);
}

static struct ip_address ip(const char *text) {
  struct ip_address parsed;
  assert_int_equal(ip_address_parse(text, &parsed), 0);
  return parsed;
}

/* With 10.9.0.1/24. */
static void bring_up(const struct tun *tun) {
  struct netlink *netlink;
  struct error error = {0};
  struct ip_address own = ip("10.9.0.1");
  assert_int_equal(netlink_open(&netlink, &error), 0);
  if (netlink_link_up(netlink, tun_index(tun), MTU, &error) != 0 ||
      netlink_address_add(netlink, tun_index(tun), &own, 24, &error) != 0) {
    fail_msg("%s", error.message);
  }
  netlink_close(netlink);
}

static struct tun *opened_up(const char *name) {
  struct tun *tun = opened(name);
  bring_up(tun);
  return tun;
}

static struct udp_socket *opened_socket(void) {
  struct address any = {.ip = {.family = 4}};
  struct udp_socket *socket;
  struct error error = {0};
  assert_int_equal(udp_socket_open(&any, &socket, &error), 0);
  return socket;
}

/* The next IPv4 packet; the kernel's own IPv6 housekeeping goes past. */
static size_t read_ipv4(struct tun *tun, uint8_t *data, size_t capacity) {
  for (;;) {
    size_t size;
    int code = tun_read(tun, data, capacity, &size);
    if (code == ERROR_AGAIN) {
      wait_readable(tun_descriptor(tun));
    } else if (code != 0) {
      fail_msg("tun_read: %s", error_name(code));
    } else if (size > 0 && data[0] >> 4 == 4) {
      return size;
    }
  }
}

static void a_device_lives_as_long_as_it_is_open(void **state) {
  namespace_need(state);
  struct tun *tun = opened("test0");
  assert_string_equal(tun_name(tun), "test0");
  assert_int_equal(tun_index(tun), if_nametoindex("test0"));
  assert_true(tun_index(tun) > 1);
  assert_true(tun_descriptor(tun) >= 0);
  tun_close(tun);
  assert_int_equal(if_nametoindex("test0"), 0);
}

static void the_kernel_fills_in_a_number(void **state) {
  namespace_need(state);
  struct tun *first = opened("number%d"), *second = opened("number%d");
  assert_string_equal(tun_name(first), "number0");
  assert_string_equal(tun_name(second), "number1");
  tun_close(first);
  tun_close(second);
}

static void a_name_in_use_is_an_error_that_says_what_to_do(void **state) {
  namespace_need(state);
  struct tun *first = opened("test0"), *second = NULL;
  struct error error = {0};
  assert_int_equal(tun_open("test0", &second, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, "ip link delete test0"));
  assert_int_equal(tun_open("lo", &second, &error), ERROR_EXISTS);
  assert_null(second);
  tun_close(first);
}

static void a_name_that_cannot_be_is_refused(void **state) {
  namespace_need(state);
  tun_close(opened("fifteen-letters"));
  static const char *const names[] = {"", "sixteen-letters0", "a/b", "a b", ".", "%s"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    struct tun *tun;
    struct error error = {0};
    assert_int_equal(tun_open(names[i], &tun, &error), ERROR_INVALID);
    assert_non_null(strstr(error.message, names[i]));
  }
}

static int open_device(void *context UNUSED) {
  struct tun *tun;
  struct error error = {0};
  int code = tun_open("test0", &tun, &error);
  return code == ERROR_PERMISSION && strstr(error.message, "as root") == NULL ? ERROR_INVALID
                                                                              : code;
}

static void without_the_right_no_device_is_made(void **state) {
  namespace_need(state);
  if (geteuid() != 0) {
    skip();
  }
  tun_close(opened("test0"));
  assert_int_equal(as_nobody(open_device, NULL), ERROR_PERMISSION);
}

static void without_a_packet_the_reader_is_told_to_come_again(void **state) {
  namespace_need(state);
  struct tun *tun = opened("test0");
  uint8_t data[100];
  size_t size;
  assert_int_equal(tun_read(tun, data, sizeof(data), &size), ERROR_AGAIN);
  tun_close(tun);
}

static void what_the_host_sends_comes_out_as_a_whole_packet(void **state) {
  namespace_need(state);
  struct tun *tun = opened_up("test0");
  struct udp_socket *socket = opened_socket();
  struct udp_packet packet = {
      .remote = {ip("10.9.0.2"), 443}, .data = (const uint8_t *)"hello", .size = 5};
  size_t sent;
  assert_int_equal(udp_socket_send(socket, &packet, 1, &sent), 0);
  uint8_t data[2000];
  assert_int_equal(read_ipv4(tun, data, sizeof(data)), 20 + 8 + 5);
  assert_memory_equal(data + 12, "\x0a\x09\x00\x01\x0a\x09\x00\x02", 8);
  assert_memory_equal(data + 28, "hello", 5);
  udp_socket_close(socket);
  tun_close(tun);
}

static uint16_t checksum_of(const void *data, size_t size) {
  const uint8_t *bytes = data;
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i += 2) {
    sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  }
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

struct datagram {
  struct iphdr ip;
  struct udphdr udp;
  char data[5];
} __attribute__((packed));

static struct datagram datagram_to(uint16_t port) {
  struct datagram datagram = {
      .ip = {.version = 4,
             .ihl = 5,
             .tot_len = htons(sizeof(datagram)),
             .ttl = 64,
             .protocol = IPPROTO_UDP,
             .saddr = htonl(0x0a090002),
             .daddr = htonl(0x0a090001)},
      .udp = {.source = htons(53), .dest = htons(port), .len = htons(13)},
      .data = "hello",
  };
  datagram.ip.check = checksum_of(&datagram, sizeof(datagram.ip));
  return datagram;
}

static void what_is_written_reaches_the_host(void **state) {
  namespace_need(state);
  struct tun *tun = opened_up("test0");
  struct udp_socket *socket = opened_socket();
  struct datagram datagram = datagram_to(udp_socket_port(socket));
  assert_int_equal(tun_write(tun, (const uint8_t *)&datagram, sizeof(datagram)), 0);
  wait_readable(udp_socket_descriptor(socket));
  const struct udp_packet *packets;
  size_t count;
  struct error error = {0};
  assert_int_equal(udp_socket_receive(socket, &packets, &count, &error), 0);
  assert_int_equal(count, 1);
  struct address expected = {ip("10.9.0.2"), 53};
  assert_true(address_equal(&packets[0].remote, &expected));
  assert_int_equal(packets[0].size, 5);
  udp_socket_close(socket);
  tun_close(tun);
}

static void what_is_no_ip_packet_is_not_taken(void **state) {
  namespace_need(state);
  struct tun *tun = opened_up("test0");
  static const uint8_t garbage[40] = {0x95};
  assert_int_equal(tun_write(tun, garbage, sizeof(garbage)), ERROR_INVALID);
  tun_close(tun);
}

static void a_device_that_is_down_takes_nothing(void **state) {
  namespace_need(state);
  struct tun *tun = opened("test0");
  struct datagram datagram = datagram_to(9);
  assert_int_equal(tun_write(tun, (const uint8_t *)&datagram, sizeof(datagram)), ERROR_CLOSED);
  tun_close(tun);
}

static void link_delete(unsigned interface) {
  uint8_t buffer[256] __attribute__((aligned(8)));
  struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
  assert_non_null(socket);
  struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
  header->nlmsg_type = RTM_DELLINK;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  struct ifinfomsg *link = mnl_nlmsg_put_extra_header(header, sizeof(*link));
  link->ifi_index = (int)interface;
  assert_true(mnl_socket_sendto(socket, header, header->nlmsg_len) > 0);
  assert_true(mnl_socket_recvfrom(socket, buffer, sizeof(buffer)) > 0);
  mnl_socket_close(socket);
}

static void a_device_deleted_by_somebody_else_is_closed(void **state) {
  namespace_need(state);
  struct tun *tun = opened_up("test0");
  link_delete(tun_index(tun));
  assert_int_equal(if_nametoindex("test0"), 0);
  uint8_t data[100];
  size_t size;
  assert_int_equal(tun_read(tun, data, sizeof(data), &size), ERROR_CLOSED);
  struct datagram datagram = datagram_to(9);
  assert_int_equal(tun_write(tun, (const uint8_t *)&datagram, sizeof(datagram)), ERROR_CLOSED);
  tun_close(tun);
}

/* --- offloads --- */

static struct tun *opened_with_offloads(unsigned needed) {
  const struct tun_options options = {.offload = true};
  struct tun *tun = opened_with("test0", &options);
  if ((tun_offloads(tun) & needed) != needed) {
    tun_close(tun);
    skip();
  }
  bring_up(tun);
  return tun;
}

static void a_device_has_no_offloads_unless_asked(void **state) {
  namespace_need(state);
  struct tun *tun = opened("test0");
  assert_int_equal(tun_offloads(tun), 0);
  tun_close(tun);
}

static void super_packets_of_tcp_need_checksums_left_out(void **state) {
  namespace_need(state);
  struct tun *tun = opened_with_offloads(TUN_OFFLOADS_CHECKSUM);
  unsigned offloads = tun_offloads(tun);
  assert_int_equal(offloads & ~7U, 0);
  assert_true((offloads & TUN_OFFLOADS_UDP) == 0 || (offloads & TUN_OFFLOADS_TCP) != 0);
  tun_close(tun);
}

static void a_device_has_as_many_queues_as_one_opens(void **state) {
  namespace_need(state);
  const struct tun_options options = {.offload = true, .multi_queue = true};
  struct tun *first = opened_with("test0", &options), *second, *third;
  struct error error = {0};
  assert_int_equal(tun_queue_open(first, &second, &error), 0);
  assert_int_equal(tun_queue_open(second, &third, &error), 0);
  assert_int_equal(tun_index(third), tun_index(first));
  assert_int_equal(tun_offloads(third), tun_offloads(first));
  tun_close(first);
  assert_int_equal(if_nametoindex("test0"), tun_index(second));
  tun_close(second);
  tun_close(third);
  assert_int_equal(if_nametoindex("test0"), 0);
}

static void a_device_for_one_queue_gets_no_second(void **state) {
  namespace_need(state);
  struct tun *tun = opened("test0"), *queue;
  struct error error = {0};
  assert_int_equal(tun_queue_open(tun, &queue, &error), ERROR_INVALID);
  tun_close(tun);
}

static void a_queue_of_a_deleted_device_is_no_new_device(void **state) {
  namespace_need(state);
  const struct tun_options options = {.multi_queue = true};
  struct tun *tun = opened_with("test0", &options), *queue;
  struct error error = {0};
  link_delete(tun_index(tun));
  assert_int_equal(tun_queue_open(tun, &queue, &error), ERROR_CLOSED);
  assert_int_equal(if_nametoindex("test0"), 0);
  tun_close(tun);
}

static void a_packet_may_be_written_in_pieces(void **state) {
  namespace_need(state);
  struct tun *tun = opened_up("test0");
  struct udp_socket *socket = opened_socket();
  struct datagram datagram = datagram_to(udp_socket_port(socket));
  const uint8_t *bytes = (const uint8_t *)&datagram;
  const struct span pieces[] = {{bytes, 20}, {bytes + 20, 0}, {bytes + 20, 9}, {bytes + 29, 4}};
  const struct tun_offload none = {0};
  assert_int_equal(tun_write_super(tun, pieces, 4, &none), 0);
  wait_readable(udp_socket_descriptor(socket));
  struct span many[TUN_SPANS_MAX + 1] = {{0}};
  assert_int_equal(tun_write_super(tun, many, TUN_SPANS_MAX + 1, &none), ERROR_LIMIT);
  udp_socket_close(socket);
  tun_close(tun);
}

static void an_offload_that_contradicts_its_packet_is_not_taken(void **state) {
  namespace_need(state);
  struct tun *tun = opened_up("test0");
  struct datagram datagram = datagram_to(9);
  const struct span packet = {(const uint8_t *)&datagram, sizeof(datagram)};
  const struct tun_offload no_size = {.kind = TUN_OFFLOAD_TCP_IPV4, .header_size = 28};
  assert_int_equal(tun_write_super(tun, &packet, 1, &no_size), ERROR_INVALID);
  const struct tun_offload outside = {
      .needs_checksum = true, .checksum_start = 20, .checksum_offset = 100};
  assert_int_equal(tun_write_super(tun, &packet, 1, &outside), ERROR_INVALID);
  tun_close(tun);
}

/* To and from change places: no checksum notices. What the host sends to its neighbour comes back
 * to it as the neighbour's. */
static void swap_hosts(uint8_t *packet) {
  uint8_t source[4];
  memcpy(source, packet + 12, 4);
  memcpy(packet + 12, packet + 16, 4);
  memcpy(packet + 16, source, 4);
}

/* Returns how many super-packets there were. */
static size_t reflect(struct tun *tun) {
  static uint8_t packet[TUN_PACKET_MAX];
  size_t size, super_packets = 0;
  struct tun_offload offload;
  int code;
  while ((code = tun_read_super(tun, packet, sizeof(packet), &size, &offload)) == 0) {
    if (offload.kind != TUN_OFFLOAD_NONE) {
      assert_int_equal(offload.kind, TUN_OFFLOAD_UDP);
      assert_true(offload.needs_checksum);
      assert_true(size > MTU);
      super_packets++;
    }
    const struct span whole = {packet, size};
    if (packet[0] >> 4 == 4) { /* not the kernel's own IPv6 housekeeping */
      swap_hosts(packet);
      assert_int_equal(tun_write_super(tun, &whole, 1, &offload), 0);
    }
  }
  assert_int_equal(code, ERROR_AGAIN);
  return super_packets;
}

static uint8_t content_at(size_t offset) {
  return (uint8_t)(offset * 7 + offset / 251 + offset / 65521);
}

static struct sockaddr_in endpoint(const char *text, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct ip_address parsed = ip(text);
  memcpy(&address.sin_addr, parsed.bytes, 4);
  return address;
}

static int bound_socket(uint16_t port) {
  struct sockaddr_in address = endpoint("10.9.0.1", port);
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_true(descriptor >= 0);
  assert_int_equal(bind(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
  return descriptor;
}

static void udp_passes_in_super_packets(void **state) {
  enum { EACH = 1000, COUNT = 20, LAST = 300 };
  namespace_need(state);
  struct tun *tun = opened_with_offloads(TUN_OFFLOADS_UDP);
  int from = bound_socket(0), to = bound_socket(5001);
  int each = EACH;
  assert_int_equal(setsockopt(from, IPPROTO_UDP, UDP_SEGMENT, &each, sizeof(each)), 0);
  uint8_t data[(COUNT - 1) * EACH + LAST], got[2 * EACH];
  for (size_t i = 0; i < sizeof(data); i++) {
    data[i] = content_at(i);
  }
  struct sockaddr_in remote = endpoint("10.9.0.2", 5001);
  assert_int_equal(sendto(from, data, sizeof(data), 0, (struct sockaddr *)&remote, sizeof(remote)),
                   sizeof(data));
  do {
    wait_readable(tun_descriptor(tun));
  } while (reflect(tun) == 0);
  for (size_t i = 0; i < COUNT; i++) {
    wait_readable(to);
    size_t expected = i + 1 == COUNT ? LAST : EACH;
    assert_int_equal(recv(to, got, sizeof(got), 0), expected);
    assert_memory_equal(got, data + i * EACH, expected);
  }
  close(from);
  close(to);
  tun_close(tun);
}

static void one_packet_at_a_time_a_super_packet_is_refused(void **state) {
  namespace_need(state);
  struct tun *tun = opened_with_offloads(TUN_OFFLOADS_CHECKSUM);
  int from = bound_socket(0);
  struct sockaddr_in remote = endpoint("10.9.0.2", 9);
  assert_int_equal(sendto(from, "x", 1, 0, (struct sockaddr *)&remote, sizeof(remote)), 1);
  uint8_t data[2000];
  size_t size;
  int code;
  do {
    wait_readable(tun_descriptor(tun));
    code = tun_read(tun, data, sizeof(data), &size);
  } while (code == 0);
  assert_int_equal(code, ERROR_INVALID);
  close(from);
  tun_close(tun);
}

static void closing_nothing_is_no_error(void **state UNUSED) {
  tun_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_device_lives_as_long_as_it_is_open),
      cmocka_unit_test(the_kernel_fills_in_a_number),
      cmocka_unit_test(a_name_in_use_is_an_error_that_says_what_to_do),
      cmocka_unit_test(a_name_that_cannot_be_is_refused),
      cmocka_unit_test(without_the_right_no_device_is_made),
      cmocka_unit_test(without_a_packet_the_reader_is_told_to_come_again),
      cmocka_unit_test(what_the_host_sends_comes_out_as_a_whole_packet),
      cmocka_unit_test(what_is_written_reaches_the_host),
      cmocka_unit_test(what_is_no_ip_packet_is_not_taken),
      cmocka_unit_test(a_device_that_is_down_takes_nothing),
      cmocka_unit_test(a_device_deleted_by_somebody_else_is_closed),
      cmocka_unit_test(a_device_has_no_offloads_unless_asked),
      cmocka_unit_test(super_packets_of_tcp_need_checksums_left_out),
      cmocka_unit_test(a_device_has_as_many_queues_as_one_opens),
      cmocka_unit_test(a_device_for_one_queue_gets_no_second),
      cmocka_unit_test(a_queue_of_a_deleted_device_is_no_new_device),
      cmocka_unit_test(a_packet_may_be_written_in_pieces),
      cmocka_unit_test(an_offload_that_contradicts_its_packet_is_not_taken),
      cmocka_unit_test(udp_passes_in_super_packets),
      cmocka_unit_test(one_packet_at_a_time_a_super_packet_is_refused),
      cmocka_unit_test(closing_nothing_is_no_error),
  };
  return cmocka_run_group_tests(tests, namespace_enter, NULL);
}

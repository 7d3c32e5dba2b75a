#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "namespace.h"
#include "net/source.h"
#include "net/udp.h"
#include "udp_fixture.h"

enum { LOOPBACK = 1 /* its index in every namespace */ };

static void packet_goes_from(const char *from, const char *to) {
  struct udp_socket *sender = udp_opened(from), *receiver = udp_opened(to);
  struct udp_packet packet = udp_packet_to(to, receiver, "hello", 5);
  udp_send_all(sender, &packet, 1);
  const struct udp_packet *received = udp_receive_one(receiver);
  struct address remote = udp_endpoint(from, udp_socket_port(sender)), local = udp_endpoint(to, 0);
  assert_true(address_equal(&received->remote, &remote));
  assert_true(ip_address_equal(&received->local, &local.ip));
  assert_int_equal(received->size, 5);
  assert_memory_equal(received->data, "hello", 5);
  assert_int_equal(received->ecn, 0);
  udp_expect_nothing(receiver);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void a_packet_arrives_with_both_addresses_ipv4(void **state UNUSED) {
  packet_goes_from("127.0.0.1", "127.0.0.1");
}

static void a_packet_arrives_with_both_addresses_ipv6(void **state UNUSED) {
  packet_goes_from("::1", "::1");
}

static void a_socket_on_any_address_tells_which_one_was_asked(void **state UNUSED) {
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("0.0.0.0");
  struct udp_packet packet = udp_packet_to("127.0.0.3", receiver, "x", 1);
  udp_send_all(sender, &packet, 1);
  struct address asked = udp_endpoint("127.0.0.3", 0);
  assert_true(ip_address_equal(&udp_receive_one(receiver)->local, &asked.ip));
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void the_source_of_a_packet_can_be_chosen(const char *any, const char *source,
                                                 const char *to) {
  struct udp_socket *sender = udp_opened(any), *receiver = udp_opened(to);
  struct udp_packet packet = udp_packet_to(to, receiver, "x", 1);
  packet.local = udp_endpoint(source, 0).ip;
  packet.ecn = 1;
  udp_send_all(sender, &packet, 1);
  const struct udp_packet *received = udp_receive_one(receiver);
  struct address expected = udp_endpoint(source, udp_socket_port(sender));
  assert_true(address_equal(&received->remote, &expected));
  assert_int_equal(received->ecn, 1);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

/* By an interface that does not lead there nothing goes. */
static void the_interface_of_a_packet_can_be_chosen(const char *any, const char *host) {
  struct udp_socket *sender = udp_opened(any), *receiver = udp_opened(host);
  struct udp_packet packets[] = {udp_packet_to(host, receiver, "x", 1),
                                 udp_packet_to(host, receiver, "y", 1)};
  packets[0].local = packets[1].local = udp_endpoint(host, 0).ip;
  packets[0].interface = 9999;
  packets[1].interface = LOOPBACK;
  udp_send_all(sender, packets, 2);
  const struct udp_packet *received = udp_receive_one(receiver);
  assert_memory_equal(received->data, "y", 1);
  assert_int_equal(received->interface, LOOPBACK);
  udp_expect_nothing(receiver);
  struct udp_counters counters;
  udp_socket_counters(sender, &counters);
  assert_int_equal(counters.barred, 1);
  assert_false(counters.segmentation_off);
  struct address remote = udp_endpoint(host, udp_socket_port(receiver));
  struct ip_address source = source_towards(&remote, LOOPBACK);
  assert_true(ip_address_equal(&source, &remote.ip));
  source = source_towards(&remote, 9999);
  assert_false(ip_address_is_set(&source));
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void the_interface_of_a_packet_can_be_chosen_ipv4(void **state UNUSED) {
  the_interface_of_a_packet_can_be_chosen("0.0.0.0", "127.0.0.1");
}

static void the_interface_of_a_packet_can_be_chosen_ipv6(void **state UNUSED) {
  the_interface_of_a_packet_can_be_chosen("::", "::1");
}

static void the_source_of_a_packet_can_be_chosen_ipv4(void **state UNUSED) {
  the_source_of_a_packet_can_be_chosen("0.0.0.0", "127.0.0.2", "127.0.0.1");
}

static void the_source_of_a_packet_can_be_chosen_ipv6(void **state UNUSED) {
  the_source_of_a_packet_can_be_chosen("::", "::1", "::1");
}

static void ecn_bits_travel(const char *text) {
  struct udp_socket *sender = udp_opened(text), *receiver = udp_opened(text);
  struct udp_packet packets[4];
  for (uint8_t i = 0; i < 4; i++) {
    packets[i] = udp_packet_to(text, receiver, "x", 1);
    packets[i].ecn = (uint8_t)(3 - i);
  }
  udp_send_all(sender, packets, 4);
  const struct udp_packet *received;
  assert_int_equal(udp_receive_some(receiver, &received), 4);
  for (uint8_t i = 0; i < 4; i++) {
    assert_int_equal(received[i].ecn, 3 - i);
  }
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void ecn_bits_travel_ipv4(void **state UNUSED) {
  ecn_bits_travel("127.0.0.1");
}

static void ecn_bits_travel_ipv6(void **state UNUSED) {
  ecn_bits_travel("::1");
}

static void more_than_a_batch_arrives_whole_and_in_order(void **state UNUSED) {
  enum { COUNT = 9 * UDP_RECEIVE_MESSAGES + 7 };
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  struct udp_packet packets[COUNT];
  uint8_t numbers[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    numbers[i] = (uint8_t)i;
    packets[i] = udp_packet_to("127.0.0.1", receiver, &numbers[i], 1);
  }
  udp_send_all(sender, packets, COUNT);
  size_t next = 0;
  while (next < COUNT) {
    const struct udp_packet *received;
    size_t count = udp_receive_some(receiver, &received);
    assert_in_range(count, 1, UDP_BATCH);
    for (size_t i = 0; i < count; i++) {
      assert_int_equal(received[i].data[0], next++);
    }
  }
  struct udp_counters counters;
  udp_socket_counters(receiver, &counters);
  assert_int_equal(counters.received_packets, COUNT);
  assert_int_equal(counters.received_bytes, COUNT);
  udp_socket_counters(sender, &counters);
  assert_int_equal(counters.sent_packets, COUNT);
  assert_int_equal(counters.sent_bytes, COUNT);
  assert_int_equal(counters.refused, 0);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void an_empty_packet_is_a_packet(void **state UNUSED) {
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  struct udp_packet packet = udp_packet_to("127.0.0.1", receiver, NULL, 0);
  udp_send_all(sender, &packet, 1);
  assert_int_equal(udp_receive_one(receiver)->size, 0);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void a_packet_too_long_is_dropped_and_counted(void **state UNUSED) {
  static const uint8_t data[UDP_PACKET_SIZE + 1] = {1};
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  const struct udp_packet packets[] = {
      udp_packet_to("127.0.0.1", receiver, data, UDP_PACKET_SIZE + 1),
      udp_packet_to("127.0.0.1", receiver, data, UDP_PACKET_SIZE),
  };
  udp_send_all(sender, packets, 2);
  assert_int_equal(udp_receive_one(receiver)->size, UDP_PACKET_SIZE);
  struct udp_counters counters;
  udp_socket_counters(receiver, &counters);
  assert_int_equal(counters.truncated, 1);
  assert_int_equal(counters.received_packets, 1);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void what_the_kernel_refuses_is_counted_and_the_rest_goes(void **state UNUSED) {
  static const uint8_t data[70000];
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  const struct udp_packet packets[] = {
      udp_packet_to("127.0.0.1", receiver, data, sizeof(data)), /* EMSGSIZE */
      udp_packet_to("127.0.0.1", receiver, "a", 1),
      udp_packet_to("::1", receiver, "x", 1), /* EAFNOSUPPORT */
      udp_packet_to("127.0.0.1", receiver, "b", 1),
      udp_packet_to("127.0.0.1", receiver, data, sizeof(data)),
  };
  udp_send_all(sender, packets, 5);
  const struct udp_packet *received;
  assert_int_equal(udp_receive_some(receiver, &received), 2);
  assert_int_equal(received[0].data[0], 'a');
  assert_int_equal(received[1].data[0], 'b');
  struct udp_counters counters;
  udp_socket_counters(sender, &counters);
  assert_int_equal(counters.refused, 3);
  assert_int_equal(counters.sent_packets, 2);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void sending_nothing_is_no_error(void **state UNUSED) {
  struct udp_socket *socket = udp_opened("127.0.0.1");
  udp_send_all(socket, NULL, 0);
  udp_socket_close(socket);
}

static void a_closed_port_at_the_other_end_does_no_harm(void **state UNUSED) {
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1"),
                    *gone = udp_opened("127.0.0.1");
  const struct udp_packet packets[] = {udp_packet_to("127.0.0.1", gone, "x", 1),
                                       udp_packet_to("127.0.0.1", receiver, "x", 1)};
  udp_socket_close(gone);
  udp_send_all(sender, packets, 2);
  udp_expect_nothing(sender);
  udp_send_all(sender, packets, 2);
  const struct udp_packet *received;
  assert_int_equal(udp_receive_some(receiver, &received), 2);
  struct udp_counters counters;
  udp_socket_counters(sender, &counters);
  assert_int_equal(counters.refused, 0);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void a_port_in_use_is_an_error_that_says_what_to_do(void **state UNUSED) {
  struct udp_socket *first = udp_opened("127.0.0.1"), *second = NULL;
  struct address address = udp_endpoint("127.0.0.1", udp_socket_port(first));
  struct error error = {0};
  assert_int_equal(udp_socket_open(&address, &second, &error), ERROR_EXISTS);
  assert_null(second);
  char text[ADDRESS_TEXT_SIZE];
  assert_non_null(strstr(error.message, address_text(&address, text)));
  assert_non_null(strstr(error.message, "another port"));
  udp_socket_close(first);
  assert_int_equal(udp_socket_open(&address, &second, &error), 0);
  assert_int_equal(udp_socket_port(second), address.port);
  udp_socket_close(second);
}

static void a_port_is_shared_only_by_those_who_join_its_first(void **state UNUSED) {
  const char *const hosts[] = {"127.0.0.1", "::1"};
  for (size_t i = 0; i < 2; i++) {
    struct address address = udp_endpoint(hosts[i], 0);
    struct udp_socket *first = NULL, *other = NULL, *joined = NULL;
    struct error error = {0};
    int code = udp_socket_open_shared(&address, false, &first, &error);
    if (code == ERROR_UNREACHABLE || code == ERROR_NOT_FOUND) {
      continue; /* no IPv6 here */
    }
    assert_int_equal(code, 0);
    address.port = udp_socket_port(first);
    assert_int_equal(udp_socket_open_shared(&address, true, &joined, &error), 0);
    assert_int_equal(udp_socket_port(joined), address.port);
    /* Another program that would share it as well, or not. */
    assert_int_equal(udp_socket_open_shared(&address, false, &other, &error), ERROR_EXISTS);
    assert_non_null(strstr(error.message, "another port"));
    assert_int_equal(udp_socket_open(&address, &other, &error), ERROR_EXISTS);
    udp_socket_close(joined);
    udp_socket_close(first);
    assert_int_equal(udp_socket_open(&address, &other, &error), 0);
    udp_socket_close(other);
  }
}

static void a_program_chooses_among_those_who_share_a_port(void **state UNUSED) {
  enum { SOCKETS = 3 };
  const struct sock_filter program[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
                                        BPF_STMT(BPF_RET | BPF_A, 0)};
  struct address address = udp_endpoint("127.0.0.1", 0);
  struct udp_socket *sockets[SOCKETS], *sender = udp_opened("127.0.0.1");
  struct error error = {0};
  for (size_t i = 0; i < SOCKETS; i++) {
    assert_int_equal(udp_socket_open_shared(&address, i > 0, &sockets[i], &error), 0);
    address.port = udp_socket_port(sockets[0]);
  }
  assert_int_equal(udp_socket_steer(sockets[1], program, 2, &error), 0);
  for (uint8_t i = 0; i < SOCKETS; i++) {
    const uint8_t data[] = {'x', i};
    const struct udp_packet packet = udp_packet_to("127.0.0.1", sockets[0], data, sizeof(data));
    udp_send_all(sender, &packet, 1);
    assert_int_equal(udp_receive_one(sockets[i])->data[1], i);
  }
  for (size_t i = 0; i < SOCKETS; i++) {
    udp_expect_nothing(sockets[i]);
    udp_socket_close(sockets[i]);
  }
  udp_socket_close(sender);
}

static void a_program_that_the_kernel_refuses_is_an_error(void **state UNUSED) {
  const struct sock_filter endless[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0)};
  const struct sock_filter fine[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  struct address address = udp_endpoint("127.0.0.1", 0);
  struct udp_socket *shared, *alone = udp_opened("127.0.0.1");
  struct error error = {0};
  assert_int_equal(udp_socket_open_shared(&address, false, &shared, &error), 0);
  assert_int_equal(udp_socket_steer(shared, endless, 1, &error), ERROR_SYSTEM);
  assert_non_null(strstr(error.message, "steer"));
  assert_int_equal(udp_socket_steer(alone, fine, 1, &error), ERROR_SYSTEM);
  udp_socket_close(shared);
  udp_socket_close(alone);
}

static void ipv4_and_ipv6_share_a_port(void **state UNUSED) {
  struct udp_socket *six = udp_opened("::"), *four = NULL;
  struct address address = udp_endpoint("0.0.0.0", udp_socket_port(six));
  struct error error = {0};
  assert_int_equal(udp_socket_open(&address, &four, &error), 0);
  udp_socket_close(four);
  udp_socket_close(six);
}

static void an_address_of_another_host_is_refused(void **state UNUSED) {
  struct address address = udp_endpoint("192.0.2.1", 0);
  struct udp_socket *socket;
  struct error error = {0};
  assert_int_equal(udp_socket_open(&address, &socket, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "192.0.2.1"));
}

static int open_low_port(void *context UNUSED) {
  struct address address = {.ip = {.family = 4}, .port = 1};
  struct udp_socket *socket;
  struct error error = {0};
  int code = udp_socket_open(&address, &socket, &error);
  return code == ERROR_PERMISSION && strstr(error.message, "CAP_NET_BIND_SERVICE") == NULL
             ? ERROR_INVALID
             : code;
}

static void a_low_port_needs_a_right(void **state UNUSED) {
  unsigned first = 0;
  FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
  if (geteuid() != 0 || file == NULL || fscanf(file, "%u", &first) != 1 || first <= 1) {
    first = 0;
  }
  if (file != NULL) {
    fclose(file);
  }
  if (first == 0) {
    skip();
  }
  assert_int_equal(as_nobody(open_low_port, NULL), ERROR_PERMISSION);
}

static int option_of(const struct udp_socket *socket, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  assert_int_equal(getsockopt(udp_socket_descriptor(socket), level, option, &value, &size), 0);
  return value;
}

static void packets_carry_df_and_path_mtu_discovery_is_ours(void **state UNUSED) {
  struct udp_socket *four = udp_opened("127.0.0.1");
  assert_int_equal(option_of(four, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
  assert_int_equal(option_of(four, SOL_SOCKET, SO_REUSEADDR), 0);
  assert_int_equal(option_of(four, SOL_SOCKET, SO_REUSEPORT), 0);
  int descriptor = udp_socket_descriptor(four);
  assert_true((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
  assert_true((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
  udp_socket_close(four);
  struct udp_socket *six = udp_opened("::1");
  assert_int_equal(option_of(six, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_PROBE);
  assert_int_equal(option_of(six, IPPROTO_IPV6, IPV6_V6ONLY), 1);
  udp_socket_close(six);
}

static void closing_nothing_is_no_error(void **state UNUSED) {
  udp_socket_close(NULL);
}

static void a_route_tells_the_source_it_would_use(void **state UNUSED) {
  struct address remote = udp_endpoint("127.0.0.9", 443), expected = udp_endpoint("127.0.0.1", 0);
  struct ip_address local;
  struct error error = {0};
  assert_int_equal(udp_socket_route_check(&remote, &local, &error), 0);
  assert_true(ip_address_equal(&local, &expected.ip));
}

/* Must be the last: a new namespace has only a loopback interface, and that is down. */
static void without_a_route_nothing_is_reachable(void **state) {
  namespace_enter(state);
  namespace_need(state);
  static const char *const remotes[] = {"192.0.2.1", "2001:db8::1"};
  for (size_t i = 0; i < 2; i++) {
    struct address remote = udp_endpoint(remotes[i], 443);
    struct ip_address local = {0};
    struct error error = {0};
    assert_int_equal(udp_socket_route_check(&remote, &local, &error), ERROR_UNREACHABLE);
    assert_non_null(strstr(error.message, remotes[i]));
    assert_false(ip_address_is_set(&local));
  }
  struct udp_socket *socket = udp_opened("0.0.0.0");
  struct udp_packet packet = udp_packet_to("192.0.2.1", socket, "x", 1);
  udp_send_all(socket, &packet, 1);
  struct udp_counters counters;
  udp_socket_counters(socket, &counters);
  assert_int_equal(counters.refused, 1);
  udp_socket_close(socket);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_packet_arrives_with_both_addresses_ipv4),
      cmocka_unit_test(a_packet_arrives_with_both_addresses_ipv6),
      cmocka_unit_test(a_socket_on_any_address_tells_which_one_was_asked),
      cmocka_unit_test(the_source_of_a_packet_can_be_chosen_ipv4),
      cmocka_unit_test(the_source_of_a_packet_can_be_chosen_ipv6),
      cmocka_unit_test(the_interface_of_a_packet_can_be_chosen_ipv4),
      cmocka_unit_test(the_interface_of_a_packet_can_be_chosen_ipv6),
      cmocka_unit_test(ecn_bits_travel_ipv4),
      cmocka_unit_test(ecn_bits_travel_ipv6),
      cmocka_unit_test(more_than_a_batch_arrives_whole_and_in_order),
      cmocka_unit_test(an_empty_packet_is_a_packet),
      cmocka_unit_test(a_packet_too_long_is_dropped_and_counted),
      cmocka_unit_test(what_the_kernel_refuses_is_counted_and_the_rest_goes),
      cmocka_unit_test(sending_nothing_is_no_error),
      cmocka_unit_test(a_closed_port_at_the_other_end_does_no_harm),
      cmocka_unit_test(a_port_in_use_is_an_error_that_says_what_to_do),
      cmocka_unit_test(a_port_is_shared_only_by_those_who_join_its_first),
      cmocka_unit_test(a_program_chooses_among_those_who_share_a_port),
      cmocka_unit_test(a_program_that_the_kernel_refuses_is_an_error),
      cmocka_unit_test(ipv4_and_ipv6_share_a_port),
      cmocka_unit_test(an_address_of_another_host_is_refused),
      cmocka_unit_test(a_low_port_needs_a_right),
      cmocka_unit_test(packets_carry_df_and_path_mtu_discovery_is_ours),
      cmocka_unit_test(closing_nothing_is_no_error),
      cmocka_unit_test(a_route_tells_the_source_it_would_use),
      cmocka_unit_test(without_a_route_nothing_is_reachable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

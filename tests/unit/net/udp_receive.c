#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/error.h"
#include "net/udp_internal.h"
#include "udp_fixture.h"

static uint8_t data[UDP_TRAIN_BYTES];

/* One message of the kernel's own making, cut into packets of `segment` bytes. */
static bool send_train(struct udp_socket *socket, const struct address *remote, size_t size,
                       uint16_t segment) {
  struct sockaddr_storage name;
  union {
    struct cmsghdr item;
    uint8_t space[CMSG_SPACE(sizeof(segment))];
  } control = {0};
  struct iovec vector = {data, size};
  struct msghdr header = {.msg_name = &name,
                          .msg_namelen = address_to_sockaddr(remote, &name),
                          .msg_iov = &vector,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control)};
  control.item.cmsg_level = IPPROTO_UDP;
  control.item.cmsg_type = UDP_SEGMENT;
  control.item.cmsg_len = CMSG_LEN(sizeof(segment));
  memcpy(CMSG_DATA(&control.item), &segment, sizeof(segment));
  return sendmsg(udp_socket_descriptor(socket), &header, 0) == (ssize_t)size;
}

static void joined_packets_come_apart(const char *text) {
  struct udp_socket *sender = udp_opened(text), *receiver = udp_opened(text);
  struct address remote = udp_endpoint(text, udp_socket_port(receiver));
  for (size_t i = 0; i < 10; i++) {
    memset(&data[i * 1000], (int)i + 1, 1000);
  }
  assert_true(send_train(sender, &remote, 9500, 1000));
  const struct udp_packet *packets;
  assert_int_equal(udp_receive_some(receiver, &packets), 10);
  struct address source = udp_endpoint(text, udp_socket_port(sender));
  for (size_t i = 0; i < 10; i++) {
    assert_true(address_equal(&packets[i].remote, &source));
    assert_true(ip_address_equal(&packets[i].local, &remote.ip));
    assert_int_equal(packets[i].size, i < 9 ? 1000 : 500);
    assert_memory_equal(packets[i].data, &data[i * 1000], packets[i].size);
  }
  assert_false(udp_socket_has_more(receiver));
  struct udp_counters counters;
  udp_socket_counters(receiver, &counters);
  assert_int_equal(counters.received_packets, 10);
  assert_int_equal(counters.received_bytes, 9500);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void joined_packets_come_apart_ipv4(void **state UNUSED) {
  joined_packets_come_apart("127.0.0.1");
}

static void joined_packets_come_apart_ipv6(void **state UNUSED) {
  joined_packets_come_apart("::1");
}

static void the_most_that_linux_joins_is_taken_whole(void **state UNUSED) {
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  struct address remote = udp_endpoint("127.0.0.1", udp_socket_port(receiver));
  size_t count = UDP_SEGMENTS_MAX;
  while (!send_train(sender, &remote, count * 10, 10)) {
    count /= 2; /* the limit of older kernels */
    assert_true(count > 0);
  }
  const struct udp_packet *packets;
  size_t got = udp_receive_some(receiver, &packets);
  assert_int_equal(got, count);
  assert_int_equal(packets[count - 1].size, 10);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void joined_packets_too_long_are_dropped_and_counted(void **state UNUSED) {
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  struct address remote = udp_endpoint("127.0.0.1", udp_socket_port(receiver));
  assert_true(send_train(sender, &remote, 3 * (UDP_PACKET_SIZE + 1) + 100, UDP_PACKET_SIZE + 1));
  assert_int_equal(udp_receive_one(receiver)->size, 100);
  struct udp_counters counters;
  udp_socket_counters(receiver, &counters);
  assert_int_equal(counters.truncated, 3);
  assert_int_equal(counters.received_packets, 1);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void a_full_call_says_that_there_may_be_more(void **state UNUSED) {
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  struct udp_packet packet = udp_packet_to("127.0.0.1", receiver, "x", 1);
  assert_false(udp_socket_has_more(receiver));
  for (size_t i = 0; i < 2 * UDP_RECEIVE_MESSAGES - 1; i++) {
    udp_send_all(sender, &packet, 1);
  }
  const struct udp_packet *packets;
  assert_int_equal(udp_receive_some(receiver, &packets), UDP_RECEIVE_MESSAGES);
  assert_true(udp_socket_has_more(receiver));
  assert_int_equal(udp_receive_some(receiver, &packets), UDP_RECEIVE_MESSAGES - 1);
  assert_false(udp_socket_has_more(receiver));
  udp_expect_nothing(receiver);
  assert_false(udp_socket_has_more(receiver));
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

static void full_messages_fill_the_storage_and_no_more(void **state UNUSED) {
  struct udp_socket *sender = udp_opened("127.0.0.1"), *receiver = udp_opened("127.0.0.1");
  struct address remote = udp_endpoint("127.0.0.1", udp_socket_port(receiver));
  int room = 0;
  socklen_t size = sizeof(room);
  assert_int_equal(getsockopt(udp_socket_descriptor(receiver), SOL_SOCKET, SO_RCVBUF, &room, &size),
                   0);
  if (room < 2 * UDP_RECEIVE_MESSAGES * UDP_RECEIVE_SIZE) { /* this user may not have so much */
    udp_socket_close(sender);
    udp_socket_close(receiver);
    skip();
  }
  const struct udp_packet *packets;
  size_t seen = 0;
  for (size_t i = 0; i < UDP_RECEIVE_MESSAGES; i++) {
    memset(data, (int)i, sizeof(data));
    assert_true(send_train(sender, &remote, 65000, 1300));
  }
  do {
    size_t count = udp_receive_some(receiver, &packets);
    for (size_t i = 0; i < count; i++, seen++) {
      assert_int_equal(packets[i].size, 1300);
      assert_int_equal(packets[i].data[1299], seen / 50);
    }
  } while (seen < 50 * UDP_RECEIVE_MESSAGES);
  udp_socket_close(sender);
  udp_socket_close(receiver);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(joined_packets_come_apart_ipv4),
      cmocka_unit_test(joined_packets_come_apart_ipv6),
      cmocka_unit_test(the_most_that_linux_joins_is_taken_whole),
      cmocka_unit_test(joined_packets_too_long_are_dropped_and_counted),
      cmocka_unit_test(a_full_call_says_that_there_may_be_more),
      cmocka_unit_test(full_messages_fill_the_storage_and_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

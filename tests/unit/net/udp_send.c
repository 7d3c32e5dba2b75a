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

enum { SIZE = 1200, PACKETS_MAX = 150, CALLS_MAX = 16 };

/* What stands where the kernel would: notes what it is given, and answers as told. */
static struct {
  struct {
    int taken; /* messages; -1: fails with `error`; ALL: all */
    int error;
  } answers[CALLS_MAX];
  size_t calls;
  size_t messages[CALLS_MAX];                     /* given in a call */
  size_t vectors[CALLS_MAX][UDP_SEND_PACKETS];    /* of each message */
  size_t bytes[CALLS_MAX][UDP_SEND_PACKETS];      /* of each message */
  uint16_t segments[CALLS_MAX][UDP_SEND_PACKETS]; /* sizes asked for, 0: none */
} kernel;

enum { ALL = 1000 };

static uint16_t segment_of(struct msghdr *header) {
  uint16_t segment = 0;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL;
       item = CMSG_NXTHDR(header, item)) {
    if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == UDP_SEGMENT) {
      memcpy(&segment, CMSG_DATA(item), sizeof(segment));
    }
  }
  return segment;
}

static int note(struct mmsghdr *messages, unsigned count) {
  size_t call = kernel.calls++;
  assert_in_range(call, 0, CALLS_MAX - 1);
  kernel.messages[call] = count;
  for (unsigned i = 0; i < count; i++) {
    struct msghdr *header = &messages[i].msg_hdr;
    kernel.segments[call][i] = segment_of(header);
    kernel.vectors[call][i] = header->msg_iovlen;
    kernel.bytes[call][i] = 0;
    for (size_t vector = 0; vector < header->msg_iovlen; vector++) {
      kernel.bytes[call][i] += header->msg_iov[vector].iov_len;
    }
  }
  if (kernel.answers[call].taken < 0) {
    errno = kernel.answers[call].error;
    return -1;
  }
  return (unsigned)kernel.answers[call].taken < count ? kernel.answers[call].taken : (int)count;
}

static int answer(int descriptor UNUSED, struct mmsghdr *messages, unsigned count,
                  int flags UNUSED) {
  return note(messages, count);
}

static int watch(int descriptor, struct mmsghdr *messages, unsigned count, int flags) {
  note(messages, count);
  return sendmmsg(descriptor, messages, count, flags);
}

/* Each packet has a number of its own, and lies apart from the others. */
static uint8_t storage[PACKETS_MAX][SIZE + 1];
static struct udp_packet packets[PACKETS_MAX];

static struct udp_socket *sender, *receiver, *other;

static int prepare(const char *text) {
  memset(&kernel, 0, sizeof(kernel));
  for (size_t i = 0; i < CALLS_MAX; i++) {
    kernel.answers[i].taken = ALL;
  }
  sender = udp_opened(text);
  receiver = udp_opened(text);
  other = udp_opened(text);
  sender->send.send = watch;
  for (size_t i = 0; i < PACKETS_MAX; i++) {
    memset(storage[i], (int)i, SIZE);
    packets[i] = udp_packet_to(text, receiver, storage[i], SIZE);
  }
  return 0;
}

static int prepare_ipv4(void **state UNUSED) {
  return prepare("127.0.0.1");
}

static int prepare_scripted(void **state) {
  prepare_ipv4(state);
  sender->send.send = answer;
  return 0;
}

static int finish(void **state UNUSED) {
  udp_socket_close(sender);
  udp_socket_close(receiver);
  udp_socket_close(other);
  sender = receiver = other = NULL;
  return 0;
}

static void fails(size_t call, int error) {
  kernel.answers[call].taken = -1;
  kernel.answers[call].error = error;
}

/* That `count` packets, those sent from `first` in steps of `step`, are what comes. */
static void expect_packets(struct udp_socket *socket, size_t first, size_t step, size_t count) {
  struct address remote = udp_endpoint("127.0.0.1", udp_socket_port(sender));
  for (size_t seen = 0; seen < count;) {
    const struct udp_packet *received;
    size_t some = udp_receive_some(socket, &received);
    assert_in_range(some, 1, count - seen);
    for (size_t i = 0; i < some; i++, seen++) {
      const struct udp_packet *sent = &packets[first + seen * step];
      assert_int_equal(received[i].size, sent->size);
      if (sent->size > 0) {
        assert_memory_equal(received[i].data, sent->data, sent->size);
      }
      assert_int_equal(received[i].ecn, sent->ecn);
      assert_int_equal(received[i].remote.port, remote.port);
    }
  }
  udp_expect_nothing(socket);
}

static struct udp_counters counters_of(const struct udp_socket *socket) {
  struct udp_counters counters;
  udp_socket_counters(socket, &counters);
  return counters;
}

/* --- what becomes a train, and arrives as it was --- */

static void a_train_with_a_short_last_packet_is_one_message(void) {
  packets[9].size = 300;
  udp_send_all(sender, packets, 10);
  assert_int_equal(kernel.calls, 1);
  assert_int_equal(kernel.messages[0], 1);
  assert_int_equal(kernel.segments[0][0], SIZE);
  assert_int_equal(kernel.bytes[0][0], 9 * SIZE + 300);
  expect_packets(receiver, 0, 1, 10);
  struct udp_counters counters = counters_of(sender);
  assert_int_equal(counters.sent_packets, 10);
  assert_int_equal(counters.sent_bytes, 9 * SIZE + 300);
  assert_int_equal(counters.refused, 0);
  assert_false(counters.segmentation_off);
  counters = counters_of(receiver);
  assert_int_equal(counters.received_packets, 10);
  assert_int_equal(counters.received_bytes, 9 * SIZE + 300);
}

static void a_train_with_a_short_last_packet_is_one_message_ipv4(void **state UNUSED) {
  a_train_with_a_short_last_packet_is_one_message();
}

static void a_train_with_a_short_last_packet_is_one_message_ipv6(void **state UNUSED) {
  prepare("::1");
  a_train_with_a_short_last_packet_is_one_message();
}

static void packets_of_mixed_sizes_arrive_as_sent(void **state UNUSED) {
  for (size_t i = 0; i < 100; i++) {
    packets[i].size = 1 + i * i * 7 % SIZE;
    packets[i].ecn = (uint8_t)(i / 20 % 4);
  }
  udp_send_all(sender, packets, 100);
  expect_packets(receiver, 0, 1, 100);
}

static void a_packet_longer_than_the_first_begins_another_train(void **state UNUSED) {
  packets[0].size = packets[1].size = packets[2].size = 100;
  udp_send_all(sender, packets, 6);
  assert_int_equal(kernel.messages[0], 2);
  assert_int_equal(kernel.bytes[0][0], 300);
  assert_int_equal(kernel.bytes[0][1], 3 * SIZE);
  expect_packets(receiver, 0, 1, 6);
}

static void nothing_follows_a_shorter_packet(void **state UNUSED) {
  packets[2].size = packets[3].size = 100;
  udp_send_all(sender, packets, 4);
  assert_int_equal(kernel.messages[0], 2);
  assert_int_equal(kernel.bytes[0][0], 2 * SIZE + 100);
  assert_int_equal(kernel.segments[0][1], 0);
  expect_packets(receiver, 0, 1, 4);
}

static void two_remotes_in_turn_make_no_train(void **state UNUSED) {
  for (size_t i = 1; i < 20; i += 2) {
    packets[i].remote.port = udp_socket_port(other);
  }
  udp_send_all(sender, packets, 20);
  assert_int_equal(kernel.messages[0], 20);
  expect_packets(receiver, 0, 2, 10);
  expect_packets(other, 1, 2, 10);
}

static void two_remotes_one_after_the_other_make_two(void **state UNUSED) {
  for (size_t i = 10; i < 20; i++) {
    packets[i].remote.port = udp_socket_port(other);
  }
  udp_send_all(sender, packets, 20);
  assert_int_equal(kernel.messages[0], 2);
  expect_packets(receiver, 0, 1, 10);
  expect_packets(other, 10, 1, 10);
}

static void another_source_or_ecn_ends_a_train(void **state UNUSED) {
  packets[2].ecn = packets[3].ecn = 1;
  packets[3].local = udp_endpoint("127.0.0.1", 0).ip;
  udp_send_all(sender, packets, 4);
  assert_int_equal(kernel.messages[0], 3);
  expect_packets(receiver, 0, 1, 4);
}

static void an_empty_packet_does_not_vanish_in_a_train(void **state UNUSED) {
  packets[2].size = packets[4].size = packets[5].size = 0;
  udp_send_all(sender, packets, 6);
  expect_packets(receiver, 0, 1, 6);
}

static void a_train_has_at_most_64_packets(void **state UNUSED) {
  for (size_t i = 0; i < PACKETS_MAX; i++) {
    packets[i].size = 10;
  }
  udp_send_all(sender, packets, PACKETS_MAX);
  assert_int_equal(kernel.calls, 2);
  assert_int_equal(kernel.messages[0], 3);
  assert_int_equal(kernel.bytes[0][0], 640);
  assert_int_equal(kernel.bytes[1][0], (PACKETS_MAX - UDP_SEND_PACKETS) * 10);
  expect_packets(receiver, 0, 1, PACKETS_MAX);
}

static void a_train_fits_a_datagram(void **state UNUSED) {
  udp_send_all(sender, packets, 60);
  assert_int_equal(kernel.messages[0], 2);
  assert_int_equal(kernel.bytes[0][0], UDP_TRAIN_BYTES / SIZE * SIZE);
  expect_packets(receiver, 0, 1, 60);
}

static void packets_that_lie_together_share_a_vector(void **state UNUSED) {
  for (size_t i = 0; i < 10; i++) {
    packets[i].data = &storage[0][i * 10];
    packets[i].size = 10;
  }
  packets[5].data = &storage[1][0];
  udp_send_all(sender, packets, 10);
  assert_int_equal(kernel.messages[0], 1);
  assert_int_equal(kernel.vectors[0][0], 3);
  expect_packets(receiver, 0, 1, 10);
}

/* --- what the kernel may say --- */

static void where_segmentation_is_refused_packets_go_one_by_one(const char *text, int level,
                                                                int option) {
  const int on = 1;
  finish(NULL);
  prepare(text);
  /* The checksum of a packet that has none cannot be left to who cuts it. */
  assert_int_equal(setsockopt(udp_socket_descriptor(sender), level, option, &on, sizeof(on)), 0);
  udp_send_all(sender, packets, 10);
  assert_true(counters_of(sender).segmentation_off);
  udp_send_all(sender, packets + 10, 10);
  assert_int_equal(kernel.calls, 3);
  assert_int_equal(kernel.messages[0], 1);
  assert_int_equal(kernel.messages[1], 10);
  assert_int_equal(kernel.messages[2], 10);
  assert_int_equal(counters_of(sender).refused, 0);
  assert_int_equal(counters_of(sender).sent_packets, 20);
  if (level == SOL_SOCKET) {
    expect_packets(receiver, 0, 1, 20);
  }
}

static void where_segmentation_is_refused_packets_go_one_by_one_ipv4(void **state UNUSED) {
  where_segmentation_is_refused_packets_go_one_by_one("127.0.0.1", SOL_SOCKET, SO_NO_CHECK);
}

static void where_segmentation_is_refused_packets_go_one_by_one_ipv6(void **state UNUSED) {
  where_segmentation_is_refused_packets_go_one_by_one("::1", IPPROTO_UDP, UDP_NO_CHECK6_TX);
}

static void each_refusal_to_cut_is_for_good(void **state UNUSED) {
  static const int errors[] = {EIO, EINVAL, EOPNOTSUPP};
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    sender->counters.segmentation_off = false;
    kernel.calls = 0;
    fails(0, errors[i]);
    udp_send_all(sender, packets, 10);
    assert_int_equal(kernel.calls, 2);
    assert_int_equal(kernel.messages[1], 10);
    assert_true(sender->counters.segmentation_off);
  }
  assert_int_equal(sender->counters.refused, 0);
}

static void a_train_that_exceeds_the_mtu_says_nothing_of_segmentation(void **state UNUSED) {
  packets[1].size = 100; /* a probe of the path's MTU before a packet that fits */
  fails(0, EINVAL);
  fails(1, EMSGSIZE);
  udp_send_all(sender, packets, 2);
  assert_int_equal(kernel.calls, 3);
  assert_int_equal(kernel.bytes[2][0], 100);
  assert_false(sender->counters.segmentation_off);
  assert_int_equal(sender->counters.refused, 1);
  assert_int_equal(sender->counters.sent_packets, 1);
  kernel.calls = 0;
  fails(0, EMSGSIZE);
  udp_send_all(sender, packets, 2);
  assert_false(sender->counters.segmentation_off);
}

static void after_a_refused_train_the_next_goes_as_one(void **state UNUSED) {
  for (size_t i = 4; i < 8; i++) {
    packets[i].remote.port = udp_socket_port(other);
  }
  fails(0, EMSGSIZE);
  udp_send_all(sender, packets, 8);
  assert_int_equal(kernel.calls, 2);
  assert_int_equal(kernel.messages[1], 5);
  assert_int_equal(kernel.bytes[1][4], 4 * SIZE);
}

static void a_train_without_a_way_is_lost_as_a_whole(void **state UNUSED) {
  packets[3].remote.port = packets[4].remote.port = udp_socket_port(other);
  fails(0, ENETUNREACH);
  udp_send_all(sender, packets, 5);
  assert_int_equal(kernel.calls, 2);
  assert_int_equal(kernel.messages[1], 1);
  assert_int_equal(sender->counters.refused, 3);
  assert_int_equal(sender->counters.sent_packets, 2);
}

static void a_full_buffer_is_told_in_packets(void **state UNUSED) {
  for (size_t i = 10; i < 20; i++) {
    packets[i].remote.port = udp_socket_port(other);
  }
  kernel.answers[0].taken = 1;
  fails(1, EAGAIN);
  size_t sent = 0;
  assert_int_equal(udp_socket_send(sender, packets, 20, &sent), ERROR_AGAIN);
  assert_int_equal(sent, 10);
  assert_int_equal(sender->counters.sent_packets, 10);
  assert_int_equal(sender->counters.sent_bytes, 10 * SIZE);
  udp_send_all(sender, packets + sent, 10);
  assert_int_equal(sender->counters.sent_packets, 20);
}

static void a_full_buffer_in_a_refused_train_is_told_in_packets(void **state UNUSED) {
  fails(0, EIO);
  kernel.answers[1].taken = 4;
  fails(2, EAGAIN);
  size_t sent = 0;
  assert_int_equal(udp_socket_send(sender, packets, 10, &sent), ERROR_AGAIN);
  assert_int_equal(sent, 4);
  assert_true(sender->counters.segmentation_off);
}

static void a_signal_interrupts_nothing(void **state UNUSED) {
  fails(0, EINTR);
  udp_send_all(sender, packets, 3);
  assert_int_equal(kernel.calls, 2);
  assert_int_equal(kernel.messages[1], 1);
}

#define TEST(name)     cmocka_unit_test_setup_teardown(name, prepare_ipv4, finish)
#define SCRIPTED(name) cmocka_unit_test_setup_teardown(name, prepare_scripted, finish)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_train_with_a_short_last_packet_is_one_message_ipv4),
      cmocka_unit_test_teardown(a_train_with_a_short_last_packet_is_one_message_ipv6, finish),
      TEST(packets_of_mixed_sizes_arrive_as_sent),
      TEST(a_packet_longer_than_the_first_begins_another_train),
      TEST(nothing_follows_a_shorter_packet),
      TEST(two_remotes_in_turn_make_no_train),
      TEST(two_remotes_one_after_the_other_make_two),
      TEST(another_source_or_ecn_ends_a_train),
      TEST(an_empty_packet_does_not_vanish_in_a_train),
      TEST(a_train_has_at_most_64_packets),
      TEST(a_train_fits_a_datagram),
      TEST(packets_that_lie_together_share_a_vector),
      TEST(where_segmentation_is_refused_packets_go_one_by_one_ipv4),
      TEST(where_segmentation_is_refused_packets_go_one_by_one_ipv6),
      SCRIPTED(each_refusal_to_cut_is_for_good),
      SCRIPTED(a_train_that_exceeds_the_mtu_says_nothing_of_segmentation),
      SCRIPTED(after_a_refused_train_the_next_goes_as_one),
      SCRIPTED(a_train_without_a_way_is_lost_as_a_whole),
      SCRIPTED(a_full_buffer_is_told_in_packets),
      SCRIPTED(a_full_buffer_in_a_refused_train_is_told_in_packets),
      SCRIPTED(a_signal_interrupts_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

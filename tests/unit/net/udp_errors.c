/* Whatever the kernel answers, for whatever packet and however often: each packet is sent once, in
 * order, or is counted as refused, and the ones behind it go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/error.h"
#include "namespace.h"
#include "net/udp_internal.h"
#include "udp_fixture.h"

enum {
  PACKETS = 200, /* more than a system call takes */
  SIZE = 100,
  BAD_PORT = 9,
  EVERY_TIME = -1,
};

/* What stands where the kernel would. Each packet bears its number; one answer is planned, for one
 * packet or for one remote. */
static struct {
  int error;
  int times;  /* that it is given, or EVERY_TIME; 0: never */
  int number; /* of the packet whose message fails; -1: any message to BAD_PORT fails */
  size_t calls;
  size_t passed; /* packets, all in order */
  size_t failed; /* packets of the message that failed last */
  int last;      /* the number of the last that passed */
} kernel;

static uint8_t storage[PACKETS][SIZE];
static struct udp_packet packets[PACKETS];
static struct udp_socket *sender;

static size_t bytes_of(const struct msghdr *header) {
  size_t bytes = 0;
  for (size_t i = 0; i < header->msg_iovlen; i++) {
    bytes += header->msg_iov[i].iov_len;
  }
  return bytes;
}

static int first_number(const struct msghdr *header) {
  return *(const uint8_t *)header->msg_iov[0].iov_base;
}

static bool is_to_fail(const struct msghdr *header) {
  const struct sockaddr_in *to = header->msg_name;
  int first = first_number(header), count = (int)(bytes_of(header) / SIZE);
  if (kernel.times == 0) {
    return false;
  }
  return kernel.number < 0 ? ntohs(to->sin_port) == BAD_PORT
                           : kernel.number >= first && kernel.number < first + count;
}

/* As the kernel does: an error that is not the first message's ends the call, and is told by the
 * next one. */
static int scripted_send(int descriptor UNUSED, struct mmsghdr *messages, unsigned count,
                         int flags UNUSED) {
  assert_in_range(++kernel.calls, 1, 3 * PACKETS);
  for (unsigned i = 0; i < count; i++) {
    const struct msghdr *header = &messages[i].msg_hdr;
    if (is_to_fail(header)) {
      if (i > 0) {
        return (int)i;
      }
      if (kernel.times > 0) {
        kernel.times--;
      }
      kernel.failed = bytes_of(header) / SIZE;
      errno = kernel.error;
      return -1;
    }
    assert_true(first_number(header) > kernel.last);
    size_t passed = bytes_of(header) / SIZE;
    kernel.last = first_number(header) + (int)passed - 1;
    kernel.passed += passed;
  }
  return (int)count;
}

static void plan(int error, int times, int number) {
  memset(&kernel, 0, sizeof(kernel));
  kernel.error = error;
  kernel.times = times;
  kernel.number = number;
  kernel.last = -1;
  memset(&sender->counters, 0, sizeof(sender->counters));
}

/* Single packets and trains in turn: of each ten, three to one remote, one to another, six to a
 * third. */
static int prepare(void **state UNUSED) {
  sender = udp_opened("127.0.0.1");
  sender->send.send = scripted_send;
  for (size_t i = 0; i < PACKETS; i++) {
    memset(storage[i], (int)i, SIZE);
    size_t place = i % 10;
    packets[i] = (struct udp_packet){.remote = udp_endpoint("127.0.0.1", place < 3    ? 1000
                                                                         : place == 3 ? BAD_PORT
                                                                                      : 1001),
                                     .data = storage[i],
                                     .size = SIZE};
  }
  return 0;
}

static int finish(void **state UNUSED) {
  udp_socket_close(sender);
  sender = NULL;
  return 0;
}

/* All were taken, and so many of them refused. */
static void expect(size_t refused) {
  assert_int_equal(kernel.passed, PACKETS - refused);
  assert_int_equal(sender->counters.refused, refused);
  assert_int_equal(sender->counters.sent_packets, PACKETS - refused);
  assert_int_equal(sender->counters.sent_bytes, (PACKETS - refused) * SIZE);
}

/* For the packets' own sake, or for lack of something; none is about trains. */
static const int losses[] = {ENOBUFS,     ENOMEM,       ECONNREFUSED, EPERM,        EACCES,
                             ENETUNREACH, EHOSTUNREACH, ENETDOWN,     EADDRNOTAVAIL};
static const int about_trains[] = {EMSGSIZE, EIO, EINVAL, EOPNOTSUPP};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void one_failure_anywhere_costs_its_message_only(void **state UNUSED) {
  for (size_t i = 0; i < COUNT(losses); i++) {
    for (int number = 0; number < PACKETS; number++) {
      plan(losses[i], 1, number);
      udp_send_all(sender, packets, PACKETS);
      expect(kernel.failed);
      assert_int_equal(kernel.times, 0);
      assert_in_range(kernel.failed, 1, 6);
      assert_false(sender->counters.segmentation_off);
    }
  }
}

static void a_train_that_fails_as_one_goes_one_by_one(void **state UNUSED) {
  for (size_t i = 0; i < COUNT(about_trains); i++) {
    for (int number = 0; number < PACKETS; number++) {
      plan(about_trains[i], 1, number);
      udp_send_all(sender, packets, PACKETS);
      expect(kernel.failed > 1 ? 0 : 1);
    }
  }
}

static void a_packet_that_always_fails_costs_itself_only(void **state UNUSED) {
  for (size_t i = 0; i < COUNT(about_trains); i++) {
    for (int number = 0; number < PACKETS; number++) {
      plan(about_trains[i], EVERY_TIME, number);
      udp_send_all(sender, packets, PACKETS);
      expect(1);
    }
  }
}

static void one_remote_fails(int error, size_t refused) {
  plan(error, EVERY_TIME, -1);
  udp_send_all(sender, packets, PACKETS);
  expect(refused);
  assert_false(sender->counters.segmentation_off);
}

static void one_remote_that_always_fails_hinders_no_other(void **state UNUSED) {
  for (int trains = 0; trains < 2; trains++) {
    for (size_t i = 0; i < PACKETS && trains; i++) { /* four of ten, in one train */
      packets[i].remote.port = i % 10 < 4 ? BAD_PORT : 1001;
    }
    for (size_t i = 0; i < COUNT(losses); i++) {
      one_remote_fails(losses[i], PACKETS / 10 * (trains ? 4 : 1));
    }
    for (size_t i = 0; i < COUNT(about_trains); i++) {
      one_remote_fails(about_trains[i], PACKETS / 10 * (trains ? 4 : 1));
    }
  }
}

static void where_all_fails_all_is_given_up(void **state UNUSED) {
  for (size_t i = 0; i < PACKETS; i++) {
    packets[i].remote.port = BAD_PORT;
  }
  for (size_t i = 0; i < COUNT(losses); i++) {
    plan(losses[i], EVERY_TIME, -1);
    udp_send_all(sender, packets, PACKETS);
    expect(PACKETS);
    /* A call a train, and not one a packet. */
    assert_in_range(kernel.calls, 1, PACKETS / 32);
  }
  for (size_t i = 0; i < COUNT(about_trains); i++) {
    plan(about_trains[i], EVERY_TIME, -1);
    udp_send_all(sender, packets, PACKETS);
    expect(PACKETS);
    assert_false(sender->counters.segmentation_off);
  }
}

static void a_full_buffer_anywhere_loses_nothing(void **state UNUSED) {
  for (int number = 0; number < PACKETS; number++) {
    plan(EAGAIN, 1, number);
    size_t sent = 0, more = 0;
    assert_int_equal(udp_socket_send(sender, packets, PACKETS, &sent), ERROR_AGAIN);
    assert_int_equal(sent, kernel.passed);
    assert_true(sent <= (size_t)number);
    assert_int_equal(udp_socket_send(sender, &packets[sent], PACKETS - sent, &more), 0);
    assert_int_equal(sent + more, PACKETS);
    expect(0);
  }
}

static void a_signal_anywhere_loses_nothing(void **state UNUSED) {
  for (int number = 0; number < PACKETS; number++) {
    plan(EINTR, 3, number);
    udp_send_all(sender, packets, PACKETS);
    expect(0);
  }
}

/* --- the kernel itself --- */

/* Only a connected socket hears of an ICMP error: so this one is, which ours never are. */
static void news_of_a_closed_port_does_not_stop_receiving(void **state UNUSED) {
  struct udp_socket *peer = udp_opened("127.0.0.1");
  struct address address = udp_endpoint("127.0.0.1", udp_socket_port(peer));
  struct sockaddr_storage name;
  struct error error = {0};
  socklen_t size = address_to_sockaddr(&address, &name);
  udp_socket_close(peer);
  sender->send.send = sendmmsg;
  struct udp_packet packet = {.remote = address, .data = storage[0], .size = SIZE};
  assert_int_equal(connect(udp_socket_descriptor(sender), (struct sockaddr *)&name, size), 0);
  udp_send_all(sender, &packet, 1);
  wait_readable(udp_socket_descriptor(sender)); /* the error makes it so */
  udp_expect_nothing(sender);
  assert_int_equal(udp_socket_open(&address, &peer, &error), 0);
  packet = udp_packet_to("127.0.0.1", sender, storage[0], SIZE);
  udp_send_all(peer, &packet, 1);
  assert_int_equal(udp_receive_one(sender)->size, SIZE);
  udp_socket_close(peer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, finish)
  const struct CMUnitTest tests[] = {
      TEST(one_failure_anywhere_costs_its_message_only),
      TEST(a_train_that_fails_as_one_goes_one_by_one),
      TEST(a_packet_that_always_fails_costs_itself_only),
      TEST(one_remote_that_always_fails_hinders_no_other),
      TEST(where_all_fails_all_is_given_up),
      TEST(a_full_buffer_anywhere_loses_nothing),
      TEST(a_signal_anywhere_loses_nothing),
      TEST(news_of_a_closed_port_does_not_stop_receiving),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

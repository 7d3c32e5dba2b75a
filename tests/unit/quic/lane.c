/* Which lane a packet is for: as we see it, and as the kernel does. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "net/udp.h"
#include "quic/lane.h"

static void an_id_says_its_lane_in_one_byte_and_is_random_otherwise(void **state UNUSED) {
  for (unsigned lanes = 2; lanes <= LANES_MAX; lanes++) {
    for (unsigned lane = 0; lane < lanes; lane++) {
      bool seen[256] = {false};
      for (unsigned value = 0; value < 256; value++) {
        uint8_t id[CONNECTION_ID_SIZE] = {1, 2, 3, 4, (uint8_t)value, 5, 6, 7};
        uint8_t marked[CONNECTION_ID_SIZE];
        memcpy(marked, id, sizeof(id));
        lane_mark(marked, lane, lanes);
        assert_int_equal(marked[LANE_BYTE] % lanes, lane);
        seen[marked[LANE_BYTE]] = true;
        id[LANE_BYTE] = marked[LANE_BYTE];
        assert_memory_equal(marked, id, sizeof(id));
      }
      for (unsigned value = lane; value < 256; value += lanes) {
        assert_true(seen[value]);
      }
    }
  }
}

/* Three lanes. */
struct sample {
  const char *what;
  size_t size;
  uint8_t packet[24];
  unsigned lane;
};

static const struct sample samples[] = {
    {"nothing", 0, {0}, 0},
    {"a short header alone", 1, {0x40}, 0},
    {"a short header that ends before the byte", 5, {0x40, 9, 9, 9, 9}, 0},
    {"a short header of lane 0", 20, {0x40, 9, 9, 9, 9, 0, 9, 9, 9}, 0},
    {"a short header of lane 1", 20, {0x40, 9, 9, 9, 9, 0xf1, 9, 9, 9}, 1},
    {"a short header of lane 2", 6, {0x7f, 9, 9, 9, 9, 0xfe, 9, 9, 9}, 2},
    {"a long header that ends before the size", 5, {0xc0, 0, 0, 0, 1}, 0},
    {"a long header that ends before the byte", 10, {0xc0, 0, 0, 0, 1, 8, 9, 9, 9, 9, 1}, 0},
    {"a long header to an id of lane 0", 24, {0xc0, 0, 0, 0, 1, 8, 9, 9, 9, 9, 3, 9, 9, 9}, 0},
    {"a long header to an id of lane 1", 24, {0xe0, 0, 0, 0, 1, 8, 9, 9, 9, 9, 4, 9, 9, 9}, 1},
    {"a long header to an id of lane 2", 11, {0xf0, 0, 0, 0, 1, 8, 9, 9, 9, 9, 5}, 2},
    {"a client's id, even", 24, {0xc0, 0, 0, 0, 1, 18, 9, 9, 9, 9, 0, 9}, 1},
    {"a client's id, odd", 24, {0xc0, 0, 0, 0, 1, 18, 9, 9, 9, 9, 1, 9}, 2},
    {"a client's id, of a multiple of lanes", 24, {0xc0, 0, 0, 0, 1, 18, 9, 9, 9, 9, 6, 9}, 1},
    {"no id", 24, {0xc0, 0, 0, 0, 1, 0, 9, 9, 9, 9, 3, 9}, 2},
};
enum { LANES = 3, SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static void a_packets_lane_is_told_by_its_id(void **state UNUSED) {
  for (size_t i = 0; i < SAMPLES; i++) {
    unsigned lane = lane_of(samples[i].packet, samples[i].size, LANES);
    if (lane != samples[i].lane) {
      fail_msg("%s: lane %u", samples[i].what, lane);
    }
  }
}

static void a_clients_own_id_is_never_for_lane_0(void **state UNUSED) {
  for (unsigned lanes = 2; lanes <= LANES_MAX; lanes++) {
    bool seen[LANES_MAX] = {false};
    for (unsigned value = 0; value < 256; value++) {
      const uint8_t packet[24] = {0xc0, 0, 0, 0, 1, 18, 9, 9, 9, 9, (uint8_t)value};
      unsigned lane = lane_of(packet, sizeof(packet), lanes);
      assert_true(lane < lanes);
      seen[lane] = true;
    }
    for (unsigned lane = 0; lane < lanes; lane++) {
      assert_int_equal(seen[lane], lane > 0);
    }
  }
}

/* --- the kernel's program --- */

struct group {
  struct udp_socket *sockets[LANES_MAX], *sender;
  unsigned lanes;
};

static const struct address here = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}};

static void must(int code, const struct error *error) {
  if (code != 0) {
    fail_msg("%s", error->message);
  }
}

static void group_open(struct group *group, unsigned lanes) {
  struct error error = {0};
  struct address address = here;
  struct sock_filter program[LANE_INSTRUCTIONS];
  *group = (struct group){.lanes = lanes};
  for (unsigned i = 0; i < lanes; i++) {
    must(udp_socket_open_shared(&address, i > 0, &group->sockets[i], &error), &error);
    address.port = udp_socket_port(group->sockets[0]);
  }
  lane_program(lanes, program);
  must(udp_socket_steer(group->sockets[lanes - 1], program, LANE_INSTRUCTIONS, &error), &error);
  must(udp_socket_open(&here, &group->sender, &error), &error);
}

static void group_close(struct group *group) {
  for (unsigned i = 0; i < group->lanes; i++) {
    udp_socket_close(group->sockets[i]);
  }
  udp_socket_close(group->sender);
}

/* The lane at which it comes out. */
static unsigned group_pass(struct group *group, const uint8_t *data, size_t size) {
  struct udp_packet packet = {.remote = here, .data = data, .size = size};
  packet.remote.port = udp_socket_port(group->sockets[0]);
  size_t sent = 0;
  assert_int_equal(udp_socket_send(group->sender, &packet, 1, &sent), 0);
  struct pollfd polled[LANES_MAX];
  for (unsigned i = 0; i < group->lanes; i++) {
    polled[i] = (struct pollfd){udp_socket_descriptor(group->sockets[i]), POLLIN, 0};
  }
  assert_int_equal(poll(polled, group->lanes, 10000), 1);
  unsigned lane = 0;
  while (polled[lane].revents == 0) {
    lane++;
  }
  const struct udp_packet *received;
  size_t count = 0;
  struct error error = {0};
  must(udp_socket_receive(group->sockets[lane], &received, &count, &error), &error);
  assert_int_equal(count, 1);
  return lane;
}

static void the_kernel_sees_it_the_same_way(void **state UNUSED) {
  struct group group;
  group_open(&group, LANES);
  for (size_t i = 0; i < SAMPLES; i++) {
    unsigned lane = group_pass(&group, samples[i].packet, samples[i].size);
    if (lane != samples[i].lane) {
      fail_msg("%s: lane %u", samples[i].what, lane);
    }
  }
  group_close(&group);
}

static void the_kernel_sees_any_packet_the_same_way(void **state UNUSED) {
  for (unsigned lanes = 2; lanes <= 5; lanes++) {
    struct group group;
    group_open(&group, lanes);
    for (int i = 0; i < 300; i++) {
      uint8_t packet[24];
      random_bytes(packet, sizeof(packet));
      if (i % 2 == 0) {
        packet[5] = CONNECTION_ID_SIZE;
      }
      size_t size = 1 + random_below(sizeof(packet));
      assert_int_equal(group_pass(&group, packet, size), lane_of(packet, size, lanes));
    }
    group_close(&group);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_id_says_its_lane_in_one_byte_and_is_random_otherwise),
      cmocka_unit_test(a_packets_lane_is_told_by_its_id),
      cmocka_unit_test(a_clients_own_id_is_never_for_lane_0),
      cmocka_unit_test(the_kernel_sees_it_the_same_way),
      cmocka_unit_test(the_kernel_sees_any_packet_the_same_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "udp_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "namespace.h"

struct address udp_endpoint(const char *text, uint16_t port) {
  struct address address = {.port = port};
  if (ip_address_parse(text, &address.ip) != 0) {
    fail_msg("%s", text);
  }
  return address;
}

struct udp_socket *udp_opened(const char *text) {
  struct address address = udp_endpoint(text, 0);
  struct udp_socket *socket = NULL;
  struct error error = {0};
  if (udp_socket_open(&address, &socket, &error) != 0) {
    if (address.ip.family == 6) {
      print_message("no IPv6 here: %s\n", error.message);
      skip();
    }
    fail_msg("%s", error.message);
  }
  assert_true(udp_socket_port(socket) > 0);
  return socket;
}

void udp_send_all(struct udp_socket *socket, const struct udp_packet *packets, size_t count) {
  size_t sent;
  assert_int_equal(udp_socket_send(socket, packets, count, &sent), 0);
  assert_int_equal(sent, count);
}

size_t udp_receive_some(struct udp_socket *socket, const struct udp_packet **packets) {
  struct error error = {0};
  size_t count;
  wait_readable(udp_socket_descriptor(socket));
  if (udp_socket_receive(socket, packets, &count, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return count;
}

const struct udp_packet *udp_receive_one(struct udp_socket *socket) {
  const struct udp_packet *packets;
  assert_int_equal(udp_receive_some(socket, &packets), 1);
  return packets;
}

void udp_expect_nothing(struct udp_socket *socket) {
  const struct udp_packet *packets;
  struct error error = {0};
  size_t count = 1;
  assert_int_equal(udp_socket_receive(socket, &packets, &count, &error), 0);
  assert_int_equal(count, 0);
}

struct udp_packet udp_packet_to(const char *text, const struct udp_socket *socket, const void *data,
                                size_t size) {
  return (struct udp_packet){
      .remote = udp_endpoint(text, udp_socket_port(socket)), .data = data, .size = size};
}

/* UDP sockets for tests; what does not work fails the test. */
#ifndef CYPHONIC_TESTS_NET_UDP_FIXTURE_H
#define CYPHONIC_TESTS_NET_UDP_FIXTURE_H

#include "net/udp.h"

struct address udp_endpoint(const char *text, uint16_t port);
/* On a port of the kernel's choice; skips the test where there is no IPv6. */
struct udp_socket *udp_opened(const char *text);
void udp_send_all(struct udp_socket *socket, const struct udp_packet *packets, size_t count);
/* Waits for something to read. */
size_t udp_receive_some(struct udp_socket *socket, const struct udp_packet **packets);
const struct udp_packet *udp_receive_one(struct udp_socket *socket);
void udp_expect_nothing(struct udp_socket *socket);
struct udp_packet udp_packet_to(const char *text, const struct udp_socket *socket, const void *data,
                                size_t size);

#endif

/* Which of the endpoints that share a UDP port, its lanes, a packet is for. Each lane's Connection
 * IDs say so in one byte; what a client chose itself, for its first packet, chooses a lane by
 * chance, but never lane 0. Pure. */
#ifndef CYPHONIC_QUIC_LANE_H
#define CYPHONIC_QUIC_LANE_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "quic/limits.h"

enum {
  LANE_BYTE = ROUTE_ID_SIZE, /* of a Connection ID: the one behind the route id; modulo `lanes` */
  LANE_INSTRUCTIONS = 13,
};

/* Makes a Connection ID of random bytes one of this lane's. */
void lane_mark(uint8_t *id, unsigned lane, unsigned lanes);
/* `lanes` is more than one. A packet that is too short to say is lane 0's. */
unsigned lane_of(const uint8_t *packet, size_t size, unsigned lanes);
/* The same as a program for udp_socket_steer, with sockets opened in the order of their lanes. */
void lane_program(unsigned lanes, struct sock_filter program[static LANE_INSTRUCTIONS]);

#endif

/* How two nodes reach each other: the paper's table 1, and what it does not know (dual stack, nodes
 * behind one NAT, NATs that can be punched), as pure functions. */
#ifndef CYPHONIC_NMS_DIRECTION_H
#define CYPHONIC_NMS_DIRECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "nms/view.h"

/* The rows and columns of table 1. */
enum direction_situation {
  SITUATION_IPV6,         /* an IPv6 address that others reach */
  SITUATION_IPV4_GLOBAL,  /* an IPv4 address, no NAT in between */
  SITUATION_IPV4_PRIVATE, /* IPv4 behind a NAT */
};
enum { SITUATION_COUNT = SITUATION_IPV4_PRIVATE + 1 };

enum direction_pattern {
  PATTERN_DIRECT = 1, /* no NAT in between: the initiator is the QUIC client */
  PATTERN_NAT = 2,    /* one side behind a NAT: that side is the client */
  PATTERN_RELAY = 3,  /* no direct path: through a TRS */
};

struct direction_rule {
  enum direction_pattern pattern;
  bool initiator_is_client; /* with PATTERN_RELAY, where the table leaves it open, true */
};

/* A cell of the paper's table 1. */
struct direction_rule direction_table(enum direction_situation initiator,
                                      enum direction_situation responder);

enum {
  DIRECTION_CANDIDATES_MAX = 8,
  /* Of one IP version, so that the other keeps its place when both are given. */
  DIRECTION_FAMILY_CANDIDATES_MAX = 4,
};

/* Real addresses to try, best first. */
struct direction_candidates {
  size_t count;
  struct address address[DIRECTION_CANDIDATES_MAX];
};

struct direction {
  struct direction_rule rule;
  struct direction_candidates initiator, responder; /* of each */
};

/* Who opens the QUIC connection. */
bool direction_initiator_is_client(const struct direction_rule *rule);

/* IPv6 first, where both have an IPv6 address that is reachable as it is (observed and not behind a
 * NAT, or never observed and global); IPv4 candidates follow where table 1 names the same client
 * for IPv4. Else IPv4 by table 1. Else a relay, and no candidates.
 *
 * A node's candidates of an IP version: its observed address, unless that is a NAT's and the node
 * the server, whom nobody reaches there; then its other own addresses that are global, or, where
 * the observed address is not global either (one LAN, server and all), any that is neither loopback
 * nor link-local. The server sends to the client's, so that its firewall lets the client in. */
void direction_choose(const struct view *initiator, const struct view *responder,
                      struct direction *direction);

/* Adds to a direction with PATTERN_RELAY where the two may meet when they already talk through the
 * relay and punch holes at the same time; to another direction it adds nothing. Nothing is added
 * without a common IP version. For each common one, IPv6 first: the observed address, NAT or not,
 * then the other own ones; behind one NAT (the same address observed) the own ones first, since
 * they lead there without the NAT, which may not turn packets round. An address that both nodes
 * have leads each to itself, and is left out.
 *
 * The responder becomes the client where its NAT's mapping is known to be endpoint-dependent and
 * the initiator's is not: who has a full cone NAT, or one that filters by address, can be reached
 * from there, but cannot reach there.
 *
 * With the other patterns such addresses are left out on purpose: there the first address that
 * answers is taken, and at a private one a stranger may answer. */
void direction_add_upgrade(const struct view *initiator, const struct view *responder,
                           struct direction *direction);

#endif

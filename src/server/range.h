/* Where a network's virtual addresses come from: chosen or checked against the networks that this
 * host already is in. Pure but for range_local_networks. */
#ifndef CYPHONIC_SERVER_RANGE_H
#define CYPHONIC_SERVER_RANGE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

/* A network of this host. */
struct range_network {
  char interface[IF_NAMESIZE];
  struct ip_address ip; /* the host's address in it */
  struct ip_prefix prefix;
};

/* Uniform in [0, bound): random_below, or a test's own. */
typedef uint32_t (*range_below)(uint32_t bound);

/* All networks of all interfaces that are up; *networks is freed by the caller with free(). */
int range_local_networks(struct range_network **networks, size_t *count,
                         struct error *error) MUST_CHECK;

/* A /16 of 10.0.0.0/8 that overlaps none of `networks`; ERROR_EXISTS if there is none. */
int range_choose_ipv4(const struct range_network *networks, size_t count, range_below below,
                      struct ip_prefix *range, struct error *error) MUST_CHECK;
/* A /64 of fd00::/8 (RFC 4193) that overlaps none of `networks`. */
int range_choose_ipv6(const struct range_network *networks, size_t count, range_below below,
                      struct ip_prefix *range, struct error *error) MUST_CHECK;

/* Parse and check what a user gave: IPv4 of length 8 to 29, IPv6 of length 64; unicast; and no
 * overlap: ERROR_CONFIG that names interface, address and range. */
int range_parse_ipv4(const char *text, const struct range_network *networks, size_t count,
                     struct ip_prefix *range, struct error *error) MUST_CHECK;
int range_parse_ipv6(const char *text, const struct range_network *networks, size_t count,
                     struct ip_prefix *range, struct error *error) MUST_CHECK;

#endif

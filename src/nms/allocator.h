/* Virtual addresses (design 2 and 6): given once, at sign-up, and kept for ever. */
#ifndef CYPHONIC_NMS_ALLOCATOR_H
#define CYPHONIC_NMS_ALLOCATOR_H

#include "base/address.h"
#include "base/error.h"
#include "store/store.h"

enum {
  ALLOCATOR_RANDOM_TRIES = 64,
  /* Addresses looked at in order when luck has failed: all of a /16. */
  ALLOCATOR_SCAN_MAX = 65536,
};

/* Gives the device a free IPv4 and a free IPv6 address of the network's prefixes, at random, so
 * that an address tells nothing of the order of arrival; never a network or broadcast address, nor
 * an IPv6 address whose interface identifier is zero (RFC 4291 section 2.6.1). A device that has
 * its addresses gets them again. ERROR_LIMIT when there is none left. Of what it wrote before it
 * failed, the caller's transaction decides. */
int nms_allocate(struct store *store, int64_t device_id, int64_t now, struct ip_address *ipv4,
                 struct ip_address *ipv6, struct error *error) MUST_CHECK;

#endif

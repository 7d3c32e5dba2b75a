/* IP addresses and UDP endpoints as plain values: compare, print, parse, classify. */
#ifndef CYPHONIC_BASE_ADDRESS_H
#define CYPHONIC_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

/* family is 0 (none), 4 or 6; an IPv4 address takes the first four bytes, the others are 0.
 * All fields are always defined, so that two values may be compared by memcmp. */
struct ip_address {
  uint8_t family;
  uint8_t bytes[16];
};

struct ip_prefix {
  struct ip_address address; /* host bits zero after ip_prefix_parse */
  uint8_t length;
};

/* An IP address with a UDP port in host byte order. */
struct address {
  struct ip_address ip;
  uint16_t port;
};

enum { ADDRESS_TEXT_SIZE = 64 }; /* "[ipv6]:port" and its zero fit; so does "ipv6/128" */

/* Inline, as all that happens once a packet. */
static inline bool ip_address_equal(const struct ip_address *a, const struct ip_address *b) {
  return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
bool ip_address_is_set(const struct ip_address *ip);
/* From 4 or 16 raw bytes; another size is ERROR_INVALID. */
int ip_address_from_bytes(struct ip_address *ip, const uint8_t *bytes, size_t size) MUST_CHECK;
size_t ip_address_size(const struct ip_address *ip); /* 0, 4 or 16 */
/* Text without brackets; writes to and returns `text`. */
const char *ip_address_text(const struct ip_address *ip, char text[static ADDRESS_TEXT_SIZE]);
int ip_address_parse(const char *text, struct ip_address *ip) MUST_CHECK;

/* Whether others on the Internet can be expected to route to it: not loopback, link-local,
 * multicast, unspecified, private (RFC 1918), carrier-grade NAT (RFC 6598), ULA (RFC 4193). */
bool ip_address_is_global(const struct ip_address *ip);
bool ip_address_is_loopback(const struct ip_address *ip);
bool ip_address_is_link_local(const struct ip_address *ip);
bool ip_address_is_multicast(const struct ip_address *ip);

/* "10.1.0.0/16"; host bits that are set are ERROR_INVALID. */
int ip_prefix_parse(const char *text, struct ip_prefix *prefix) MUST_CHECK;
const char *ip_prefix_text(const struct ip_prefix *prefix, char text[static ADDRESS_TEXT_SIZE]);
bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *ip);
bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);

static inline bool address_equal(const struct address *a, const struct address *b) {
  return a->port == b->port && ip_address_equal(&a->ip, &b->ip);
}
/* "192.0.2.1:443" or "[2001:db8::1]:443". */
const char *address_text(const struct address *address, char text[static ADDRESS_TEXT_SIZE]);
/* As address_text writes it; without a port `default_port` is taken ("2001:db8::1" needs no
 * brackets then). Names are not resolved: ERROR_INVALID. */
int address_parse(const char *text, uint16_t default_port, struct address *address) MUST_CHECK;

/* An AF_INET or AF_INET6 socket address (IPv4-mapped IPv6 becomes IPv4); others ERROR_INVALID. */
int address_from_sockaddr(const struct sockaddr *sockaddr, struct address *address) MUST_CHECK;
/* Returns the length written. */
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *storage);

#endif

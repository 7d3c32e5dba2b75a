#include "node/packet_verdict.h"

/* All host bits set: IPv4's directed broadcast. All zero: the network itself, in both versions (the
 * subnet-router anycast address of RFC 4291 section 2.6.1 in IPv6, and there is no router). */
static bool stands_for_many(const struct ip_prefix *prefix, const struct ip_address *ip) {
  bool zeros = true, ones = true;
  for (size_t bit = prefix->length; bit < ip_address_size(ip) * 8; bit++) {
    if (ip->bytes[bit / 8] & 0x80U >> bit % 8)
      zeros = false;
    else
      ones = false;
  }
  return zeros || (ones && ip->family == 4);
}

enum packet_verdict packet_verdict(const struct packet_scope *scope,
                                   const struct ip_packet *packet) {
  bool ipv4 = packet->destination.family == 4;
  const struct ip_address *own = ipv4 ? &scope->ipv4 : &scope->ipv6;
  const struct ip_prefix *overlay = ipv4 ? &scope->ipv4_prefix : &scope->ipv6_prefix;
  if (!ip_address_equal(&packet->source, own) || ip_address_equal(&packet->destination, own) ||
      ip_address_is_multicast(&packet->destination))
    return PACKET_DROP;
  if (!ip_prefix_contains(overlay, &packet->destination))
    return PACKET_REJECT;
  return stands_for_many(overlay, &packet->destination) ? PACKET_DROP : PACKET_FORWARD;
}

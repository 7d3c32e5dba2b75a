#include "server/range.h"

#include <stdbool.h>
#include <string.h>

enum {
  RANGE_IPV4_SHORTEST = 8,
  RANGE_IPV4_LONGEST = 29,
  RANGE_IPV4_CHOSEN = 16,
  RANGE_IPV6_LENGTH = 64,
  RANGE_SECOND_BYTES = 256,
  RANGE_IPV6_TRIES = 64,
};

static const struct range_network *
first_overlap(const struct ip_prefix *range, const struct range_network *networks, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (networks[i].prefix.address.family == range->address.family &&
        ip_prefix_overlaps(range, &networks[i].prefix)) {
      return &networks[i];
    }
  }
  return NULL;
}

int range_choose_ipv4(const struct range_network *networks, size_t count, range_below below,
                      struct ip_prefix *range, struct error *error) {
  /* From a random one onwards, so that a free one is found whenever there is one. */
  uint32_t start = below(RANGE_SECOND_BYTES);
  for (uint32_t i = 0; i < RANGE_SECOND_BYTES; i++) {
    *range = (struct ip_prefix){
        .address = {.family = 4, .bytes = {10, (uint8_t)((start + i) % RANGE_SECOND_BYTES)}},
        .length = RANGE_IPV4_CHOSEN,
    };
    if (first_overlap(range, networks, count) == NULL) {
      return ERROR_NONE;
    }
  }
  memset(range, 0, sizeof(*range));
  return error_set(
      error, ERROR_EXISTS,
      "this host's own networks take all of 10.0.0.0/8; choose a range for the virtual "
      "addresses with --ipv4-range, for example 172.20.0.0/16");
}

int range_choose_ipv6(const struct range_network *networks, size_t count, range_below below,
                      struct ip_prefix *range, struct error *error) {
  for (int try = 0; try < RANGE_IPV6_TRIES; try++) {
    *range =
        (struct ip_prefix){.address = {.family = 6, .bytes = {0xfd}}, .length = RANGE_IPV6_LENGTH};
    /* 40 bits of global ID; the subnet ID stays 0. */
    for (size_t i = 1; i <= 5; i++) {
      range->address.bytes[i] = (uint8_t)below(256);
    }
    if (first_overlap(range, networks, count) == NULL) {
      return ERROR_NONE;
    }
  }
  memset(range, 0, sizeof(*range));
  return error_set(error, ERROR_EXISTS,
                   "this host's own networks take all of fd00::/8; choose a range for the virtual "
                   "addresses with --ipv6-range");
}

static int check_overlap(const struct ip_prefix *range, const char *option,
                         const struct range_network *networks, size_t count, struct error *error) {
  const struct range_network *network = first_overlap(range, networks, count);
  if (network == NULL) {
    return ERROR_NONE;
  }
  char range_text[ADDRESS_TEXT_SIZE], ip_text[ADDRESS_TEXT_SIZE], prefix_text[ADDRESS_TEXT_SIZE];
  return error_set(error, ERROR_CONFIG,
                   "%s: the range %s overlaps the network %s of this host's interface %s (address "
                   "%s); choose another range, or leave the option out",
                   option, ip_prefix_text(range, range_text),
                   ip_prefix_text(&network->prefix, prefix_text), network->interface,
                   ip_address_text(&network->ip, ip_text));
}

/* 0.0.0.0/8 is no host's (RFC 1122), 240.0.0.0/4 nobody's. */
static bool unusable(const struct ip_address *ip) {
  return ip_address_is_loopback(ip) || ip_address_is_multicast(ip) ||
         ip_address_is_link_local(ip) ||
         (ip->family == 4 && (ip->bytes[0] == 0 || ip->bytes[0] == 127 || ip->bytes[0] >= 240)) ||
         (ip->family == 6 && ip->bytes[0] == 0);
}

int range_parse_ipv4(const char *text, const struct range_network *networks, size_t count,
                     struct ip_prefix *range, struct error *error) {
  if (ip_prefix_parse(text, range) != ERROR_NONE || range->address.family != 4 ||
      range->length < RANGE_IPV4_SHORTEST || range->length > RANGE_IPV4_LONGEST) {
    return error_set(error, ERROR_CONFIG,
                     "--ipv4-range: '%s' is no IPv4 range of length %d to %d with its host bits "
                     "zero, such as 10.20.0.0/16",
                     text, RANGE_IPV4_SHORTEST, RANGE_IPV4_LONGEST);
  }
  if (unusable(&range->address)) {
    return error_set(error, ERROR_CONFIG, "--ipv4-range: %s is not for hosts' addresses", text);
  }
  return check_overlap(range, "--ipv4-range", networks, count, error);
}

int range_parse_ipv6(const char *text, const struct range_network *networks, size_t count,
                     struct ip_prefix *range, struct error *error) {
  if (ip_prefix_parse(text, range) != ERROR_NONE || range->address.family != 6 ||
      range->length != RANGE_IPV6_LENGTH) {
    return error_set(error, ERROR_CONFIG,
                     "--ipv6-range: '%s' is no IPv6 range of length %d with its host bits zero, "
                     "such as fd12:3456:789a::/64",
                     text, RANGE_IPV6_LENGTH);
  }
  if (unusable(&range->address)) {
    return error_set(error, ERROR_CONFIG, "--ipv6-range: %s is not for hosts' addresses", text);
  }
  return check_overlap(range, "--ipv6-range", networks, count, error);
}

#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ip_address_is_set(const struct ip_address *ip) {
  return ip->family != 0;
}

size_t ip_address_size(const struct ip_address *ip) {
  return ip->family == 4 ? 4 : ip->family == 6 ? 16 : 0;
}

int ip_address_from_bytes(struct ip_address *ip, const uint8_t *bytes, size_t size) {
  if (size != 4 && size != 16) {
    return ERROR_INVALID;
  }
  *ip = (struct ip_address){.family = size == 4 ? 4 : 6};
  memcpy(ip->bytes, bytes, size);
  return 0;
}

const char *ip_address_text(const struct ip_address *ip, char text[static ADDRESS_TEXT_SIZE]) {
  int family = ip->family == 4 ? AF_INET : AF_INET6;
  if (ip->family == 0 || inet_ntop(family, ip->bytes, text, ADDRESS_TEXT_SIZE) == NULL) {
    strcpy(text, "-");
  }
  return text;
}

int ip_address_parse(const char *text, struct ip_address *ip) {
  uint8_t bytes[16];
  if (inet_pton(AF_INET, text, bytes) == 1) {
    return ip_address_from_bytes(ip, bytes, 4);
  }
  if (inet_pton(AF_INET6, text, bytes) == 1) {
    return ip_address_from_bytes(ip, bytes, 16);
  }
  return ERROR_INVALID;
}

enum special { SPECIAL_OTHER, SPECIAL_LOOPBACK, SPECIAL_LINK_LOCAL, SPECIAL_MULTICAST };

/* In bytes and not in text, since some of it is asked of every packet. */
static const struct {
  struct ip_prefix prefix;
  enum special special;
} special_ranges[] = {
    {{{4, {0}}, 8}, SPECIAL_OTHER},                         /* 0.0.0.0/8, RFC 791 */
    {{{4, {10}}, 8}, SPECIAL_OTHER},                        /* RFC 1918 */
    {{{4, {100, 64}}, 10}, SPECIAL_OTHER},                  /* RFC 6598 */
    {{{4, {127}}, 8}, SPECIAL_LOOPBACK},                    /* RFC 1122 */
    {{{4, {169, 254}}, 16}, SPECIAL_LINK_LOCAL},            /* RFC 3927 */
    {{{4, {172, 16}}, 12}, SPECIAL_OTHER},                  /* RFC 1918 */
    {{{4, {192, 168}}, 16}, SPECIAL_OTHER},                 /* RFC 1918 */
    {{{4, {224}}, 4}, SPECIAL_MULTICAST},                   /* RFC 5771 */
    {{{4, {240}}, 4}, SPECIAL_OTHER},                       /* RFC 1112 */
    {{{6, {0}}, 128}, SPECIAL_OTHER},                       /* ::, RFC 4291 */
    {{{6, {[15] = 1}}, 128}, SPECIAL_LOOPBACK},             /* ::1, RFC 4291 */
    {{{6, {[10] = 0xff, [11] = 0xff}}, 96}, SPECIAL_OTHER}, /* IPv4-mapped, RFC 4291 */
    {{{6, {0xfc}}, 7}, SPECIAL_OTHER},                      /* RFC 4193 */
    {{{6, {0xfe, 0x80}}, 10}, SPECIAL_LINK_LOCAL},          /* RFC 4291 */
    {{{6, {0xff}}, 8}, SPECIAL_MULTICAST},                  /* RFC 4291 */
};

enum { SPECIAL_RANGES = sizeof(special_ranges) / sizeof(special_ranges[0]) };

/* The index of the range that holds the address, or SPECIAL_RANGES. */
static size_t special_range_of(const struct ip_address *ip) {
  size_t i = 0;
  while (i < SPECIAL_RANGES && !ip_prefix_contains(&special_ranges[i].prefix, ip)) {
    i++;
  }
  return i;
}

static bool is_special(const struct ip_address *ip, enum special special) {
  size_t range = special_range_of(ip);
  return range < SPECIAL_RANGES && special_ranges[range].special == special;
}

bool ip_address_is_global(const struct ip_address *ip) {
  return ip->family != 0 && special_range_of(ip) == SPECIAL_RANGES;
}

bool ip_address_is_loopback(const struct ip_address *ip) {
  return is_special(ip, SPECIAL_LOOPBACK);
}

bool ip_address_is_link_local(const struct ip_address *ip) {
  return is_special(ip, SPECIAL_LINK_LOCAL);
}

bool ip_address_is_multicast(const struct ip_address *ip) {
  return is_special(ip, SPECIAL_MULTICAST);
}

/* Whether the first `length` bits agree. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned length) {
  if (memcmp(a, b, length / 8) != 0) {
    return false;
  }
  unsigned rest = length % 8;
  return rest == 0 || (a[length / 8] ^ b[length / 8]) >> (8 - rest) == 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *prefix) {
  char copy[ADDRESS_TEXT_SIZE];
  const char *slash = strchr(text, '/');
  if (slash == NULL || (size_t)(slash - text) >= sizeof(copy) || slash[1] < '0' || slash[1] > '9') {
    return ERROR_INVALID;
  }
  memcpy(copy, text, (size_t)(slash - text));
  copy[slash - text] = '\0';
  char *end;
  unsigned long length = strtoul(slash + 1, &end, 10);
  struct ip_prefix parsed;
  if (*end != '\0' || ip_address_parse(copy, &parsed.address) != 0 ||
      length > 8 * ip_address_size(&parsed.address)) {
    return ERROR_INVALID;
  }
  parsed.length = (uint8_t)length;
  for (unsigned bit = parsed.length; bit < 128; bit++) {
    if ((parsed.address.bytes[bit / 8] & (0x80u >> bit % 8)) != 0) {
      return ERROR_INVALID;
    }
  }
  *prefix = parsed;
  return 0;
}

const char *ip_prefix_text(const struct ip_prefix *prefix, char text[static ADDRESS_TEXT_SIZE]) {
  char address[ADDRESS_TEXT_SIZE];
  ip_address_text(&prefix->address, address);
  snprintf(text, ADDRESS_TEXT_SIZE, "%.58s/%u", address, prefix->length);
  return text;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *ip) {
  return prefix->address.family == ip->family &&
         same_bits(prefix->address.bytes, ip->bytes, prefix->length);
}

bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b) {
  return a->address.family == b->address.family &&
         same_bits(a->address.bytes, b->address.bytes,
                   a->length < b->length ? a->length : b->length);
}

const char *address_text(const struct address *address, char text[static ADDRESS_TEXT_SIZE]) {
  char ip[ADDRESS_TEXT_SIZE];
  ip_address_text(&address->ip, ip);
  snprintf(text, ADDRESS_TEXT_SIZE, address->ip.family == 6 ? "[%.50s]:%u" : "%.50s:%u", ip,
           address->port);
  return text;
}

int address_parse(const char *text, uint16_t default_port, struct address *address) {
  char copy[ADDRESS_TEXT_SIZE];
  const char *ip = text, *ip_end = text + strlen(text), *port = NULL;
  if (text[0] == '[') {
    ip = text + 1;
    ip_end = strchr(text, ']');
    if (ip_end == NULL || (ip_end[1] != '\0' && ip_end[1] != ':')) {
      return ERROR_INVALID;
    }
    port = ip_end[1] == ':' ? ip_end + 2 : NULL;
  } else {
    const char *colon = strchr(text, ':');
    if (colon != NULL && strchr(colon + 1, ':') == NULL) {
      ip_end = colon;
      port = colon + 1;
    }
  }
  size_t size = (size_t)(ip_end - ip);
  if (size >= sizeof(copy)) {
    return ERROR_INVALID;
  }
  memcpy(copy, ip, size);
  copy[size] = '\0';
  struct address parsed = {.port = default_port};
  if (ip_address_parse(copy, &parsed.ip) != 0 || (text[0] == '[' && parsed.ip.family != 6)) {
    return ERROR_INVALID;
  }
  if (port != NULL) {
    char *end;
    unsigned long value = strtoul(port, &end, 10);
    if (*port < '0' || *port > '9' || *end != '\0' || value == 0 || value > 65535) {
      return ERROR_INVALID;
    }
    parsed.port = (uint16_t)value;
  }
  *address = parsed;
  return 0;
}

int address_from_sockaddr(const struct sockaddr *sockaddr, struct address *address) {
  *address = (struct address){0};
  if (sockaddr->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, sockaddr, sizeof(in));
    address->port = ntohs(in.sin_port);
    address->ip.family = 4;
    memcpy(address->ip.bytes, &in.sin_addr, 4);
    return 0;
  }
  if (sockaddr->sa_family == AF_INET6) {
    struct sockaddr_in6 in6;
    memcpy(&in6, sockaddr, sizeof(in6));
    address->port = ntohs(in6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
      address->ip.family = 4;
      memcpy(address->ip.bytes, &in6.sin6_addr.s6_addr[12], 4);
    } else {
      address->ip.family = 6;
      memcpy(address->ip.bytes, &in6.sin6_addr, 16);
    }
    return 0;
  }
  return ERROR_INVALID;
}

socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *storage) {
  memset(storage, 0, sizeof(*storage));
  if (address->ip.family == 4) {
    struct sockaddr_in *in = (struct sockaddr_in *)storage;
    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    memcpy(&in->sin_addr, address->ip.bytes, 4);
    return sizeof(*in);
  }
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
  in6->sin6_family = AF_INET6;
  in6->sin6_port = htons(address->port);
  memcpy(&in6->sin6_addr, address->ip.bytes, 16);
  return sizeof(*in6);
}

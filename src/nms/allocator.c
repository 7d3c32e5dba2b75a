#include "nms/allocator.h"

#include <string.h>

#include "base/random.h"

enum { IDENTIFIER_BITS = 64 }; /* at most this many host bits are used */

/* Host numbers of a prefix that may be given; none if first > last. */
struct range {
  struct ip_prefix prefix;
  uint64_t mask;
  uint64_t first, last;
};

static struct range range_of(const struct ip_prefix *prefix) {
  unsigned bits = (unsigned)(ip_address_size(&prefix->address) * 8) - prefix->length;
  uint64_t mask = bits >= IDENTIFIER_BITS ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
  struct range range = {.prefix = *prefix, .mask = mask, .first = 1, .last = mask};
  if (prefix->address.family == 4) {
    if (bits >= 2) {
      range.last = mask - 1; /* the broadcast address */
    } else {
      range.first = 0; /* a /31 or /32 has neither (RFC 3021) */
    }
  }
  return range;
}

static struct ip_address address_of(const struct range *range, uint64_t host) {
  struct ip_address address = range->prefix.address;
  for (size_t i = ip_address_size(&address); host != 0 && i > 0; host >>= 8) {
    address.bytes[--i] |= (uint8_t)host;
  }
  return address;
}

static uint64_t random_host(const struct range *range) {
  uint64_t host;
  /* At least every other number is in the range, unless it is a single one of two. */
  do {
    random_bytes(&host, sizeof(host));
    host &= range->mask;
  } while (host < range->first || host > range->last);
  return host;
}

/* 1: given, 0: taken by somebody else. */
static int try_host(struct store *store, int64_t device_id, int64_t now, const struct range *range,
                    uint64_t host, struct ip_address *address, struct error *error) {
  *address = address_of(range, host);
  bool taken;
  int code = store_address_is_taken(store, address, &taken, error);
  if (code != 0 || taken) {
    return code;
  }
  code = store_address_add(store, device_id, address, now, error);
  if (code == ERROR_EXISTS) { /* outside a transaction somebody may come in between */
    return 0;
  }
  return code == 0 ? 1 : code;
}

static int allocate(struct store *store, int64_t device_id, int64_t now,
                    const struct ip_prefix *prefix, struct ip_address *address,
                    struct error *error) {
  int code = store_address_get(store, device_id, prefix->address.family, address, error);
  if (code != ERROR_NOT_FOUND) {
    return code;
  }
  struct range range = range_of(prefix);
  code = 0;
  if (range.first <= range.last) {
    uint64_t host = 0;
    for (int i = 0; code == 0 && i < ALLOCATOR_RANDOM_TRIES; i++) {
      host = random_host(&range);
      code = try_host(store, device_id, now, &range, host, address, error);
    }
    uint64_t left = range.last - range.first;
    for (uint64_t i = 0; code == 0 && i < left && i < ALLOCATOR_SCAN_MAX; i++) {
      host = host == range.last ? range.first : host + 1;
      code = try_host(store, device_id, now, &range, host, address, error);
    }
  }
  if (code == 0) {
    char text[ADDRESS_TEXT_SIZE];
    memset(address, 0, sizeof(*address));
    return error_set(error, ERROR_LIMIT, "there is no free virtual address left in %s",
                     ip_prefix_text(prefix, text));
  }
  return code > 0 ? 0 : code;
}

int nms_allocate(struct store *store, int64_t device_id, int64_t now, struct ip_address *ipv4,
                 struct ip_address *ipv6, struct error *error) {
  struct store_network network;
  int code = store_network_get(store, &network, error);
  if (code == 0) {
    code = allocate(store, device_id, now, &network.ipv4, ipv4, error);
  }
  if (code == 0) {
    code = allocate(store, device_id, now, &network.ipv6, ipv6, error);
  }
  return code;
}

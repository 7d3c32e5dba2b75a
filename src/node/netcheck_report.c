#include "node/netcheck_report.h"

#include "base/clock.h"

static bool is_told(const struct netcheck_result *result, int family) {
  return result->family == family && result->reachable && ip_address_is_set(&result->observed.ip);
}

enum netcheck_mapping netcheck_mapping(const struct netcheck_result *results, size_t count,
                                       int family) {
  enum netcheck_mapping mapping = NETCHECK_MAPPING_UNKNOWN;
  for (size_t i = 0; i < count; i++) {
    for (size_t j = i + 1; j < count; j++) {
      const struct netcheck_result *one = &results[i], *other = &results[j];
      if (!is_told(one, family) || !is_told(other, family) ||
          address_equal(&one->remote, &other->remote))
        continue;
      if (!address_equal(&one->observed, &other->observed))
        return NETCHECK_MAPPING_ENDPOINT_DEPENDENT;
      mapping = NETCHECK_MAPPING_ENDPOINT_INDEPENDENT;
    }
  }
  return mapping;
}

static const char *mapping_name(enum netcheck_mapping mapping) {
  switch (mapping) {
  case NETCHECK_MAPPING_ENDPOINT_INDEPENDENT:
    return "endpoint-independent";
  case NETCHECK_MAPPING_ENDPOINT_DEPENDENT:
    return "endpoint-dependent";
  case NETCHECK_MAPPING_UNKNOWN:
    break;
  }
  return "unknown";
}

static json_t *address_or_null(const struct address *address) {
  char text[ADDRESS_TEXT_SIZE];
  return ip_address_is_set(&address->ip) ? json_string(address_text(address, text)) : json_null();
}

static json_t *family_json(const struct netcheck_result *results, size_t count, int family) {
  bool works = false;
  const struct netcheck_result *told = NULL;
  for (size_t i = 0; i < count; i++) {
    works = works || (results[i].family == family && results[i].reachable);
    if (told == NULL && is_told(&results[i], family))
      told = &results[i];
  }
  static const struct address none = {0};
  bool compares = told != NULL && ip_address_is_set(&told->local.ip);
  return json_pack("{s:b, s:o, s:o, s:s}", "works", works, "observed",
                   address_or_null(told != NULL ? &told->observed : &none), "behind_nat",
                   compares ? json_boolean(!ip_address_equal(&told->local.ip, &told->observed.ip))
                            : json_null(),
                   "mapping", mapping_name(netcheck_mapping(results, count, family)));
}

static json_t *result_json(const struct netcheck_result *result) {
  char where[SERVICE_TEXT_SIZE];
  return json_pack("{s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o}", "service", result->service, "where",
                   service_address_text(&result->where, where), "family", result->family,
                   "reachable", result->reachable, "address", address_or_null(&result->remote),
                   "observed", address_or_null(&result->observed), "rtt_ms",
                   result->round_trip != 0
                       ? json_real((double)result->round_trip / (double)NANOSECONDS_PER_MILLISECOND)
                       : json_null(),
                   "message",
                   result->message[0] != '\0' ? json_string(result->message) : json_null());
}

json_t *netcheck_report(const struct netcheck_result *results, size_t count, uint16_t port) {
  json_t *services = json_array();
  for (size_t i = 0; services != NULL && i < count; i++) {
    if (json_array_append_new(services, result_json(&results[i])) != 0) {
      json_decref(services);
      services = NULL;
    }
  }
  return json_pack("{s:i, s:o, s:o, s:o}", "port", (int)port, "ipv4",
                   family_json(results, count, 4), "ipv6", family_json(results, count, 6),
                   "services", services);
}

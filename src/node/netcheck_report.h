/* What `cyphonic netcheck` found, put together for people and programs. Pure. */
#ifndef CYPHONIC_NODE_NETCHECK_REPORT_H
#define CYPHONIC_NODE_NETCHECK_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "node/service_address.h"

/* One service at one address over one IP version. */
struct netcheck_result {
  const char *service; /* "AS", "NMS", or the name of a TRS; borrowed */
  struct service_address where;
  int family; /* 4 or 6 */
  bool reachable;
  struct address remote;   /* that answered; family 0: none */
  struct address local;    /* ours on that path */
  struct address observed; /* ours as the service saw it; family 0: it does not tell */
  uint64_t round_trip;     /* nanoseconds; 0: unknown */
  char message[256];       /* why it is not reachable */
};

/* How the NAT, if any, chooses its outer port (RFC 4787 section 4.1). */
enum netcheck_mapping {
  NETCHECK_MAPPING_UNKNOWN, /* fewer than two services at different addresses told */
  NETCHECK_MAPPING_ENDPOINT_INDEPENDENT,
  NETCHECK_MAPPING_ENDPOINT_DEPENDENT,
};
enum netcheck_mapping netcheck_mapping(const struct netcheck_result *results, size_t count,
                                       int family);

/* {"port":N, "ipv4":{"works":bool, "observed":text|null, "behind_nat":bool|null, "mapping":text},
 *  "ipv6":{...}, "services":[{"service":..., "where":..., "family":4|6, "reachable":bool,
 *  "address":text|null, "observed":text|null, "rtt_ms":number|null, "message":text|null}]}
 * A new reference; NULL without memory. */
json_t *netcheck_report(const struct netcheck_result *results, size_t count, uint16_t port);

#endif

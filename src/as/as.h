/* Authentication Service (paper 2.1, 3.3.1): signs devices up by invitation, issues their
 * certificates from the intermediate CA, keeps their records, and tells a node that logs in its
 * FQDN and its NMS. */
#ifndef CYPHONIC_AS_AS_H
#define CYPHONIC_AS_AS_H

#include "base/error.h"
#include "base/log.h"
#include "pki/ca.h"
#include "pki/credentials.h"
#include "pki/trust.h"
#include "quic/quic.h"
#include "store/store.h"

struct as_service;

#define AS_ALPN_SIGN_UP "cyphonic-signup/1"
#define AS_ALPN         "cyphonic-as/1"

enum { AS_NMS_MAX = 8 };

struct as_config {
  struct quic_endpoint *endpoint;
  const struct log *log;
  struct store *store;
  const struct pki_ca *intermediate;
  const struct pki_credentials *credentials; /* of purpose PKI_AS */
  const struct pki_trust *trust;
  uint64_t certificate_seconds; /* validity of a node's certificate */
  /* Where nodes find NMS; copied. */
  size_t nms_count;
  struct {
    const char *host;
    uint16_t port;
  } nms[AS_NMS_MAX];
  /* NMS's allocator (design 2: a virtual address is allocated once, at sign-up): gives the device
   * its two virtual addresses, inside AS's transaction. */
  int (*allocate)(struct store *store, int64_t device_id, int64_t now, struct ip_address *ipv4,
                  struct ip_address *ipv6, struct error *error);
  int64_t (*wall)(void); /* seconds since 1970; NULL: clock_wall */
};

int as_service_new(const struct as_config *config, struct as_service **as,
                   struct error *error) MUST_CHECK;
/* Withdraws its services from the endpoint and closes its connections. */
void as_service_free(struct as_service *as);

#endif

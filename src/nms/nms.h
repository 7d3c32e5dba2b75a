/* Node Management Service (paper 2.1, 2.2, 3.3): knows each node's real addresses and NAT, and
 * directs how two nodes reach each other. */
#ifndef CYPHONIC_NMS_NMS_H
#define CYPHONIC_NMS_NMS_H

#include "base/error.h"
#include "base/log.h"
#include "pki/credentials.h"
#include "pki/trust.h"
#include "quic/quic.h"
#include "store/store.h"

struct nms_service;

#define NMS_ALPN "cyphonic-nms/1"
/* TRSs register here. */
#define NMS_RELAY_ALPN "cyphonic-relay/1"

/* Application codes of CONNECTION_CLOSE beside 0, the orderly end. */
enum {
  NMS_CLOSE_REPLACED = 1, /* the same node or TRS has registered over a newer connection */
};

struct nms_config {
  struct quic_endpoint *endpoint;
  const struct log *log;
  struct store *store;
  const struct pki_credentials *credentials; /* of purpose PKI_NMS */
  const struct pki_trust *trust;
  int64_t (*wall)(void); /* NULL: clock_wall */
  /* On another port, which nodes are told of: answers ObservationRequest alone, so that a node
   * which knows no other server learns how its NAT maps. NULL: none. */
  struct quic_endpoint *observation_endpoint;
};

int nms_service_new(const struct nms_config *config, struct nms_service **nms,
                    struct error *error) MUST_CHECK;
/* Withdraws its services from the endpoints and closes its connections. */
void nms_service_free(struct nms_service *nms);

#endif

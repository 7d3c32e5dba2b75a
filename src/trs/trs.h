/* Tunnel Relay Service (paper 2.1, 3.3.2; design 5): forwards the QUIC packets of two nodes'
 * connection by the first 32 bits of their Destination Connection IDs, without keys, between pairs
 * that NMS granted it and that are both connected here. */
#ifndef CYPHONIC_TRS_TRS_H
#define CYPHONIC_TRS_TRS_H

#include "base/error.h"
#include "base/log.h"
#include "pki/credentials.h"
#include "pki/trust.h"
#include "quic/quic.h"

struct trs_service;

#define TRS_ALPN "cyphonic-trs/1"
/* TRS to NMS. */
#define TRS_REGISTRATION_ALPN "cyphonic-relay/1"

/* Application codes of CONNECTION_CLOSE beside 0, the orderly end. */
enum {
  TRS_CLOSE_REPLACED = 1, /* the same node has connected over a newer connection */
};

enum {
  TRS_NMS_MAX = 8,
  TRS_PUBLIC_MAX = 8,
  TRS_NODES_MAX = 100000,   /* connected */
  TRS_PAIRS_MAX = 200000,   /* bound or waiting for their other half */
  TRS_PAIRS_PER_NODE = 512, /* more is refused */
};

struct trs_host {
  const char *host;
  uint16_t port;
};

enum trs_xdp {
  TRS_XDP_OFF,
  TRS_XDP_AUTO, /* on interfaces with a device behind them, if that can be */
  TRS_XDP_ON,   /* on any interface; a warning if it cannot be */
};

struct trs_config {
  struct quic_endpoint *endpoint; /* its forwarder becomes ours */
  uv_loop_t *loop;
  const struct log *log;
  const struct pki_credentials *credentials; /* of purpose PKI_TRS */
  const struct pki_trust *trust;
  const char *name;                 /* as in our certificate; copied */
  size_t nms_count, public_count;   /* copied */
  struct trs_host nms[TRS_NMS_MAX]; /* whom we tell that we are there; names are resolved again at
                                       each attempt */
  struct trs_host public[TRS_PUBLIC_MAX];
  uint64_t rate_limit; /* bytes a second and node, 0: none */
  /* Whether the kernel forwards what it can (trs/xdp), and the addresses that the endpoint is bound
   * to; family 0: all. Its port must be the same in both IP versions. */
  enum trs_xdp xdp;
  struct ip_address ipv4, ipv6;
  int64_t (*wall)(void); /* NULL: clock_wall */
};

int trs_service_new(const struct trs_config *config, struct trs_service **trs,
                    struct error *error) MUST_CHECK;
/* Withdraws its service, closes its connections, gives the forwarder back. Frees from the loop. */
void trs_service_free(struct trs_service *trs);

struct trs_counters {
  size_t nodes; /* connected */
  size_t pairs; /* bound */
  uint64_t forwarded_packets, forwarded_bytes;
  uint64_t kernel_packets, kernel_bytes; /* a part of them */
  uint64_t dropped_rate;                 /* over a node's limit */
  uint64_t refused_grants;
};
void trs_service_counters(const struct trs_service *trs, struct trs_counters *counters);

#endif

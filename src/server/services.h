/* The parts of a server that its configuration enables, on one endpoint, and NMS's second one. */
#ifndef CYPHONIC_SERVER_SERVICES_H
#define CYPHONIC_SERVER_SERVICES_H

#include <uv.h>

#include "as/as.h"
#include "base/error.h"
#include "base/log.h"
#include "nms/nms.h"
#include "pki/ca.h"
#include "server/access.h"
#include "server/public_hosts.h"
#include "trs/trs.h"

/* Zero-initialise, then set the first three, which are borrowed until the loop has run out. */
struct server_services {
  uv_loop_t *loop;
  const struct log *log;
  const struct server_access *access;

  char domain[PKI_NAME_SIZE]; /* the network's */
  struct pki_trust *trust;
  struct pki_ca *intermediate;
  struct pki_credentials *as_credentials, *nms_credentials, *trs_credentials;
  char trs_name[PKI_NAME_SIZE]; /* in its certificate */
  struct public_hosts nms_hosts, trs_hosts, trs_nms_hosts;
  struct quic_endpoint *endpoint;
  struct quic_endpoint *observation_endpoint; /* NMS's other port; NULL: none */
  struct as_service *as;                      /* NULL where it is not enabled, here and below */
  struct nms_service *nms;
  struct trs_service *trs;
};

/* On failure some may run: stop and clear all the same. */
int server_services_start(struct server_services *services, struct error *error) MUST_CHECK;
/* Withdraws all. `stopped` comes from the loop when the main endpoint is gone, or before this
 * returns if there was none. */
void server_services_stop(struct server_services *services, void (*stopped)(void *context),
                          void *context);
/* Frees what is left when the loop has run out. */
void server_services_clear(struct server_services *services);

#endif

/* How others see this node (RFC 4787): NMS over both IP versions, NMS from its other port, the
 * TRSs. What differs tells whether there is a NAT, and how it maps; NMS's other port also helps to
 * tell for how long. */
#ifndef CYPHONIC_NODE_OBSERVATION_H
#define CYPHONIC_NODE_OBSERVATION_H

#include "control/control.h"
#include "node/dial.h"
#include "node/host_addresses.h"
#include "node/relay_survey.h"

struct observation;

/* What a Registration tells. */
struct observation_report {
  struct address nms;      /* who told it */
  struct address observed; /* ours, as it sees us */
  bool behind_nat;         /* in its opinion */
  uint16_t port;           /* its other port; 0: it has none */
};

struct observation_config {
  struct dial_target target; /* for connections to NMS; borrows until the endpoint is closed */
  uint64_t keep_alive;       /* nanoseconds of silence that each NAT is trusted with */
  uint64_t keep_alive_limit; /* up to which a NAT's own is learned; not above it: not at all */
  void (*elsewhere_changed)(void *context);  /* observation_elsewhere may be another now */
  void (*keep_alive_changed)(void *context); /* observation_keep_alive may */
  void *context;
};

/* NULL without memory. */
struct observation *observation_new(const struct observation_config *config);
/* Nothing is asked any more, and nothing called back. */
void observation_stop(struct observation *observation);
/* After observation_stop. NULL is allowed. */
void observation_free(struct observation *observation);

/* NMS has answered a Registration of these addresses; it may be found at `nms`. Finds out what it
 * did not tell: how it sees us over the other IP version, and from its other port. Best effort;
 * what was asked before and can be no other is not asked again. */
void observation_registered(struct observation *observation,
                            const struct observation_report *report,
                            const struct service_addresses *nms,
                            const struct host_addresses *registered);
/* In another network all is to be found out anew. */
void observation_forget(struct observation *observation);
/* Nobody answered at the other port; now somebody may. */
void observation_retry(struct observation *observation);

/* What was found out about TRSs. Whether it is anything new. */
bool observation_survey(struct observation *observation, const struct relay_finding *findings,
                        size_t count);
/* As last told; borrowed until then. */
const struct relay_finding *observation_findings(const struct observation *observation,
                                                 size_t *count);

/* By NMS, in that family; family 0: not known. */
struct address observation_observed(const struct observation *observation, int family);
bool observation_behind_nat(const struct observation *observation, int family);
/* Nanoseconds of silence after which a packet keeps the mappings of the NAT that we are behind. */
uint64_t observation_keep_alive(const struct observation *observation, int family);
/* Over IPv4, from elsewhere than NMS's main port; family 0: not known. */
struct address observation_elsewhere(const struct observation *observation);

/* The question, in the caller's memory. */
void observation_request(control_message *message, Cyphonic__ObservationRequest *request);

#endif

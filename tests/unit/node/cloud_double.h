/* AS and NMS as a node meets them, with the test behind them: it says what NMS answers, and sees
 * what it is told. */
#ifndef CYPHONIC_TEST_NODE_CLOUD_DOUBLE_H
#define CYPHONIC_TEST_NODE_CLOUD_DOUBLE_H

#include "cyphonic.pb-c.h"
#include "fixture.h"

struct cloud_double {
  struct world *world;
  struct pki_credentials *nms_credentials;
  struct quic_endpoint *main, *second; /* the second is NMS's observation port */
  /* What NMS says. */
  bool behind_nat, tells_port, refuses_looks;
  uint32_t port_told;            /* instead of the second one's, unless 0 */
  uint16_t seen, seen_elsewhere; /* ports, from the main endpoint and from the second */
  unsigned survived; /* seconds: longer silences are not answered, or end the connection: */
  bool breaks;
  /* What NMS heard. */
  unsigned registrations, looks; /* the latter at the second endpoint */
  uint16_t elsewhere;            /* of the last registration; 0: none */
  unsigned silences;             /* asked for */
};

/* For the node alice of the world, behind a NAT, of which NMS tells the port. */
void cloud_double_open(struct cloud_double *cloud, struct world *world);
/* After the node's endpoint is closed. */
void cloud_double_close(struct cloud_double *cloud);
/* The second port answers nobody any more. */
void cloud_double_silence(struct cloud_double *cloud);
uint16_t cloud_double_port(const struct cloud_double *cloud);

#endif

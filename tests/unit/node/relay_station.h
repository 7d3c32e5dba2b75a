/* A real TRS in the world of the QUIC tests, and the offers that an NMS would make of it. */
#ifndef CYPHONIC_TEST_NODE_RELAY_STATION_H
#define CYPHONIC_TEST_NODE_RELAY_STATION_H

#include "fixture.h"

#include "cyphonic.pb-c.h"
#include "trs/trs.h"

#define STATION_NAME "trs.test.internal"

struct relay_station {
  struct world *world;
  struct pki_credentials *trs_credentials, *nms_credentials;
  struct quic_endpoint *endpoint;
  struct trs_service *trs;
};

void relay_station_open(struct relay_station *station, struct world *world);
/* Its port stays its own, for a restart. */
void relay_station_stop(struct relay_station *station);
void relay_station_start(struct relay_station *station, uint16_t port);
void relay_station_close(struct relay_station *station);
uint16_t relay_station_port(const struct relay_station *station);
uint64_t relay_station_forwarded(const struct relay_station *station);

/* As a Route Direction would bring it; lives as long as this. */
struct station_offer {
  Cyphonic__RelayOffer message;
  Cyphonic__ServiceAddress address, *addresses[1];
  char name[64], host[64];
};
/* For an hour, signed by NMS. */
void station_offer_make(struct relay_station *station, const char *first, uint32_t first_route_id,
                        const char *second, uint32_t second_route_id, struct station_offer *offer);
void station_offer_clear(struct station_offer *offer);

#endif

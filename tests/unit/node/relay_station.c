#include "relay_station.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "nms/grant.h"

static void must(int code, const struct error *error) {
  if (code)
    fail_msg("%s", error->message);
}

static struct pki_credentials *issue(struct world *world, enum pki_purpose purpose,
                                     const char *label, const char *name) {
  struct error error = {0};
  struct pki_credentials *credentials;
  char certificate[96], key[96];
  snprintf(certificate, sizeof certificate, "%s/%s.crt", world->folder, label);
  snprintf(key, sizeof key, "%s/%s.key", world->folder, label);
  must(pki_issue_service(world->root, purpose, name, clock_wall(), world->folder, &error), &error);
  must(pki_credentials_load(certificate, key, &credentials, &error), &error);
  return credentials;
}

void relay_station_start(struct relay_station *station, uint16_t port) {
  struct error error = {0};
  station->endpoint = world_endpoint(station->world, port, 0);
  struct trs_config config = {
      .endpoint = station->endpoint,
      .loop = &station->world->loop,
      .log = &station->world->log,
      .credentials = station->trs_credentials,
      .trust = station->world->trust,
      .name = STATION_NAME,
  };
  must(trs_service_new(&config, &station->trs, &error), &error);
}

void relay_station_stop(struct relay_station *station) {
  trs_service_free(station->trs);
  station->trs = NULL;
  world_endpoint_close(station->world, station->endpoint);
}

void relay_station_open(struct relay_station *station, struct world *world) {
  *station = (struct relay_station){.world = world};
  station->trs_credentials = issue(world, PKI_TRS, "trs", STATION_NAME);
  station->nms_credentials = issue(world, PKI_NMS, "nms", "nms.test.internal");
  relay_station_start(station, 0);
}

void relay_station_close(struct relay_station *station) {
  if (station->trs)
    relay_station_stop(station);
  pki_credentials_free(station->trs_credentials);
  pki_credentials_free(station->nms_credentials);
}

uint16_t relay_station_port(const struct relay_station *station) {
  return quic_endpoint_port(station->endpoint, 4);
}

uint64_t relay_station_forwarded(const struct relay_station *station) {
  struct trs_counters counters;
  trs_service_counters(station->trs, &counters);
  return counters.forwarded_packets;
}

void station_offer_make(struct relay_station *station, const char *first, uint32_t first_route_id,
                        const char *second, uint32_t second_route_id, struct station_offer *offer) {
  *offer = (struct station_offer){.message = CYPHONIC__RELAY_OFFER__INIT,
                                  .address = CYPHONIC__SERVICE_ADDRESS__INIT,
                                  .name = STATION_NAME,
                                  .host = "127.0.0.1"};
  const struct grant grant = {
      .relay = STATION_NAME,
      .first = {.fqdn = first, .route_id = first_route_id},
      .second = {.fqdn = second, .route_id = second_route_id},
      .expires = clock_wall() + 3600,
  };
  struct error error = {0};
  must(grant_build(&grant, station->nms_credentials, &offer->message.grant.data,
                   &offer->message.grant.len, &error),
       &error);
  offer->address.host = offer->host;
  offer->address.port = relay_station_port(station);
  offer->addresses[0] = &offer->address;
  offer->message.name = offer->name;
  offer->message.addresses = offer->addresses;
  offer->message.n_addresses = 1;
}

void station_offer_clear(struct station_offer *offer) {
  free(offer->message.grant.data);
}

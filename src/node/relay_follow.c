/* What a TRS knows of where we are: it is told when our addresses change, and asked when a pair
 * hears nothing. */
#include <utlist.h>

#include "node/message.h"
#include "node/readdress.h"
#include "node/relay_internal.h"

static void seen(UNUSED struct control *control, int code, const control_message *reply,
                 UNUSED const struct error *error, void *context) {
  struct relay_station *station = context;
  struct address observed;
  station->asked--;
  if (code || reply->body_case != CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE ||
      message_endpoint(reply->observation_response->observed, &observed))
    return;
  bool other =
      ip_address_is_set(&station->observed.ip) && !address_equal(&station->observed, &observed);
  station->observed = observed;
  if (other && station->relays)
    relay_station_tell_restarted(station);
}

void relay_station_speak(struct relay_station *station) {
  Cyphonic__ObservationRequest request = CYPHONIC__OBSERVATION_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message.observation_request = &request;
  struct error error = {0};
  if (!control_request(station->control, &message, RELAY_ANSWER_TIMEOUT, seen, station, &error))
    station->asked++;
  else
    log_debug(station->relays->config.log, "relay-not-told", "relay=%s error=\"%s\"", station->name,
              error.message);
}

static bool can_go_on(const struct relay_station *station, const struct host_addresses *addresses) {
  struct address remote = quic_connection_remote(station->connection);
  return host_addresses_have_family(addresses, remote.ip.family);
}

void relays_network_settled(struct relays *relays, const struct host_addresses *addresses) {
  struct relay_station *station;
  DL_FOREACH2(relays->stations, station, next) {
    if (station->control && addresses->count > 0 && !can_go_on(station, addresses))
      quic_connection_close(station->connection, 0, "the address is gone");
  }
}

void relays_network_changed(struct relays *relays, const struct host_addresses *addresses) {
  struct relay_station *station;
  DL_FOREACH2(relays->stations, station, next) {
    if (!station->control || !can_go_on(station, addresses))
      continue;
    /* At once, since what it relays goes where it goes. */
    (void)readdress_client(station->connection, &station->source, addresses, false);
    relay_station_speak(station); /* so that it sees where we are now */
  }
}

#include "node/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "node/message.h"
#include "node/relay_internal.h"

enum use_state { USE_WAITING, USE_READY, USE_OVER };

struct relay_use {
  struct relay_station *station; /* NULL: the relays are closed */
  const struct relay_handler *handler;
  void *context;
  enum use_state state;
  bool due;    /* to be told of an end that several share */
  bool asking; /* the TRS's answer is awaited: the answer frees a use that was released */
  bool released;
  bool again; /* has been asked for over a second connection already */
  bool measures, peer_absent;
  struct address address, observed;
  uint64_t round_trip;
  struct relay_use *next, *previous;
  size_t grant_size;
  uint8_t grant[];
};

static int connect_to(struct relay_station *station, struct error *error);

/* --- the end of a station --- */

static void let_go(struct relay_station *station) {
  if (--station->open == 0)
    free(station);
}

static void timer_closed(uv_handle_t *handle) {
  let_go(handle->data);
}

static void dial_ended(void *context) {
  let_go(context);
}

static void station_end(struct relay_station *station) {
  if (station->ending)
    return;
  station->ending = true;
  DL_DELETE2(station->relays->stations, station, previous, next);
  if (station->dial)
    dial_cancel(station->dial, dial_ended, station);
  station->dial = NULL;
  if (station->connection)
    quic_connection_close(station->connection, 0, "no longer used");
  uv_close((uv_handle_t *)&station->timer, timer_closed);
}

static void unused_for_long(uv_timer_t *timer) {
  station_end(timer->data);
}

/* A connection that only ever was measured is closed at once. */
static void rest_if_unused(struct relay_station *station) {
  if (station->uses || station->ending)
    return;
  if (!station->relayed)
    station_end(station);
  else
    uv_timer_start(&station->timer, unused_for_long, RELAY_UNUSED_TIMEOUT, 0);
}

/* --- the uses --- */

static void use_free(struct relay_use *use) {
  if (use->asking)
    use->released = true;
  else
    free(use);
}

static void use_over(struct relay_use *use, const struct error *error) {
  bool was_ready = use->state == USE_READY;
  use->state = USE_OVER;
  if (was_ready)
    use->handler->lost(use, error, use->context);
  else
    use->handler->failed(use, error, use->context);
}

/* Tells those that are due. A callback may release others, or ask for new ones. */
static void tell_due(struct relay_station *station, const struct error *error) {
  struct relay_use *use;
  do {
    DL_FOREACH2(station->uses, use, next) {
      if (use->due)
        break;
    }
    if (use) {
      use->due = false;
      use_over(use, error);
    }
  } while (use && !station->ending);
}

static void answered(UNUSED struct control *control, int code, const control_message *reply,
                     const struct error *error, void *context) {
  struct relay_use *use = context;
  use->asking = false;
  if (use->released) {
    free(use);
    return;
  }
  struct relay_station *station = use->station;
  if (!station || station->ending || !station->connection)
    return; /* the end of the connection tells more */
  struct error fault = {0};
  if (code) {
    fault = *error;
    use->peer_absent = message_refusal(reply) == CYPHONIC__ERROR__CODE__PEER_ABSENT;
  } else if (reply->body_case != (use->measures ? CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE
                                                : CYPHONIC__MESSAGE__BODY_RELAY_RESPONSE)) {
    error_set(&fault, ERROR_PROTOCOL, "the relay %s answered with another message", station->name);
  }
  if (fault.code != ERROR_NONE) {
    use_over(use, &fault);
    return;
  }
  use->state = USE_READY;
  use->address = quic_connection_remote(station->connection);
  if (use->measures) {
    struct quic_connection_counters counters;
    quic_connection_counters(station->connection, &counters);
    use->round_trip = counters.smoothed_rtt;
    if (message_endpoint(reply->observation_response->observed, &use->observed))
      use->observed = (struct address){0};
  }
  use->handler->ready(use, use->context);
}

static int use_send(struct relay_use *use, struct error *error) {
  Cyphonic__RelayRequest relay = CYPHONIC__RELAY_REQUEST__INIT;
  Cyphonic__ObservationRequest observation = CYPHONIC__OBSERVATION_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  if (use->measures) {
    message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
    message.observation_request = &observation;
  } else {
    relay.grant = message_data(use->grant, use->grant_size);
    message.body_case = CYPHONIC__MESSAGE__BODY_RELAY_REQUEST;
    message.relay_request = &relay;
  }
  int code =
      control_request(use->station->control, &message, RELAY_ANSWER_TIMEOUT, answered, use, error);
  use->asking = !code;
  return code;
}

/* --- the connection --- */

static void send_all(struct relay_station *station) {
  struct error fault = {0};
  struct relay_use *use;
  DL_FOREACH2(station->uses, use, next) {
    if (use->state == USE_WAITING && !use->asking)
      use->due = use_send(use, &fault) != 0;
  }
  tell_due(station, &fault);
}

void relay_station_tell_restarted(const struct relay_station *station) {
  const struct relays_config *config = &station->relays->config;
  if (config->restarted)
    config->restarted(config->context);
}

static void on_closed(UNUSED struct quic_connection *connection, const struct quic_close *close,
                      void *context) {
  struct relay_station *station = context;
  station->connection = NULL;
  struct control *control = station->control;
  station->control = NULL;
  if (control)
    control_free(control);
  if (station->ending) {
    let_go(station);
    return;
  }
  struct error error = {0};
  error_set(&error, close->code == ERROR_NONE ? ERROR_CLOSED : close->code, "the relay %s: %s",
            station->name, close->message);
  if (close->reset)
    relay_station_tell_restarted(station);
  log_info(station->relays->config.log, "relay-lost", "relay=%s error=\"%s\"", station->name,
           close->message);
  /* A TRS that was restarted answers the first request over the old connection by a reset. */
  bool again = false;
  struct relay_use *use;
  DL_FOREACH2(station->uses, use, next) {
    bool waits = use->state == USE_WAITING && !use->again;
    use->due = use->state != USE_OVER && !waits;
    if (waits)
      use->again = again = true;
  }
  struct error fault = {0};
  if (again && connect_to(station, &fault)) {
    DL_FOREACH2(station->uses, use, next) {
      use->due = use->state != USE_OVER;
    }
  }
  tell_due(station, &error);
  let_go(station);
}

static const struct quic_handler connection_handler = {.closed = on_closed};

static void dialled(int code, struct quic_connection *connection, const struct error *error,
                    void *context) {
  struct relay_station *station = context;
  station->dial = NULL;
  if (code) {
    struct error fault = *error;
    error_prefix(&fault, "the relay %s cannot be reached: ", station->name);
    log_info(station->relays->config.log, "relay-unreachable", "relay=%s error=\"%s\"",
             station->name, error->message);
    struct relay_use *use;
    DL_FOREACH2(station->uses, use, next) {
      use->due = use->state == USE_WAITING;
    }
    tell_due(station, &fault);
    let_go(station);
    return;
  }
  station->connection = connection; /* the dial's hold is the connection's now */
  quic_connection_set_handler(connection, &connection_handler, station);
  station->control = control_new(connection, NULL, NULL);
  if (!station->control) {
    quic_connection_close(connection, 0, "no memory");
    return;
  }
  send_all(station);
  if (station->control && station->relayed)
    relay_station_speak(station);
}

static int connect_to(struct relay_station *station, struct error *error) {
  const struct relays_config *config = &station->relays->config;
  struct dial_target target = {
      .loop = config->loop,
      .log = config->log,
      .endpoint = config->endpoint,
      .alpn = RELAY_ALPN,
      .credentials = config->credentials,
      .trust = config->trust,
      .purpose = PKI_TRS,
      .peer_name = station->name,
      .parameters = {.idle_timeout = RELAY_IDLE_TIMEOUT, .keep_alive = RELAY_KEEP_ALIVE},
  };
  int code = dial_start(&target, &station->addresses, dialled, station, &station->dial, error);
  if (code)
    station->dial = NULL;
  else
    station->open++;
  return code;
}

/* --- the table --- */

static int station_find_or_add(struct relays *relays, const char *name, struct relay_station **out,
                               struct error *error) {
  struct relay_station *station;
  unsigned count = 0;
  DL_FOREACH2(relays->stations, station, next) {
    if (strcmp(station->name, name) == 0) {
      *out = station;
      return 0;
    }
    count++;
  }
  if (count >= RELAYS_MAX)
    return error_set(error, ERROR_LIMIT, "connections with %u relays are open; %s is one too many",
                     count, name);
  station = calloc(1, sizeof *station);
  if (!station)
    return error_set(error, ERROR_NO_MEMORY, "no memory for a connection with the relay %s", name);
  station->relays = relays;
  snprintf(station->name, sizeof station->name, "%s", name);
  uv_timer_init(relays->config.loop, &station->timer);
  station->timer.data = station;
  station->open = 1;
  DL_APPEND2(relays->stations, station, previous, next);
  *out = station;
  return 0;
}

static int use_begin(struct relays *relays, const char *name,
                     const struct service_addresses *addresses, struct relay_use *use,
                     struct error *error) {
  struct relay_station *station = NULL;
  int code = station_find_or_add(relays, name, &station, error);
  if (code)
    return code;
  use->station = station;
  if (station->dial && !service_addresses_equal(&station->addresses, addresses)) {
    /* It has moved: where it was nobody may answer for long. */
    dial_cancel(station->dial, dial_ended, station);
    station->dial = NULL;
  }
  if (station->control) {
    code = use_send(use, error);
  } else if (!station->dial && !station->connection) {
    station->addresses = *addresses;
    code = connect_to(station, error);
    if (code)
      error_prefix(error, "the relay %s cannot be reached: ", name);
  }
  if (code) {
    rest_if_unused(station);
    return code;
  }
  uv_timer_stop(&station->timer);
  station->relayed = station->relayed || !use->measures;
  DL_APPEND2(station->uses, use, previous, next);
  return 0;
}

/* --- the owner's side --- */

struct relays *relays_new(const struct relays_config *config) {
  struct relays *relays = calloc(1, sizeof *relays);
  if (relays)
    relays->config = *config;
  return relays;
}

void relays_close(struct relays *relays) {
  if (!relays)
    return;
  struct relay_station *station, *next;
  DL_FOREACH_SAFE2(relays->stations, station, next, next) {
    struct relay_use *use, *following;
    DL_FOREACH_SAFE2(station->uses, use, following, next) {
      DL_DELETE2(station->uses, use, previous, next);
      use->station = NULL;
    }
    station_end(station);
    station->relays = NULL;
  }
  free(relays);
}

int relays_ask(struct relays *relays, const struct relay_offer *offer,
               const struct relay_handler *handler, void *context, struct relay_use **out,
               struct error *error) {
  struct relay_use *use = calloc(1, sizeof *use + offer->grant_size);
  if (!use)
    return error_set(error, ERROR_NO_MEMORY, "no memory to ask a relay");
  use->handler = handler;
  use->context = context;
  use->grant_size = offer->grant_size;
  memcpy(use->grant, offer->grant, offer->grant_size);
  struct service_addresses addresses;
  relay_offer_addresses(offer, &addresses);
  int code = use_begin(relays, offer->name, &addresses, use, error);
  if (code)
    free(use);
  else
    *out = use;
  return code;
}

int relays_measure(struct relays *relays, const char *name,
                   const struct service_addresses *addresses, const struct relay_handler *handler,
                   void *context, struct relay_use **out, struct error *error) {
  struct relay_use *use = calloc(1, sizeof *use);
  if (!use)
    return error_set(error, ERROR_NO_MEMORY, "no memory to measure a relay");
  use->handler = handler;
  use->context = context;
  use->measures = true;
  int code = use_begin(relays, name, addresses, use, error);
  if (code)
    free(use);
  else
    *out = use;
  return code;
}

void relay_use_release(struct relay_use *use) {
  if (!use)
    return;
  struct relay_station *station = use->station;
  if (station) {
    DL_DELETE2(station->uses, use, previous, next);
    use->station = NULL;
    rest_if_unused(station);
  }
  use_free(use);
}

void relay_use_check(struct relay_use *use) {
  /* All pairs may ask at once; one answer does for all. */
  if (use->station && use->station->control && use->station->asked == 0)
    relay_station_speak(use->station);
}

bool relays_have(const struct relays *relays, const char *name) {
  struct relay_station *station;
  DL_FOREACH2(relays->stations, station, next) {
    if (station->relayed && strcmp(station->name, name) == 0)
      return true;
  }
  return false;
}

const char *relay_use_name(const struct relay_use *use) {
  return use->station ? use->station->name : "";
}

bool relay_use_is_ready(const struct relay_use *use) {
  return use->state == USE_READY;
}

bool relay_use_is_over(const struct relay_use *use) {
  return use->state == USE_OVER;
}

struct address relay_use_address(const struct relay_use *use) {
  return use->address;
}

bool relay_use_peer_absent(const struct relay_use *use) {
  return use->peer_absent;
}

uint64_t relay_use_round_trip(const struct relay_use *use) {
  return use->round_trip;
}

struct address relay_use_observed(const struct relay_use *use) {
  return use->observed;
}

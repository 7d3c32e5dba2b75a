#include "node/observation.h"

#include <stdlib.h>
#include <string.h>

#include "node/errand.h"
#include "node/mapping_lifetime.h"
#include "node/message.h"

struct observation {
  struct observation_config config;
  struct host_addresses registered;
  struct address nms[2]; /* whose answers `observed` is of */
  struct address observed[2];
  bool behind_nat[2];
  struct errand *other; /* over the other IP version */
  uint16_t port;        /* of NMS; 0: none */
  struct errand *look;  /* at that port */
  /* Where, and how NMS saw us when we last asked there, so as not to ask again for the same. */
  struct address looked_at, looked_from;
  struct address look_observed;      /* there; family 0: it does not answer */
  struct mapping_lifetime *lifetime; /* of the NAT over IPv4 */
  struct relay_finding findings[RELAY_SURVEY_MAX];
  size_t finding_count;
};

/* Index of a family's slot. */
static size_t slot(int family) {
  return family == 6;
}

void observation_request(control_message *message, Cyphonic__ObservationRequest *request) {
  cyphonic__observation_request__init(request);
  cyphonic__message__init(message);
  message->body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message->observation_request = request;
}

/* For a connection that is closed as soon as it has answered. */
static struct dial_target errand_target(const struct observation *observation, int family) {
  struct dial_target target = observation->config.target;
  target.parameters.keep_alive = 0;
  target.family = family;
  return target;
}

static bool read_observed(const control_message *reply, struct address *observed) {
  return reply->body_case == CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE &&
         !message_endpoint(reply->observation_response->observed, observed);
}

/* --- from elsewhere --- */

/* Over IPv4, from another address or port than NMS's: that tells how our NAT maps. */
static bool sees_us_elsewhere(const struct observation *observation,
                              const struct relay_finding *finding) {
  return finding->observed.ip.family == 4 &&
         !address_equal(&finding->remote, &observation->nms[slot(4)]);
}

/* A TRS at another address comes first: a NAT may map by address alone, which NMS's other port does
 * not show. */
struct address observation_elsewhere(const struct observation *observation) {
  for (size_t i = observation->finding_count; i > 0; i--)
    if (sees_us_elsewhere(observation, &observation->findings[i - 1]))
      return observation->findings[i - 1].observed;
  return observation->look_observed;
}

static void look_end(struct observation *observation) {
  if (observation->look)
    errand_cancel(observation->look);
  observation->look = NULL;
}

void observation_forget(struct observation *observation) {
  look_end(observation);
  mapping_lifetime_forget(observation->lifetime);
  observation->looked_at = observation->looked_from = (struct address){0};
  observation->look_observed = (struct address){0};
}

void observation_retry(struct observation *observation) {
  if (!ip_address_is_set(&observation->look_observed.ip))
    observation_forget(observation);
  else
    mapping_lifetime_retry(observation->lifetime);
}

static void looked(int code, const control_message *reply, UNUSED const struct address *server,
                   const struct error *error, void *context) {
  struct observation *observation = context;
  observation->look = NULL;
  struct address observed;
  if (code)
    log_debug(observation->config.target.log, "observation-port-silent", "error=\"%s\"",
              error->message);
  else if (read_observed(reply, &observed) && observed.ip.family == 4)
    observation->look_observed = observed;
  observation->config.elsewhere_changed(observation->config.context);
}

/* Asks at NMS's other port how it sees us, unless it was asked already and nothing has changed.
 * Where it does not answer nothing is known of the NAT, and nothing else is lost. */
static void look_elsewhere(struct observation *observation) {
  size_t ipv4 = slot(4);
  struct address place = {.ip = observation->nms[ipv4].ip, .port = observation->port};
  const struct address *from = &observation->observed[ipv4];
  bool useful = place.port != 0 && ip_address_is_set(&place.ip) && ip_address_is_set(&from->ip) &&
                observation->behind_nat[ipv4];
  if (useful && address_equal(&place, &observation->looked_at) &&
      address_equal(from, &observation->looked_from))
    return;
  observation_forget(observation);
  if (useful) {
    char host[ADDRESS_TEXT_SIZE];
    struct service_addresses places = {0};
    (void)service_addresses_add(&places, ip_address_text(&place.ip, host), place.port);
    Cyphonic__ObservationRequest request;
    control_message message;
    observation_request(&message, &request);
    struct dial_target target = errand_target(observation, 4);
    struct error error = {0};
    observation->looked_at = place;
    observation->looked_from = *from;
    mapping_lifetime_learn(observation->lifetime, &place);
    if (!errand_start(&target, &places, &message, looked, NULL, observation, &observation->look,
                      &error))
      return;
    observation->look = NULL;
    log_debug(target.log, "observation-port-skipped", "error=\"%s\"", error.message);
  }
  observation->config.elsewhere_changed(observation->config.context);
}

/* --- the other IP version --- */

static void observed_other(int code, const control_message *reply, const struct address *server,
                           const struct error *error, void *context) {
  struct observation *observation = context;
  observation->other = NULL;
  struct address observed;
  if (code) {
    log_debug(observation->config.target.log, "observation-failed", "error=\"%s\"", error->message);
  } else if (read_observed(reply, &observed)) {
    size_t at = slot(observed.ip.family);
    observation->observed[at] = observed;
    observation->behind_nat[at] = !host_addresses_have(&observation->registered, &observed.ip);
    observation->nms[slot(server->ip.family)] = *server;
    look_elsewhere(observation);
  }
}

/* NMS works with the addresses we told it if it cannot be reached this way too. */
static void observe_other(struct observation *observation, int other,
                          const struct service_addresses *nms) {
  observation->observed[slot(other)] = (struct address){0};
  observation->behind_nat[slot(other)] = false;
  if (observation->other)
    errand_cancel(observation->other);
  observation->other = NULL;
  if (!host_addresses_have_family(&observation->registered, other))
    return;
  Cyphonic__ObservationRequest request;
  control_message message;
  observation_request(&message, &request);
  struct dial_target target = errand_target(observation, other);
  struct error error = {0};
  if (errand_start(&target, nms, &message, observed_other, NULL, observation, &observation->other,
                   &error)) {
    observation->other = NULL;
    log_debug(target.log, "observation-skipped", "error=\"%s\"", error.message);
  }
}

void observation_registered(struct observation *observation,
                            const struct observation_report *report,
                            const struct service_addresses *nms,
                            const struct host_addresses *registered) {
  size_t at = slot(report->observed.ip.family);
  observation->registered = *registered;
  observation->observed[at] = report->observed;
  observation->behind_nat[at] = report->behind_nat;
  observation->nms[at] = report->nms;
  observation->port = report->port;
  observe_other(observation, report->nms.ip.family == 6 ? 4 : 6, nms);
  if (report->nms.ip.family == 4)
    look_elsewhere(observation); /* otherwise when it is known how NMS sees us over IPv4 */
}

/* --- the TRSs --- */

/* Round trips differ from time to time; half as much again is something new. */
static bool is_news(const struct relay_finding *old, const struct relay_finding *new) {
  uint64_t less = old->round_trip < new->round_trip ? old->round_trip : new->round_trip;
  uint64_t more = old->round_trip < new->round_trip ? new->round_trip : old->round_trip;
  return strcmp(old->name, new->name) != 0 || !address_equal(&old->observed, &new->observed) ||
         more - less > more / 3;
}

bool observation_survey(struct observation *observation, const struct relay_finding *findings,
                        size_t count) {
  bool news = count != observation->finding_count;
  for (size_t i = 0; i < count && !news; i++)
    news = is_news(&observation->findings[i], &findings[i]);
  if (!news)
    return false;
  memcpy(observation->findings, findings, count * sizeof *findings);
  observation->finding_count = count;
  return true;
}

const struct relay_finding *observation_findings(const struct observation *observation,
                                                 size_t *count) {
  *count = observation->finding_count;
  return observation->findings;
}

/* --- what is known --- */

struct address observation_observed(const struct observation *observation, int family) {
  return observation->observed[slot(family)];
}

bool observation_behind_nat(const struct observation *observation, int family) {
  return observation->behind_nat[slot(family)];
}

uint64_t observation_keep_alive(const struct observation *observation, int family) {
  return family == 4 ? mapping_lifetime_keep_alive(observation->lifetime)
                     : observation->config.keep_alive;
}

/* --- life --- */

struct observation *observation_new(const struct observation_config *config) {
  struct observation *observation = calloc(1, sizeof *observation);
  if (!observation)
    return NULL;
  observation->config = *config;
  const struct mapping_lifetime_config lifetime = {
      .target = config->target,
      .shortest = config->keep_alive,
      .longest = config->keep_alive_limit,
      .changed = config->keep_alive_changed,
      .context = config->context,
  };
  observation->lifetime = mapping_lifetime_new(&lifetime);
  if (observation->lifetime)
    return observation;
  free(observation);
  return NULL;
}

void observation_stop(struct observation *observation) {
  look_end(observation);
  if (observation->other)
    errand_cancel(observation->other);
  observation->other = NULL;
  mapping_lifetime_free(observation->lifetime);
  observation->lifetime = NULL;
}

void observation_free(struct observation *observation) {
  free(observation);
}

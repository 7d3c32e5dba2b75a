/* What a link asks of its peer beside the tunnel: pings, and where to meet directly. */
#include <stdlib.h>

#include "base/clock.h"
#include "node/link_internal.h"
#include "node/message.h"

int link_ask(struct link *link, const control_message *message, control_reply_callback callback,
             void *context, struct error *error) {
  lane_enter(link->shared->lane);
  int code =
      control_request(link->control, message, LINK_REQUEST_TIMEOUT, callback, context, error);
  lane_leave(link->shared->lane);
  return code;
}

/* --- pings --- */

static void echoed(UNUSED struct control *control, int code, const control_message *reply,
                   const struct error *error, void *context) {
  struct link_echo *echo = context;
  echo->round_trip = clock_now() - echo->sent;
  if (code)
    echo->error = *error;
  else if (reply->body_case != CYPHONIC__MESSAGE__BODY_PING_RESPONSE)
    code = error_set(&echo->error, ERROR_PROTOCOL,
                     "the peer answered the PingRequest with another message");
  echo->code = code;
  struct link_event event = {.news = LINK_NEWS_PINGED, .echo = echo};
  link_tell(echo->link, &event);
}

static int ask_ping(struct link *link, control_reply_callback callback, void *context,
                    struct error *error) {
  Cyphonic__PingRequest ping = CYPHONIC__PING_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_PING_REQUEST;
  message.ping_request = &ping;
  return link_ask(link, &message, callback, context, error);
}

int link_ping(struct link *link, link_ping_callback callback, void *context, struct error *error) {
  struct link_echo *echo = calloc(1, sizeof *echo);
  struct link_event *reserved = malloc(sizeof *reserved);
  if (!echo || !reserved) {
    free(echo);
    free(reserved);
    return error_set(error, ERROR_NO_MEMORY, "no memory for a ping");
  }
  *echo = (struct link_echo){.link = link,
                             .callback = callback,
                             .context = context,
                             .sent = clock_now(),
                             .reserved = reserved};
  int code = ask_ping(link, echoed, echo, error);
  if (code)
    link_free_echo(echo);
  return code;
}

static void probe_answered(UNUSED struct control *control, UNUSED int code,
                           UNUSED const control_message *reply, UNUSED const struct error *error,
                           void *context) {
  struct link *link = context;
  link->probed = 0;
}

void link_probe(struct link *link) {
  struct error error = {0};
  lane_enter(link->shared->lane);
  if (link->probed == 0 && !ask_ping(link, probe_answered, link, &error))
    link->probed = clock_now();
  lane_leave(link->shared->lane);
}

void link_await_anew(struct link *link) {
  lane_enter(link->shared->lane);
  if (link->probed != 0)
    link->probed = clock_now();
  lane_leave(link->shared->lane);
}

static void announced(UNUSED struct control *control, UNUSED int code,
                      UNUSED const control_message *reply, UNUSED const struct error *error,
                      UNUSED void *context) {
}

int link_announce(struct link *link, struct error *error) {
  return ask_ping(link, announced, NULL, error);
}

uint64_t link_silence(const struct link *link, uint64_t at) {
  uint64_t silence = quic_connection_silence(link_visit(link), at);
  uint64_t waited = link->probed != 0 && at > link->probed ? at - link->probed : 0;
  link_leave(link);
  return waited > silence ? waited : silence;
}

/* --- where to meet directly --- */

/* Those of `endpoints` that can be. */
static size_t read_candidates(Cyphonic__Endpoint **endpoints, size_t count,
                              struct address candidates[LINK_CANDIDATES_MAX]) {
  size_t taken = 0;
  for (size_t i = 0; i < count && taken < LINK_CANDIDATES_MAX; i++)
    if (!message_endpoint(endpoints[i], &candidates[taken]))
      taken++;
  return taken;
}

/* Endpoints that borrow from `candidates`. */
static size_t write_candidates(const struct address *candidates, size_t count,
                               Cyphonic__Endpoint endpoints[LINK_CANDIDATES_MAX],
                               Cyphonic__Endpoint *pointers[LINK_CANDIDATES_MAX]) {
  if (count > LINK_CANDIDATES_MAX)
    count = LINK_CANDIDATES_MAX;
  for (size_t i = 0; i < count; i++) {
    cyphonic__endpoint__init(&endpoints[i]);
    endpoints[i].ip = message_bytes(&candidates[i].ip);
    endpoints[i].port = candidates[i].port;
    pointers[i] = &endpoints[i];
  }
  return count;
}

/* Without an owner, or asked again before it answered, there are none. */
static void answer_upgrade(struct link *link, const struct address *ours, size_t count) {
  Cyphonic__Endpoint endpoints[LINK_CANDIDATES_MAX], *pointers[LINK_CANDIDATES_MAX];
  struct control_exchange *exchange = link->upgrade;
  if (!exchange)
    return;
  link->upgrade = NULL;
  Cyphonic__UpgradeResponse response = CYPHONIC__UPGRADE_RESPONSE__INIT;
  response.n_candidates = write_candidates(ours, count, endpoints, pointers);
  response.candidates = pointers;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_UPGRADE_RESPONSE;
  reply.upgrade_response = &response;
  control_reply(exchange, &reply);
}

void link_take_upgrade(struct link *link, struct control_exchange *exchange,
                       const Cyphonic__UpgradeRequest *request) {
  answer_upgrade(link, NULL, 0);
  link->upgrade = exchange;
  struct link_event event = {.news = LINK_NEWS_UPGRADE_ASKED};
  event.candidates.count =
      read_candidates(request->candidates, request->n_candidates, event.candidates.item);
  link_tell(link, &event);
}

static void upgrade_answered(UNUSED struct control *control, int code, const control_message *reply,
                             UNUSED const struct error *error, void *context) {
  struct link *link = context;
  if (!link->handler || !link->control)
    return; /* `closed` tells */
  struct link_event event = {.news = LINK_NEWS_UPGRADE_ANSWERED};
  if (!code && reply->body_case == CYPHONIC__MESSAGE__BODY_UPGRADE_RESPONSE)
    event.candidates.count =
        read_candidates(reply->upgrade_response->candidates, reply->upgrade_response->n_candidates,
                        event.candidates.item);
  link_tell(link, &event);
}

int link_upgrade(struct link *link, const struct address *ours, size_t count, struct error *error) {
  Cyphonic__Endpoint endpoints[LINK_CANDIDATES_MAX], *pointers[LINK_CANDIDATES_MAX];
  Cyphonic__UpgradeRequest upgrade = CYPHONIC__UPGRADE_REQUEST__INIT;
  upgrade.n_candidates = write_candidates(ours, count, endpoints, pointers);
  upgrade.candidates = pointers;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_UPGRADE_REQUEST;
  message.upgrade_request = &upgrade;
  return link_ask(link, &message, upgrade_answered, link, error);
}

void link_answer_upgrade(struct link *link, const struct address *ours, size_t count) {
  lane_enter(link->shared->lane);
  answer_upgrade(link, ours, count);
  lane_leave(link->shared->lane);
}

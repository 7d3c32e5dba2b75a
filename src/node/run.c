#include "node/run.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "node/plane.h"

enum {
  CLOCK_TOLERANCE = 300, /* seconds: certificates begin two hours back, so this does no harm */
  CERTIFICATE_NOTICE = 14 * 86400, /* seconds before its end from which the operator is warned */
};

struct run {
  struct run_config config;
  const struct run_handler *handler;
  void *context;
  struct network_watch *watch;
  struct session *session;
  struct peers *peers;
  struct plane *plane;
  struct relay_survey *survey;
  struct names names;
};

static void save(struct run *run) {
  struct error error = {0};
  if (state_save(run->config.node->state_folder, run->config.state, &error))
    warnings_set(run->config.warnings, WARNING_STATE, "what NMS told cannot be kept: %s",
                 error.message);
  else
    warnings_clear(run->config.warnings, WARNING_STATE);
}

static void check_certificate(struct run *run) {
  const struct node_identity *identity = run->config.identity;
  int64_t now = clock_wall();
  char text[CLOCK_TEXT_SIZE];
  if (identity->expired)
    warnings_set(run->config.warnings, WARNING_CERTIFICATE, "this node's certificate: %s",
                 identity->expiry.message);
  else if (identity->certificate.not_after - now < CERTIFICATE_NOTICE)
    warnings_set(run->config.warnings, WARNING_CERTIFICATE,
                 "this node's certificate ends at %s: ask the network's operator for a new "
                 "invitation",
                 clock_text(identity->certificate.not_after, text));
  else
    warnings_clear(run->config.warnings, WARNING_CERTIFICATE);
}

/* --- the network --- */

static int read_addresses(struct run *run, struct host_addresses *addresses, struct error *error) {
  struct host_filter filter = {
      .except = network_watch_excepted(run->watch),
      .ipv4_overlay = run->config.state->ipv4_prefix,
      .ipv6_overlay = run->config.state->ipv6_prefix,
  };
  return host_addresses_read(network_watch_netlink(run->watch), &filter, addresses, error);
}

static bool know_addresses(struct run *run, struct host_addresses *addresses) {
  struct error error = {0};
  if (!read_addresses(run, addresses, &error))
    return true;
  log_warning(run->config.node->log, "addresses-unknown", "error=\"%s\"", error.message);
  return false;
}

static void network_changed(void *context) {
  struct run *run = context;
  struct host_addresses addresses;
  plane_network_changed(run->plane);
  if (!know_addresses(run, &addresses))
    return;
  peers_addresses_changed(run->peers, &addresses);
  session_network_changed(run->session, &addresses);
}

static void network_settled(void *context) {
  struct run *run = context;
  struct host_addresses addresses;
  if (!know_addresses(run, &addresses))
    return;
  peers_addresses_settled(run->peers, &addresses);
  session_network_settled(run->session, &addresses);
}

/* What time has ended elsewhere answers by a reset, and is made again. */
static void woke(uint64_t seconds, void *context) {
  struct run *run = context;
  log_info(run->config.node->log, "woke", "asleep=%llus", (unsigned long long)seconds);
  session_check(run->session);
  peers_check(run->peers);
}

static void interface_changed(bool up, void *context) {
  struct run *run = context;
  plane_interface_changed(run->plane, up);
}

static const struct network_handler network_handler = {
    .changed = network_changed,
    .settled = network_settled,
    .woke = woke,
    .own_changed = interface_changed,
};

/* --- the session's events --- */

/* The overlay's ranges are known. */
static void set_overlay(struct run *run) {
  const struct node_state *state = run->config.state;
  quic_endpoint_set_overlay(run->config.endpoint, &state->ipv4_prefix, &state->ipv6_prefix);
  if (run->config.lanes)
    lanes_follow(run->config.lanes, &state->ipv4_prefix, &state->ipv6_prefix);
  plane_set_overlay(run->plane, &state->ipv4_prefix, &state->ipv6_prefix);
}

static bool prefix_take(struct ip_prefix *to, const struct ip_prefix *from) {
  if (to->length == from->length && ip_address_equal(&to->address, &from->address))
    return false;
  *to = *from;
  return true;
}

static void registered(const struct session_registration *registration, void *context) {
  struct run *run = context;
  struct node_state *state = run->config.state;
  bool ipv4_new = prefix_take(&state->ipv4_prefix, &registration->ipv4_prefix);
  bool ipv6_new = prefix_take(&state->ipv6_prefix, &registration->ipv6_prefix);
  if (ipv4_new || ipv6_new)
    save(run);
  set_overlay(run);
  check_certificate(run);
  if (registration->relays_changed) {
    uint32_t random;
    random_bytes(&random, sizeof random);
    relay_survey_begin(run->survey, session_relays(run->session),
                       RELAY_SURVEY_DELAY + random % RELAY_SURVEY_DELAY_SPREAD);
  }
  peers_hurry(run->peers);
  log_info(run->config.node->log, "registered", "fqdn=%s", state->fqdn);
  run->handler->registered(run->context);
}

static void failed(const struct error *error, bool permanent, void *context) {
  struct run *run = context;
  if (error->code == ERROR_EXPIRED)
    warnings_set(run->config.warnings, WARNING_CLOCK, "%s", error->message);
  run->handler->failed(error, permanent, run->context);
}

static void nms_learned(const struct service_addresses *nms, void *context) {
  struct run *run = context;
  run->config.state->nms = *nms;
  save(run);
}

static void keep_alive_changed(void *context) {
  struct run *run = context;
  peers_keep_mappings(run->peers);
}

static void clock_compared(int64_t difference, void *context) {
  struct run *run = context;
  if (difference > CLOCK_TOLERANCE || difference < -CLOCK_TOLERANCE)
    warnings_set(run->config.warnings, WARNING_CLOCK,
                 "this host's clock is %lld seconds %s the server's: set it right, or "
                 "certificates will be refused",
                 (long long)llabs(difference), difference > 0 ? "behind" : "ahead of");
  else
    warnings_clear(run->config.warnings, WARNING_CLOCK);
}

static void directed(struct control_exchange *exchange, const Cyphonic__RouteDirection *direction,
                     void *context) {
  struct run *run = context;
  struct error error = {0};
  if (peers_direct(run->peers, direction, &error)) {
    log_warning(run->config.node->log, "direction-refused", "error=\"%s\"", error.message);
    control_refuse(exchange, CYPHONIC__ERROR__CODE__MALFORMED, "%s", error.message);
    return;
  }
  Cyphonic__RouteDirectionConfirmation confirmation = CYPHONIC__ROUTE_DIRECTION_CONFIRMATION__INIT;
  confirmation.direction_id = direction->direction_id;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_ROUTE_DIRECTION_CONFIRMATION;
  reply.route_direction_confirmation = &confirmation;
  control_reply(exchange, &reply);
}

static const struct session_handler session_handler = {
    .registered = registered,
    .failed = failed,
    .nms_learned = nms_learned,
    .keep_alive_changed = keep_alive_changed,
    .clock_compared = clock_compared,
    .directed = directed,
};

/* --- what the parts ask of each other --- */

static int ask(const control_message *message, control_reply_callback callback, void *asker,
               struct error *error, void *context) {
  struct run *run = context;
  return session_ask(run->session, message, callback, asker, error);
}

static uint64_t keep_alive(int family, void *context) {
  struct run *run = context;
  return session_keep_alive(run->session, family);
}

static void own(struct path_own *addresses, void *context) {
  struct run *run = context;
  session_own(run->session, addresses);
}

static void deliver(struct span packet, void *context) {
  struct run *run = context;
  if (run->plane) /* not while going down */
    plane_deliver(run->plane, packet);
}

static void check(void *context) {
  struct run *run = context;
  session_check(run->session);
}

static void look_again(void *context) {
  struct run *run = context;
  network_watch_look_again(run->watch);
}

static void peer_told(const struct peer *peer, enum peer_news news, void *context) {
  struct run *run = context;
  run->handler->peer(peer, news, run->context);
}

static void outbound(const struct ip_address *destination, struct span packet, void *context) {
  struct run *run = context;
  peers_send(run->peers, destination, packet);
}

/* --- life --- */

static int session_make(struct run *run, struct error *error) {
  const struct node_config *node = run->config.node;
  const struct node_state *state = run->config.state;
  struct session_config config = {
      .target = {.loop = node->loop,
                 .log = node->log,
                 .endpoint = run->config.endpoint,
                 .credentials = run->config.identity->credentials,
                 .trust = run->config.identity->trust},
      .fqdn = state->fqdn,
      .domain = state->domain,
      .ipv4 = state->ipv4,
      .ipv6 = state->ipv6,
      .as = state->as,
      .nms = state->nms,
      .keep_alive = node->keep_alive,
      .keep_alive_limit = node->keep_alive_limit,
  };
  return session_new(&config, &session_handler, run, &run->session, error);
}

static int peers_make(struct run *run, struct error *error) {
  const struct node_config *node = run->config.node;
  const struct node_state *state = run->config.state;
  struct peers_config config = {
      .loop = node->loop,
      .log = node->log,
      .endpoint = run->config.endpoint,
      .lanes = run->config.lanes,
      .credentials = run->config.identity->credentials,
      .trust = run->config.identity->trust,
      .fqdn = state->fqdn,
      .domain = state->domain,
      .ipv4 = state->ipv4,
      .ipv6 = state->ipv6,
      .tunnel_idle = node->tunnel_idle,
      .ask = ask,
      .keep_alive = keep_alive,
      .own = own,
      .deliver = deliver,
      .check = check,
      .look_again = look_again,
      .tell = peer_told,
      .context = run,
  };
  int code = peers_new(&config, &run->peers, error);
  if (code)
    run->peers = NULL;
  run->names = (struct names){
      .fqdn = state->fqdn,
      .domain = state->domain,
      .ipv4 = state->ipv4,
      .ipv6 = state->ipv6,
      .with_ipv4 = true,
      .peers = run->peers,
      .ask = ask,
      .context = run,
  };
  return code;
}

static void surveyed(const struct relay_finding *findings, size_t count, void *context) {
  struct run *run = context;
  session_report(run->session, findings, count);
}

static int survey_make(struct run *run, struct error *error) {
  run->survey = relay_survey_new(run->config.node->loop, peers_relays(run->peers), surveyed, run);
  return run->survey ? 0 : error_set(error, ERROR_NO_MEMORY, "no memory to survey the relays");
}

static int plane_make(struct run *run, struct error *error) {
  const struct node_config *node = run->config.node;
  const struct node_state *state = run->config.state;
  struct plane_config config = {
      .loop = node->loop,
      .log = node->log,
      .warnings = run->config.warnings,
      .watch = run->watch,
      .lanes = run->config.lanes,
      .interface_name = node->interface_name,
      .domain = state->domain,
      .ipv4 = state->ipv4,
      .ipv6 = state->ipv6,
      .resolver = node->resolver,
      .resolver_setup = node->resolver_setup,
      .names = &run->names,
      .outbound = outbound,
      .context = run,
  };
  return plane_new(&config, &run->plane, error);
}

int run_new(const struct run_config *config, const struct run_handler *handler, void *context,
            struct run **out, struct error *error) {
  struct run *run = calloc(1, sizeof *run);
  if (!run)
    return error_set(error, ERROR_NO_MEMORY, "no memory to bring the node up");
  run->config = *config;
  run->handler = handler;
  run->context = context;
  struct host_addresses addresses;
  int code;
  (void)((code = network_watch_new(config->node->loop, config->node->log, &network_handler, run,
                                   &run->watch, error)) ||
         (code = session_make(run, error)) || (code = peers_make(run, error)) ||
         (code = survey_make(run, error)) || (code = plane_make(run, error)) ||
         (code = read_addresses(run, &addresses, error)));
  if (code) {
    run_close(run);
    return code;
  }
  check_certificate(run);
  const struct node_state *state = config->state;
  if (state->ipv4_prefix.length > 0 && state->ipv6_prefix.length > 0)
    set_overlay(run);
  *out = run;
  session_start(run->session, &addresses);
  return 0;
}

void run_close(struct run *run) {
  if (!run)
    return;
  /* The applications first, then who asks, then who is asked: each may still speak to the next, and
   * none to one that is gone. */
  plane_close(run->plane);
  run->plane = NULL;
  session_close(run->session);
  relay_survey_close(run->survey);
  peers_close(run->peers);
  network_watch_close(run->watch);
  free(run);
}

bool run_is_registered(const struct run *run) {
  return session_is_registered(run->session);
}

struct names *run_names(struct run *run) {
  return &run->names;
}

struct session_view run_session(const struct run *run) {
  return session_view(run->session);
}

const struct peers *run_peers(const struct run *run) {
  return run->peers;
}

void run_list_relays(const struct run *run, struct relay_list *list) {
  *list = (struct relay_list){0};
  const struct relay_list *all = session_relays(run->session);
  for (size_t i = 0; i < all->count; i++)
    if (!relays_have(peers_relays(run->peers), all->item[i].name))
      list->item[list->count++] = all->item[i];
}

const char *run_interface(const struct run *run) {
  return plane_interface(run->plane);
}

bool run_behind_nat(const struct run *run) {
  return session_behind_nat(run->session, 4) || session_behind_nat(run->session, 6);
}

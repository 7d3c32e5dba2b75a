#include "node/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "node/peer.h"

enum { STEPS_MAX = 8 /* of one look: each changes the state, so a few are enough */ };
/* Between two times that we send to a peer's addresses because it says so. */
#define MEET_INTERVAL NANOSECONDS_PER_SECOND

static void tick(uv_timer_t *timer);

void path_init(struct peer *peer) {
  uv_timer_init(peer->environment->link->loop, &peer->path.timer);
  peer->path.timer.data = peer;
}

/* --- what is known --- */

static struct address remote_of(const struct peer *peer) {
  return link_remote(peer->link);
}

static void note_change(struct peer *peer) {
  peer->path.changed = clock_wall();
  log_info(peer->environment->link->log, "path-changed", "path=%s",
           peer->path.relay[0] != '\0' ? "relay" : "direct");
}

/* Whoever forgot us, our NAT included, may have forgotten us for others too. */
static void check_surroundings(struct peer *peer) {
  binding_check(&peer->binding);
  peer->environment->check(peer->environment->owner);
}

/* Which way the packets go now. */
static void look_where(struct peer *peer) {
  struct path *path = &peer->path;
  struct address remote = remote_of(peer);
  const char *name = binding_name_at(&peer->binding, &remote);
  if (strcmp(path->relay, name ? name : "") == 0)
    return;
  snprintf(path->relay, sizeof path->relay, "%s", name ? name : "");
  if (!name)
    path->reason[0] = '\0';
  else
    check_surroundings(peer); /* a server's client left the direct path */
  note_change(peer);
}

static void set_reason(struct peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void set_reason(struct peer *peer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(peer->path.reason, sizeof peer->path.reason, format, arguments);
  va_end(arguments);
}

static struct path_own own_addresses(const struct peer *peer) {
  struct path_own own = {0};
  peer->environment->own(&own, peer->environment->owner);
  return own;
}

static struct path_signs signs_of(const struct peer *peer) {
  const struct quic_connection *connection = link_visit(peer->link);
  struct quic_connection_counters counters;
  struct address remote = remote_of(peer), relay;
  struct link_traffic traffic = link_traffic(peer->link);
  quic_connection_counters(connection, &counters);
  struct path_signs signs = {
      .relayed = binding_name_at(&peer->binding, &remote),
      .confirmed = link_is_confirmed(peer->link),
      .relay_ready = binding_is_ready(&peer->binding, &relay) && !address_equal(&relay, &remote),
      .silence = link_silence(peer->link, clock_now()),
      .probe_timeout = quic_connection_probe_timeout(connection),
      .arrived = counters.received_packets,
      .sent = traffic.sent,
      .received = traffic.received,
  };
  link_leave(peer->link);
  return signs;
}

/* --- what is done --- */

static void ask_peer(struct peer *peer) {
  struct path_own own = own_addresses(peer);
  struct error fault = {0};
  if (link_upgrade(peer->link, own.item, own.count, &fault)) {
    log_debug(peer->environment->link->log, "upgrade-not-asked", "error=\"%s\"", fault.message);
    path_plan_unanswered(&peer->path.plan, peer_now(peer));
  }
}

/* False: later. */
static bool try_candidate(struct peer *peer) {
  struct path_plan *plan = &peer->path.plan;
  const struct address *candidate = path_plan_candidate(plan);
  char text[ADDRESS_TEXT_SIZE];
  log_debug(peer->environment->link->log, "path-try", "peer=%s remote=%s", peer->entry.fqdn,
            address_text(candidate, text));
  int code = link_migrate(peer->link, candidate, false);
  if (code == ERROR_AGAIN)
    path_plan_again(plan);
  else if (code)
    path_plan_moved(plan, false, peer_now(peer));
  return code != ERROR_AGAIN;
}

static bool fall_to_relay(struct peer *peer) {
  struct path_plan *plan = &peer->path.plan;
  struct address relay, remote = remote_of(peer);
  char text[ADDRESS_TEXT_SIZE];
  if (!binding_is_ready(&peer->binding, &relay)) {
    path_plan_again(plan);
    return false;
  }
  const char *name = binding_name_at(&peer->binding, &remote);
  int code = link_migrate(peer->link, &relay, true);
  if (code == ERROR_AGAIN) {
    path_plan_again(plan);
    return false;
  }
  if (code) { /* it is about to close */
    path_plan_moved(plan, false, peer_now(peer));
    return false;
  }
  link_await_anew(peer->link);
  log_info(peer->environment->link->log, "path-silent", "path=%s", name ? "relay" : "direct");
  if (name)
    set_reason(peer, "the relay %.100s fell silent", name);
  else
    set_reason(peer, "the direct path to %s fell silent", address_text(&remote, text));
  return true;
}

/* Asks NMS, so that both nodes go to the relay that it names. The one that was offered last is
 * asked for at once, in case the peer has noticed too, or NMS is away. */
static void find_relay(struct peer *peer, bool other) {
  struct error fault = {0};
  if (other)
    binding_note_failed(&peer->binding, peer->path.relay, peer_now(peer));
  else
    binding_forgive(&peer->binding);
  if (!other && binding_ask(&peer->binding, peer_now(peer), &fault))
    log_debug(peer->environment->link->log, "relay-not-asked", "error=\"%s\"", fault.message);
  peer->path.renewing = true;
  peer->environment->ask(peer, peer->environment->owner);
}

/* False: nothing more now. */
static bool take_step(struct peer *peer) {
  struct path_signs signs = signs_of(peer);
  switch (path_plan_step(&peer->path.plan, peer_now(peer), &signs)) {
  case PATH_STAY:
    return false;
  case PATH_ASK_PEER:
    ask_peer(peer);
    return true;
  case PATH_TRY:
    return try_candidate(peer);
  case PATH_TO_RELAY:
    return fall_to_relay(peer);
  case PATH_FIND:
    find_relay(peer, false);
    return false;
  case PATH_FIND_OTHER:
    find_relay(peer, true);
    return false;
  case PATH_PROBE:
    link_probe(peer->link);
    return false;
  case PATH_CHECK:
    check_surroundings(peer);
    return true;
  case PATH_RECONNECT:
    peer_reconnect(peer);
    return false;
  }
  return false;
}

/* --- time --- */

static uint64_t idle_time(const struct peer *peer) {
  struct link_traffic traffic = link_traffic(peer->link);
  uint64_t last = traffic.sent > traffic.received ? traffic.sent : traffic.received;
  uint64_t now = peer_now(peer);
  if (peer->path.touched > last)
    last = peer->path.touched;
  return now > last ? now - last : 0; /* a lane's clock may be ahead */
}

static bool wants_tick(const struct peer *peer) {
  const struct path *path = &peer->path;
  uint64_t idle = idle_time(peer);
  if (idle < PATH_IDLE || (path->relay[0] != '\0' && path_plan_is_busy(&path->plan)))
    return true;
  return idle < PATH_IDLE_SILENT && link_silence(peer->link, clock_now()) > 0;
}

static void look_at(struct peer *peer) {
  if (binding_wants_renewal(&peer->binding, peer_now(peer)) && peer->path.plan.client &&
      !peer->path.renewing)
    find_relay(peer, false);
  mobility_look(peer);
  for (int i = 0; i < STEPS_MAX && peer->path.standing && take_step(peer); i++)
    continue;
  if (!peer->path.standing)
    return;
  peer->path.ticking = wants_tick(peer);
  if (peer->path.ticking) {
    uv_timer_start(&peer->path.timer, tick, PATH_TICK, 0);
  } else {
    uv_timer_stop(&peer->path.timer);
    link_tell_traffic(peer->link, false);
  }
}

/* In one visit. */
static void look(struct peer *peer) {
  if (!peer->path.standing)
    return;
  struct lane *lane = link_lane(peer->link);
  lane_enter(lane);
  look_at(peer);
  lane_leave(lane);
}

static void tick(uv_timer_t *timer) {
  look(timer->data);
}

/* From inside the connection's own callbacks, where it cannot be moved. */
static void look_soon(struct peer *peer) {
  peer->path.ticking = true;
  uv_timer_start(&peer->path.timer, tick, 0, 0);
}

static void keep_ticking(struct peer *peer) {
  if (peer->path.ticking || !peer->path.standing)
    return;
  peer->path.ticking = true;
  uv_timer_start(&peer->path.timer, tick, PATH_TICK, 0);
}

void path_traffic(struct peer *peer, bool received) {
  keep_ticking(peer);
  if (received)
    mobility_heard(peer);
}

void path_note_ping(struct peer *peer) {
  peer->path.touched = peer_now(peer);
  keep_ticking(peer);
}

/* --- life --- */

void path_begin(struct peer *peer) {
  struct path *path = &peer->path;
  struct address remote = remote_of(peer);
  const char *name = binding_name_at(&peer->binding, &remote);
  path->standing = true;
  path->renewing = false;
  path->touched = peer_now(peer);
  path->met = 0;
  path->changed = clock_wall();
  snprintf(path->relay, sizeof path->relay, "%s", name ? name : "");
  path->reason[0] = '\0';
  if (!name)
    binding_release(&peer->binding); /* what came direct at once needs no relay */
  else if (peer->direction.pattern == ATTEMPT_PATTERN_RELAY)
    set_reason(peer, "the networks of the two nodes let no direct path be set up");
  else
    set_reason(peer, "no direct address of the peer answered");
  path_plan_init(&path->plan, link_is_client(peer->link), peer_now(peer));
  mobility_begin(peer);
  look_soon(peer);
}

void path_end(struct peer *peer) {
  peer->path.standing = peer->path.ticking = false;
  peer->path.renewing = false;
  uv_timer_stop(&peer->path.timer);
}

/* --- events --- */

void path_moved(struct peer *peer) {
  if (!peer->path.standing)
    return;
  look_where(peer);
  mobility_path_changed(peer);
  /* A server whose client went to the relay after all, or again: the relay must know us. */
  struct error fault = {0};
  if (peer->path.relay[0] != '\0' && !peer->binding.current && !peer->path.plan.client &&
      binding_ask(&peer->binding, peer_now(peer), &fault))
    log_debug(peer->environment->link->log, "relay-not-asked", "error=\"%s\"", fault.message);
}

void path_confirmed(struct peer *peer) {
  if (peer->path.standing)
    look_soon(peer);
}

void path_migrated(struct peer *peer, bool success) {
  if (!peer->path.standing)
    return;
  struct path_plan *plan = &peer->path.plan;
  bool tried = plan->activity == PATH_TRYING;
  look_where(peer);
  if (success) {
    link_await_anew(peer->link); /* what was asked by the old way is not held against the new */
    mobility_heard(peer);
  }
  mobility_migrated(peer, success);
  mobility_path_changed(peer);
  path_plan_moved(plan, success, peer_now(peer));
  if (tried && !success && plan->activity == PATH_RESTING)
    set_reason(peer, "none of %zu direct addresses of the peer answered", plan->count);
  look(peer);
}

/* Opens our NAT and firewall for packets from there. */
static void punch(struct peer *peer, const struct address *theirs, size_t count) {
  struct path *path = &peer->path;
  uint64_t now = peer_now(peer);
  if (path->met != 0 && now - path->met < MEET_INTERVAL)
    return;
  path->met = now;
  for (size_t i = 0; i < count; i++)
    quic_endpoint_punch(peer->environment->link->endpoint, &theirs[i]);
}

/* As client: the addresses are tried. */
static void take_candidates(struct peer *peer, struct address *theirs, size_t count) {
  path_plan_answered(&peer->path.plan, theirs, count, peer_now(peer));
  if (count == 0)
    set_reason(peer, "the peer knows no direct address of its own");
  look_soon(peer);
}

void path_upgrade_asked(struct peer *peer, const struct address *theirs, size_t count) {
  struct path_own own = own_addresses(peer);
  struct address ordered[LINK_CANDIDATES_MAX];
  memcpy(ordered, theirs, count * sizeof *theirs);
  count = path_order_candidates(ordered, count, &own);
  punch(peer, ordered, count);
  /* The server of a relayed tunnel whose addresses changed asks too: the client is to try now. */
  if (peer->path.plan.client && peer->path.relay[0] != '\0')
    take_candidates(peer, ordered, count);
  link_answer_upgrade(peer->link, own.item, own.count);
}

void path_upgrade_answered(struct peer *peer, const struct address *theirs, size_t count) {
  if (!peer->path.standing)
    return;
  struct path_own own = own_addresses(peer);
  struct address ordered[LINK_CANDIDATES_MAX];
  memcpy(ordered, theirs, count * sizeof *theirs);
  count = path_order_candidates(ordered, count, &own);
  punch(peer, ordered, count);
  if (peer->path.plan.client)
    take_candidates(peer, ordered, count);
}

void path_relay_ready(struct peer *peer) {
  if (!peer->path.standing)
    return;
  look_where(peer);
  look(peer);
}

/* The TRS forgot us, or is gone: it is asked again with the grant that we have. If that fails the
 * tunnel's silence tells, and NMS is asked. */
void path_relay_lost(struct peer *peer) {
  struct error fault = {0};
  if (!peer->path.standing)
    return;
  if (binding_ask_again(&peer->binding, peer_now(peer), &fault))
    log_debug(peer->environment->link->log, "relay-not-asked", "error=\"%s\"", fault.message);
}

bool path_directed(struct peer *peer) {
  struct path *path = &peer->path;
  const struct peer_direction *direction = &peer->direction;
  struct error fault = {0};
  bool ours = path->renewing && path->plan.client && direction->client &&
              direction->route_id == link_peer_route_id(peer->link);
  path->renewing = false;
  path_plan_directed(&path->plan, peer_now(peer));
  if (!ours && direction->client)
    return false;
  /* The server's part, too: the client goes there, or begins anew. */
  if (binding_ask(&peer->binding, peer_now(peer), &fault))
    log_debug(peer->environment->link->log, "relay-not-asked", "error=\"%s\"", fault.message);
  else
    look(peer);
  return true;
}

void path_refused(struct peer *peer) {
  peer->path.renewing = false;
}

void path_addresses_changed(struct peer *peer) {
  if (!peer->path.standing || peer->path.relay[0] == '\0')
    return;
  path_plan_hurry(&peer->path.plan, peer_now(peer));
  if (peer->path.plan.client)
    look_soon(peer);
  else
    ask_peer(peer);
}

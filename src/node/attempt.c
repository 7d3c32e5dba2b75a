#include "node/attempt.h"

#include "node/peer.h"

static void step(uv_timer_t *timer);
static void ask_relay(struct peer *peer);

void attempt_init(struct peer *peer) {
  uv_timer_init(peer->environment->link->loop, &peer->attempt.timer);
  peer->attempt.timer.data = peer;
}

static bool is_excluded(const struct peer *peer, size_t candidate) {
  return peer->attempt.excluded & (UINT32_C(1) << candidate);
}

/* The next of the direction's addresses; NULL: none is left. */
static const struct address *take_candidate(struct peer *peer) {
  const struct peer_direction *direction = &peer->direction;
  while (peer->attempt.next < direction->count) {
    size_t at = peer->attempt.next++;
    if (!is_excluded(peer, at))
      return &direction->candidates[at];
  }
  return NULL;
}

static void note(struct peer *peer, const struct error *fault) {
  if (peer->failure.code == ERROR_NONE)
    peer->failure = *fault;
}

static bool connect_to(struct peer *peer, const struct address *remote) {
  const struct peer_environment *environment = peer->environment;
  struct link_target target = {
      .remote = *remote,
      .fqdn = peer->entry.fqdn,
      .peer_route_id = peer->direction.route_id,
      .direction_id = peer->direction.id,
  };
  struct error fault = {0};
  if (link_connect(environment->place(environment->owner), &target, environment->handler,
                   environment->owner, &peer->attempt.link, &fault)) {
    peer->attempt.link = NULL;
    note(peer, &fault);
    return false;
  }
  link_set_owner(peer->attempt.link, peer);
  return true;
}

/* Adds the next address to the race, or begins with it. */
static void race_next(struct peer *peer) {
  const struct address *remote;
  while ((remote = take_candidate(peer))) {
    if (peer->attempt.link)
      link_add_candidate(peer->attempt.link, remote);
    else if (!connect_to(peer, remote))
      continue;
    return;
  }
}

/* The peer's first packets may be on their way; our firewall lets in what comes from where we have
 * sent to. */
static void open_way(struct peer *peer) {
  const struct peer_direction *direction = &peer->direction;
  for (size_t i = 0; i < direction->count; i++)
    quic_endpoint_punch(peer->environment->link->endpoint, &direction->candidates[i]);
}

static void give_up(struct peer *peer) {
  struct error why = peer->failure;
  attempt_end(peer);
  if (why.code == ERROR_NONE)
    error_set(&why, ERROR_UNREACHABLE, "no address of the peer could be tried");
  peer_attempt_failed(peer, &why);
}

/* Whether the link that is missing may still come: from the relay, or from NMS's next word. */
static bool is_hopeless(const struct peer *peer) {
  const struct attempt *attempt = &peer->attempt;
  return attempt->under_way && peer->direction.client && !attempt->link &&
         !binding_is_asking(&peer->binding) && !attempt->asking_relay;
}

static void conclude(struct peer *peer) {
  if (is_hopeless(peer))
    ask_relay(peer);
  if (is_hopeless(peer))
    give_up(peer);
}

/* --- the relay --- */

static void ask_relay(struct peer *peer) {
  struct error fault = {0};
  struct address address;
  if (peer->attempt.relay_tried)
    return;
  peer->attempt.relay_tried = true;
  if (peer->direction.route_id == 0)
    return; /* a peer without one cannot be relayed to */
  int code = binding_ask(&peer->binding, peer_now(peer), &fault);
  if (code == ERROR_RELAY && peer->direction.pattern == ATTEMPT_PATTERN_RELAY)
    note(peer, &fault);
  else if (code && code != ERROR_RELAY)
    attempt_relay_failed(peer, false, &fault);
  else if (!code && binding_is_ready(&peer->binding, &address))
    attempt_relay_ready(peer); /* bound since before */
}

void attempt_relay_ready(struct peer *peer) {
  struct address address;
  if (!peer->attempt.under_way || !peer->direction.client ||
      !binding_is_ready(&peer->binding, &address))
    return;
  if (peer->attempt.link)
    link_add_candidate(peer->attempt.link, &address);
  else if (!connect_to(peer, &address))
    conclude(peer);
}

void attempt_relay_failed(struct peer *peer, bool peer_absent, const struct error *error) {
  if (!peer->attempt.under_way)
    return;
  note(peer, error);
  /* Only where nothing but a relay will do is another worth a question. While an old tunnel stands
   * it is path.h that asks. */
  if (!peer_absent && !peer->attempt.link && peer->state == PEER_CONNECTING &&
      peer->direction.pattern == ATTEMPT_PATTERN_RELAY &&
      peer->attempt.relays_asked < ATTEMPT_RELAYS_MAX) {
    peer->attempt.relays_asked++;
    peer->attempt.asking_relay = true;
    peer->environment->ask(peer, peer->environment->owner);
    return;
  }
  conclude(peer);
}

void attempt_refused(struct peer *peer, const struct error *error) {
  if (!peer->attempt.under_way || !peer->attempt.asking_relay)
    return;
  peer->attempt.asking_relay = false;
  note(peer, error);
  conclude(peer);
}

/* --- time --- */

static void arm_if_due(struct peer *peer) {
  bool relay_due = !peer->attempt.relay_tried;
  bool race_due = peer->direction.client && peer->attempt.next < peer->direction.count;
  if (peer->attempt.under_way && (relay_due || race_due))
    uv_timer_start(&peer->attempt.timer, step, ATTEMPT_STEP, 0);
}

static void step(uv_timer_t *timer) {
  struct peer *peer = timer->data;
  if (peer->direction.client)
    race_next(peer);
  ask_relay(peer);
  conclude(peer);
  arm_if_due(peer);
}

void attempt_begin(struct peer *peer) {
  attempt_end(peer);
  struct attempt *attempt = &peer->attempt;
  bool relay_only = peer->direction.pattern == ATTEMPT_PATTERN_RELAY;
  attempt->under_way = true;
  attempt->excluded = 0;
  attempt->asking_relay = false;
  attempt->relay_tried = false;
  /* Where no direct path is to be expected the addresses serve the upgrade alone. */
  attempt->next = relay_only ? peer->direction.count : 0;
  peer->failure = (struct error){0};
  if (peer->direction.client)
    race_next(peer);
  else if (!relay_only)
    open_way(peer);
  if (relay_only)
    ask_relay(peer);
  conclude(peer);
  arm_if_due(peer);
}

void attempt_end(struct peer *peer) {
  peer->attempt.under_way = false;
  peer->attempt.asking_relay = false;
  uv_timer_stop(&peer->attempt.timer);
  peer_let_go(&peer->attempt.link, LINK_CLOSE_SUPERSEDED, "another connection is used");
}

void attempt_link_closed(struct peer *peer, const struct error *error) {
  struct attempt *attempt = &peer->attempt;
  struct address remote = link_remote(attempt->link);
  attempt->link = NULL;
  /* What we closed ourselves has its reason in place. */
  if (error->code != ERROR_CLOSED || peer->failure.code == ERROR_NONE)
    peer->failure = *error;
  /* Somebody who is not the peer may have answered at one of the addresses; the others, which he
   * silenced, get another chance without him. */
  bool again = false;
  if (error->code != ERROR_TIMEOUT && peer->direction.pattern != ATTEMPT_PATTERN_RELAY) {
    for (size_t i = 0; i < peer->direction.count; i++)
      if (!is_excluded(peer, i) && address_equal(&peer->direction.candidates[i], &remote)) {
        attempt->excluded |= UINT32_C(1) << i;
        again = true;
      }
    if (again)
      attempt->next = 0;
  }
  race_next(peer);
  struct address relay;
  if (again && binding_is_ready(&peer->binding, &relay))
    attempt_relay_ready(peer);
  conclude(peer);
  arm_if_due(peer);
}

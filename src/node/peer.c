#include "node/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/random.h"

uint64_t peer_now(const struct peer *peer) {
  return uv_now(peer->environment->link->loop) * NANOSECONDS_PER_MILLISECOND;
}

bool peer_is_named(const struct peer *peer) {
  return peer->entry.fqdn[0] != '\0' && peer->entry.ipv4.family == 4 &&
         peer->entry.ipv6.family == 6;
}

bool peer_is_held(const struct peer *peer) {
  return peer->state == PEER_FAILED && peer_now(peer) < peer->hold_until;
}

void peer_tell(const struct peer *peer, enum peer_news news) {
  peer->environment->tell(peer, news, peer->environment->owner);
}

/* For logs: an entry may be known by an address only. */
static const char *label(const struct peer *peer, char text[static ADDRESS_TEXT_SIZE]) {
  if (peer->entry.fqdn[0] != '\0')
    return peer->entry.fqdn;
  return ip_address_text(peer->entry.ipv4.family == 4 ? &peer->entry.ipv4 : &peer->entry.ipv6,
                         text);
}

/* --- who waits --- */

/* Calls those of `wait`, or all. Comes last in whatever does it: a callback may lead anywhere. */
static void waiters_call(struct peer *peer, bool all, enum peer_wait wait, int code,
                         const struct error *error) {
  struct peer_waiter *due = NULL, *waiter, *next;
  LL_FOREACH_SAFE(peer->waiters, waiter, next) {
    if (!all && waiter->wait != wait)
      continue;
    LL_DELETE(peer->waiters, waiter);
    LL_APPEND(due, waiter);
  }
  LL_FOREACH_SAFE(due, waiter, next) {
    /* A name that is known is an answer, whatever became of the path. */
    bool answered = code == 0 || (waiter->wait == PEER_WAIT_NAME && peer_is_named(peer));
    waiter->callback(answered ? 0 : code, answered ? peer : NULL, answered ? NULL : error,
                     waiter->context);
    free(waiter);
  }
}

int peer_await(struct peer *peer, enum peer_wait wait, peer_callback callback, void *context) {
  if (wait == PEER_WAIT_UP && peer->state == PEER_UP) {
    callback(0, peer, NULL, context);
    return 0;
  }
  struct peer_waiter *waiter = calloc(1, sizeof *waiter);
  if (!waiter)
    return ERROR_NO_MEMORY;
  *waiter = (struct peer_waiter){.wait = wait, .callback = callback, .context = context};
  LL_APPEND(peer->waiters, waiter);
  if (wait == PEER_WAIT_UP)
    peer->hold_until = 0; /* a person asks: at a person's pace no hold-off is needed */
  peer_want(peer);
  return 0;
}

/* --- packets --- */

static void send_held(struct span packet, void *context) {
  struct peer *peer = context;
  link_send(peer->link, packet);
}

static void reject(struct span packet, void *context) {
  const struct peer *peer = context;
  struct ip_packet parsed;
  if (ip_packet_parse(packet, &parsed))
    return;
  /* The complaint comes from the address that cannot be reached: the kernel drops what arrives with
   * one of its own as source. */
  uint8_t reply[ICMP_PACKET_MAX];
  size_t size = icmp_unreachable(packet, &parsed.destination, reply);
  if (size > 0)
    peer->environment->deliver((struct span){.data = reply, .size = size},
                               peer->environment->owner);
}

void peer_send(struct peer *peer, struct span packet) {
  if (peer->state == PEER_UP) {
    link_send(peer->link, packet);
    return;
  }
  if (peer_is_held(peer)) {
    reject(packet, peer);
    return;
  }
  hold_queue_push(&peer->queue, packet, peer_now(peer));
  peer_want(peer);
}

/* --- time --- */

static void time_over(uv_timer_t *timer);

static void arm(struct peer *peer, uint64_t milliseconds) {
  uv_timer_start(&peer->timer, time_over, milliseconds, 0);
}

uint64_t peer_idle(const struct peer *peer) {
  struct link_traffic traffic = peer->link ? link_traffic(peer->link) : (struct link_traffic){0};
  uint64_t now = peer_now(peer), last = peer->active;
  if (traffic.sent > last)
    last = traffic.sent;
  if (traffic.received > last)
    last = traffic.received;
  return now > last ? now - last : 0; /* a lane's clock may be ahead */
}

static void idle_check(struct peer *peer) {
  uint64_t limit = peer->environment->tunnel_idle;
  if (limit == 0)
    return;
  uint64_t idle = peer_idle(peer);
  if (idle < limit) {
    arm(peer, (limit - idle) / NANOSECONDS_PER_MILLISECOND + 1);
    return;
  }
  link_close(peer->link, LINK_CLOSE_IDLE, "no packets for a while");
}

static void time_over(uv_timer_t *timer) {
  struct peer *peer = timer->data;
  struct error why = {0};
  switch (peer->state) {
  case PEER_DIRECTING:
    error_set(&why, ERROR_TIMEOUT, "NMS gave no direction in time");
    peer_event_take(peer, PEER_BROKEN, &why);
    return;
  case PEER_CONNECTING:
    if (peer->failure.code != ERROR_NONE)
      why = peer->failure;
    else
      error_set(&why, ERROR_TIMEOUT, "the peer%s: pattern %u",
                peer->direction.client ? " does not answer" : ", which was to connect, did not",
                peer->direction.pattern);
    peer_event_take(peer, PEER_BROKEN, &why);
    return;
  case PEER_UP:
    idle_check(peer);
    return;
  case PEER_FAILED:
    peer_event_take(peer, PEER_FORGOTTEN, NULL);
    return;
  case PEER_IDLE:
    return;
  }
}

/* --- the state machine --- */

static void enter_directing(struct peer *peer) {
  peer_tell(peer, PEER_NEWS_STATE);
  peer->attempt.relays_asked = 0;
  arm(peer, PEER_DIRECTION_TIMEOUT);
  peer->environment->ask(peer, peer->environment->owner);
}

static void enter_connecting(struct peer *peer) {
  peer_tell(peer, PEER_NEWS_STATE);
  /* As client too, in case NMS does not answer when another relay is wanted. */
  arm(peer, PEER_SERVER_TIMEOUT);
  attempt_begin(peer);
}

static void enter_up(struct peer *peer) {
  peer->failure = (struct error){0};
  peer->active = peer_now(peer);
  peer->established = clock_wall();
  backoff_reset(&peer->backoff);
  peer->hold_until = 0;
  uv_timer_stop(&peer->timer);
  if (peer->environment->tunnel_idle > 0)
    arm(peer, peer->environment->tunnel_idle / NANOSECONDS_PER_MILLISECOND + 1);
  peer_tell(peer, PEER_NEWS_STATE);
  hold_queue_drain(&peer->queue, peer_now(peer), send_held, peer);
  waiters_call(peer, true, PEER_WAIT_UP, 0, NULL);
}

static void enter_failed(struct peer *peer, const struct error *why) {
  char text[ADDRESS_TEXT_SIZE];
  uint32_t random;
  random_bytes(&random, sizeof random);
  uint64_t hold = backoff_next(&peer->backoff, random);
  struct error failure = *why;
  log_debug(peer->environment->link->log, "peer-failed", "peer=%s hold=%llums error=\"%s\"",
            label(peer, text), (unsigned long long)hold, failure.message);
  peer->failure = failure;
  peer_tell(peer, PEER_NEWS_STATE);
  peer->hold_until = peer_now(peer) + hold * NANOSECONDS_PER_MILLISECOND;
  attempt_end(peer);
  path_end(peer);
  binding_release(&peer->binding);
  arm(peer, peer_is_named(peer) ? PEER_FORGET_TIMEOUT : PEER_UNNAMED_TIMEOUT);
  hold_queue_drain(&peer->queue, peer_now(peer), reject, peer);
  waiters_call(peer, true, PEER_WAIT_UP, failure.code, &failure);
}

static void enter_idle(struct peer *peer) {
  uv_timer_stop(&peer->timer);
  path_end(peer);
  peer_tell(peer, PEER_NEWS_STATE);
  if (!peer->attempt.under_way)
    binding_release(&peer->binding);
  if (!peer_is_named(peer) && !peer->waiters)
    peer->environment->forget(peer, peer->environment->owner);
}

void peer_event_take(struct peer *peer, enum peer_event event, const struct error *why) {
  enum peer_state before = peer->state;
  peer->state = peer_state_next(before, event);
  if (peer->state != before) {
    char text[ADDRESS_TEXT_SIZE];
    log_debug(peer->environment->link->log, "peer-state", "peer=%s from=%s to=%s",
              label(peer, text), peer_state_name(before), peer_state_name(peer->state));
  }
  switch (event) {
  case PEER_WANTED:
    if (peer->state != before)
      enter_directing(peer);
    return;
  case PEER_DIRECTED:
    if (peer->state == PEER_CONNECTING)
      enter_connecting(peer);
    else if (!path_directed(peer)) /* PEER_UP: a new tunnel beside the old */
      attempt_begin(peer);
    return;
  case PEER_ESTABLISHED:
    enter_up(peer);
    return;
  case PEER_BROKEN:
    if (peer->state == PEER_FAILED)
      enter_failed(peer, why);
    return;
  case PEER_ENDED:
  case PEER_FORGOTTEN:
    if (peer->state == PEER_IDLE)
      enter_idle(peer);
    return;
  }
}

void peer_want(struct peer *peer) {
  if (peer->again != 0 && peer_now(peer) - peer->again < HOLD_QUEUE_LIFETIME)
    return; /* peer_hurry will */
  if (!peer_is_held(peer))
    peer_event_take(peer, PEER_WANTED, NULL);
  else
    waiters_call(peer, true, PEER_WAIT_UP, peer->failure.code, &peer->failure);
}

static void hold(struct span packet, void *context) {
  struct peer *peer = context;
  hold_queue_push(&peer->queue, packet, peer_now(peer));
}

void peer_addresses_changed(struct peer *peer, const struct host_addresses *addresses) {
  if (!peer->link)
    return;
  mobility_addresses_changed(peer, addresses);
  path_addresses_changed(peer);
}

void peer_addresses_settled(struct peer *peer, const struct host_addresses *addresses) {
  /* Without any address there is nowhere to go: it waits for the network to come back. A server's
   * client comes by another way, the relay, when it hears nothing. */
  if (!peer->link || !link_is_client(peer->link) || addresses->count == 0 ||
      mobility_can_go_on(peer, addresses))
    return;
  peer->again = peer_now(peer);
  if (link_is_authorised(peer->link))
    link_salvage(peer->link, hold, peer);
  link_close(peer->link, LINK_CLOSE_DONE, "an address is gone");
}

/* Each side reminds its own NAT. The server does a little later than it must, so that one PING and
 * its answer serve both NATs if they are alike. */
void peer_keep_mapping(struct peer *peer) {
  const struct peer_environment *environment = peer->environment;
  if (!peer->link)
    return;
  int family = link_remote(peer->link).ip.family;
  uint64_t keep_alive = environment->keep_alive(family, environment->owner);
  if (keep_alive != 0 && !link_is_client(peer->link))
    keep_alive += NANOSECONDS_PER_SECOND;
  quic_connection_set_keep_alive(link_visit(peer->link), keep_alive);
  link_leave(peer->link);
}

void peer_hurry(struct peer *peer) {
  bool again = peer->again != 0;
  peer->again = 0;
  peer->hold_until = 0;
  binding_forgive(&peer->binding); /* what failed may have failed for want of a network */
  peer_keep_mapping(peer);
  path_addresses_changed(peer); /* as others see them, too */
  if (again)
    peer_want(peer);
}

void peer_check(struct peer *peer) {
  if (!peer->link || !link_is_authorised(peer->link))
    return;
  path_note_ping(peer);
  link_probe(peer->link);
  binding_check(&peer->binding);
}

void peer_name(struct peer *peer) {
  peer->named = peer_now(peer);
  waiters_call(peer, false, PEER_WAIT_NAME, 0, NULL);
}

void peer_refuse(struct peer *peer, const struct error *error) {
  /* A direction that the peer asked for may have come meanwhile; it holds. */
  if (peer->state == PEER_DIRECTING)
    peer_event_take(peer, PEER_BROKEN, error);
  else if (peer->state == PEER_UP)
    path_refused(peer);
  else
    attempt_refused(peer, error);
}

void peer_direct(struct peer *peer, const struct peer_direction *direction,
                 struct relay_offer *offer) {
  const struct peer_direction *held = &peer->direction;
  /* Of two for one pair the greater id holds. An NMS that lost its count must not be deaf to for
   * ever, so an old one gives way to any. */
  if (held->received != 0 && direction->id <= held->id &&
      direction->received - held->received <= PEER_DIRECTION_LIFETIME) {
    free(offer);
    return;
  }
  peer->direction = *direction;
  binding_offer(&peer->binding, offer, peer_now(peer));
  peer_event_take(peer, PEER_DIRECTED, NULL);
}

void peer_absorb(struct peer *to, struct peer *from) {
  hold_queue_move(&to->queue, &from->queue);
  LL_CONCAT(to->waiters, from->waiters);
  from->waiters = NULL;
  if (to->state == PEER_UP) {
    hold_queue_drain(&to->queue, peer_now(to), send_held, to);
    waiters_call(to, true, PEER_WAIT_UP, 0, NULL);
  } else if (from->state == PEER_DIRECTING &&
             (to->state == PEER_IDLE || to->state == PEER_FAILED)) {
    to->state = PEER_DIRECTING; /* NMS has been asked already */
    arm(to, PEER_DIRECTION_TIMEOUT);
  }
}

/* --- from the parts --- */

void peer_relay_ready(struct peer *peer) {
  attempt_relay_ready(peer);
  path_relay_ready(peer);
}

void peer_relay_failed(struct peer *peer, bool peer_absent, const struct error *error) {
  attempt_relay_failed(peer, peer_absent, error);
}

void peer_relay_lost(struct peer *peer, UNUSED const struct error *error) {
  path_relay_lost(peer);
}

void peer_attempt_failed(struct peer *peer, const struct error *why) {
  if (peer->state != PEER_CONNECTING) { /* an old link is in use, or was, and nobody waits */
    peer->failure = (struct error){0};
    return;
  }
  struct error error = *why;
  if (peer->direction.pattern != ATTEMPT_PATTERN_RELAY)
    error_prefix(&error,
                 "none of %zu addresses could be connected to; the last: ", peer->direction.count);
  peer_event_take(peer, PEER_BROKEN, &error);
}

void peer_reconnect(struct peer *peer) {
  const struct peer_direction *direction = &peer->direction;
  if (direction->client && peer_now(peer) - direction->received <= PEER_DIRECTION_LIFETIME)
    attempt_begin(peer);
}

/* --- life --- */

struct peer *peer_new(const struct peer_environment *environment) {
  struct peer *peer = calloc(1, sizeof *peer);
  if (!peer)
    return NULL;
  peer->environment = environment;
  peer->backoff = (struct backoff){.first = PEER_HOLD_FIRST, .limit = PEER_HOLD_LIMIT};
  uv_timer_init(environment->link->loop, &peer->timer);
  peer->timer.data = peer;
  attempt_init(peer);
  path_init(peer);
  binding_init(&peer->binding, environment->relays, peer);
  peer->open = 3;
  return peer;
}

static void timer_closed(uv_handle_t *handle) {
  struct peer *peer = handle->data;
  if (--peer->open == 0)
    free(peer);
}

void peer_free(struct peer *peer) {
  struct link *links[] = {peer->link, peer->spare, peer->attempt.link};
  peer_set_link(peer, NULL);
  peer->spare = peer->attempt.link = NULL;
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (links[i])
      link_abandon(links[i]);
  binding_clear(&peer->binding);
  hold_queue_clear(&peer->queue);
  struct error why = {0};
  error_set(&why, ERROR_CLOSED, "this node goes down");
  waiters_call(peer, true, PEER_WAIT_UP, ERROR_CLOSED, &why);
  uv_close((uv_handle_t *)&peer->timer, timer_closed);
  uv_close((uv_handle_t *)&peer->attempt.timer, timer_closed);
  uv_close((uv_handle_t *)&peer->path.timer, timer_closed);
}

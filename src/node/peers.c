#include "node/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/direction.h"
#include "node/peers_internal.h"

enum {
  PARKED_TIMEOUT = 3000, /* milliseconds */
  LINGER_TIMEOUT = 1000,
};

/* A tunnel without keep-alive must outlive its own idle close, which either side may do first. */
#define QUIC_IDLE_FLOOR (30 * NANOSECONDS_PER_SECOND)

static struct peer *peer_after(const struct peer *peer) {
  return (struct peer *)peer->entry.next;
}

/* --- connections that await their direction --- */

static bool is_allowed(const struct link *link, const void *context) {
  const struct peer *peer = context;
  return peer_allows(peer, link_identity(link));
}

/* A direction came: those who were early may in. */
static void admit_parked(struct peers *peers, struct peer *peer) {
  for (struct link *link; (link = waiting_links_take(&peers->parked, is_allowed, peer));)
    peer_adopt(peer, link);
}

static void parked_expired(struct link *link, void *context) {
  struct peers *peers = context;
  log_info(peers->config.log, "tunnel-refused", "reason=\"no Route Direction allows it\"");
  link_refuse(link, LINK_CLOSE_NOT_DIRECTED, "no Route Direction allows this tunnel");
}

/* On the lane. */
static void accepted(struct quic_connection *connection, void *context) {
  struct peers_place *place = context;
  struct peers *peers = place->peers;
  struct error error = {0};
  if (link_accept(&place->shared, connection, peers->environment.handler, peers, &error))
    log_warning(place->shared.log, "tunnel-failed", "error=\"%s\"", error.message);
}

/* --- links --- */

static void on_accepted(struct link *link, void *context) {
  struct peers *peers = context;
  const struct pki_identity *identity = link_identity(link);
  struct peer *peer = peer_book_find(peers->book, identity->name, NULL);
  if (peer && peer_allows(peer, identity)) {
    peer_adopt(peer, link);
  } else if (!waiting_links_add(&peers->parked, link)) {
    link_refuse(link, LINK_CLOSE_NOT_DIRECTED, "too many connections await a Route Direction");
  }
}

static void on_established(struct link *link, UNUSED void *context) {
  if (link_owner(link))
    peer_link_established(link_owner(link), link);
}

static void on_requested(struct link *link, UNUSED void *context) {
  if (link_owner(link))
    peer_link_requested(link_owner(link), link);
}

static void on_confirmed(struct link *link, UNUSED void *context) {
  if (link_owner(link))
    peer_link_confirmed(link_owner(link), link);
}

static void on_refused(struct link *link, const struct error *error, UNUSED void *context) {
  if (link_owner(link))
    peer_link_refused(link_owner(link), link, error);
}

static void on_traffic(struct link *link, bool received, UNUSED void *context) {
  if (link_owner(link))
    peer_link_traffic(link_owner(link), link, received);
}

static void on_moved(struct link *link, UNUSED void *context) {
  if (link_owner(link))
    peer_link_moved(link_owner(link), link);
}

static void on_migrated(struct link *link, bool success, UNUSED void *context) {
  if (link_owner(link))
    peer_link_migrated(link_owner(link), link, success);
}

static void on_spoke_elsewhere(struct link *link, const struct address *remote,
                               UNUSED void *context) {
  if (link_owner(link))
    peer_link_spoke_elsewhere(link_owner(link), link, remote);
}

static void on_upgrade_asked(struct link *link, const struct address *theirs, size_t count,
                             UNUSED void *context) {
  if (link_owner(link))
    peer_link_upgrade_asked(link_owner(link), link, theirs, count);
  else
    link_answer_upgrade(link, NULL, 0);
}

static void on_upgrade_answered(struct link *link, const struct address *theirs, size_t count,
                                UNUSED void *context) {
  if (link_owner(link))
    peer_link_upgrade_answered(link_owner(link), link, theirs, count);
}

static void on_closed(struct link *link, const struct error *error, void *context) {
  struct peers *peers = context;
  if (link_owner(link)) {
    peer_link_closed(link_owner(link), link, error);
    return;
  }
  waiting_links_drop(&peers->parked, link);
  waiting_links_drop(&peers->lingering, link);
}

static const struct link_handler link_handler = {
    .accepted = on_accepted,
    .established = on_established,
    .requested = on_requested,
    .confirmed = on_confirmed,
    .refused = on_refused,
    .traffic = on_traffic,
    .moved = on_moved,
    .migrated = on_migrated,
    .spoke_elsewhere = on_spoke_elsewhere,
    .upgrade_asked = on_upgrade_asked,
    .upgrade_answered = on_upgrade_answered,
    .closed = on_closed,
};

/* --- the owner's side --- */

static uint64_t environment_keep_alive(int family, void *owner) {
  struct peers *peers = owner;
  return peers->config.keep_alive(family, peers->config.context);
}

static void environment_own(struct path_own *own, void *owner) {
  struct peers *peers = owner;
  peers->config.own(own, peers->config.context);
}

/* In turns, and on the main thread only if there is no other. */
static struct link_shared *environment_place(void *owner) {
  struct peers *peers = owner;
  unsigned lanes = peers->places - 1;
  return &peers->place[lanes == 0 ? 0 : 1 + peers->next_place++ % lanes].shared;
}

static void environment_linked(struct link *before, struct link *link, void *owner) {
  struct peers *peers = owner;
  if (peers->config.lanes)
    lanes_set_link(peers->config.lanes, before, link);
}

static void environment_deliver(struct span packet, void *owner) {
  struct peers *peers = owner;
  peers->config.deliver(packet, peers->config.context);
}

static void end_superseded(struct link *link, UNUSED void *context) {
  link_close(link, LINK_CLOSE_SUPERSEDED, "a connection of a later direction is used");
}

static void environment_linger(struct link *link, void *owner) {
  struct peers *peers = owner;
  link_set_owner(link, NULL);
  if (!waiting_links_add(&peers->lingering, link))
    end_superseded(link, peers);
}

static void environment_look_again(void *owner) {
  struct peers *peers = owner;
  if (!peers->closed && peers->config.look_again)
    peers->config.look_again(peers->config.context);
}

static void environment_tell(const struct peer *peer, enum peer_news news, void *owner) {
  struct peers *peers = owner;
  if (!peers->closed && peers->config.tell)
    peers->config.tell(peer, news, peers->config.context);
}

static void environment_forget(struct peer *peer, void *owner) {
  struct peers *peers = owner;
  peer_book_remove(peers->book, peer);
}

static void environment_check(void *owner) {
  struct peers *peers = owner;
  if (!peers->closed && peers->config.check)
    peers->config.check(peers->config.context);
}

static uint64_t idle_timeout(uint64_t tunnel_idle) {
  return tunnel_idle + QUIC_IDLE_FLOOR;
}

static void withdraw(struct peers *peers) {
  for (unsigned i = 0; i < peers->places; i++) {
    const struct link_shared *shared = &peers->place[i].shared;
    lane_enter(shared->lane);
    quic_endpoint_withdraw(shared->endpoint, LINK_ALPN);
    lane_leave(shared->lane);
  }
}

static int serve(struct peers_place *place, struct error *error) {
  const struct link_shared *shared = &place->shared;
  struct quic_service service = {
      .alpn = LINK_ALPN,
      .credentials = shared->credentials,
      .trust = shared->trust,
      .peer_purpose = PKI_NODE,
      .parameters = {.idle_timeout = shared->idle_timeout, .datagrams = true},
      .accepted = accepted,
      .context = place,
  };
  lane_enter(shared->lane);
  int code = quic_endpoint_serve(shared->endpoint, &service, error);
  lane_leave(shared->lane);
  return code;
}

static int open_places(struct peers *peers, struct error *error) {
  const struct peers_config *config = &peers->config;
  unsigned count = 1 + (config->lanes ? lanes_count(config->lanes) : 0);
  int code = 0;
  for (unsigned i = 0; i < count && !code; i++) {
    struct peers_place *place = &peers->place[i];
    place->peers = peers;
    place->shared = (struct link_shared){
        .loop = config->loop,
        .log = config->log,
        .endpoint = config->endpoint,
        .credentials = config->credentials,
        .trust = config->trust,
        .ipv4 = config->ipv4,
        .ipv6 = config->ipv6,
        .idle_timeout = idle_timeout(config->tunnel_idle),
        .deliver = config->deliver,
        .deliver_context = config->context,
    };
    if (i > 0)
      lanes_share(config->lanes, i - 1, &place->shared);
    code = serve(place, error);
    if (!code)
      peers->places++;
  }
  if (code)
    withdraw(peers);
  return code;
}

int peers_new(const struct peers_config *config, struct peers **out, struct error *error) {
  struct peers *peers = calloc(1, sizeof *peers);
  struct relays_config relays_config = {
      .loop = config->loop,
      .log = config->log,
      .endpoint = config->endpoint,
      .credentials = config->credentials,
      .trust = config->trust,
      .restarted = environment_check,
      .context = peers,
  };
  if (!peers)
    return error_set(error, ERROR_NO_MEMORY, "no memory for the table of peers");
  struct relays *relays = relays_new(&relays_config);
  struct peer_book *book = peer_book_new(&peers->environment, config->fqdn, config->domain);
  peers->config = *config;
  peers->book = book;
  peers->relays = relays;
  snprintf(peers->domain, sizeof peers->domain, "%s", config->domain);
  peers->environment = (struct peer_environment){
      .link = &peers->place[0].shared,
      .relays = relays,
      .handler = &link_handler,
      .owner = peers,
      .tunnel_idle = config->tunnel_idle,
      .place = environment_place,
      .linked = environment_linked,
      .ask = peers_ask,
      .keep_alive = environment_keep_alive,
      .own = environment_own,
      .deliver = environment_deliver,
      .linger = environment_linger,
      .check = environment_check,
      .look_again = environment_look_again,
      .tell = environment_tell,
      .forget = environment_forget,
  };
  int code = relays && book ? open_places(peers, error)
                            : error_set(error, ERROR_NO_MEMORY, "no memory for the table of peers");
  if (code) {
    peer_book_free(book);
    relays_close(relays);
    free(peers);
    return code;
  }
  waiting_links_init(&peers->parked, config->loop, PARKED_TIMEOUT, parked_expired, peers);
  waiting_links_init(&peers->lingering, config->loop, LINGER_TIMEOUT, end_superseded, peers);
  peers->open = 2;
  *out = peers;
  return 0;
}

static void waiting_closed(void *context) {
  struct peers *peers = context;
  if (--peers->open == 0)
    free(peers);
}

void peers_close(struct peers *peers) {
  if (!peers)
    return;
  peers->closed = true;
  withdraw(peers);
  peer_book_free(peers->book);
  peers->book = NULL;
  for (unsigned i = 0; i < peers->places; i++)
    link_abandon_all(&peers->place[i].shared); /* that wait, or were let go and are closing */
  relays_close(peers->relays);
  waiting_links_close(&peers->parked, waiting_closed);
  waiting_links_close(&peers->lingering, waiting_closed);
}

void peers_send(struct peers *peers, const struct ip_address *destination, struct span packet) {
  struct peer *peer = peer_book_find_or_add(peers->book, NULL, destination);
  if (peer)
    peer_send(peer, packet);
}

int peers_direct(struct peers *peers, const Cyphonic__RouteDirection *message,
                 struct error *error) {
  struct peer_direction direction;
  struct direction_peer is;
  int code = direction_read(message, peers->domain, &direction, &is, error);
  struct relay_offer *offer = NULL;
  if (!code)
    code = relay_offer_read(message->relay, &offer, error);
  if (code)
    return code;
  struct peer *peer = peer_book_find_or_add(peers->book, is.fqdn, NULL);
  if (!peer) {
    free(offer);
    return error_set(error, ERROR_LIMIT, "the table of peers is full");
  }
  peer = peer_book_identify(peers->book, peer, &is, error);
  if (!peer) {
    free(offer);
    return ERROR_PROTOCOL;
  }
  direction.received = uv_now(peers->config.loop) * NANOSECONDS_PER_MILLISECOND;
  peer_direct(peer, &direction, offer);
  /* Who waited may have been told, and done anything: the table knows whether the peer is there. */
  peer = peer_book_find(peers->book, is.fqdn, NULL);
  if (!peer)
    return 0;
  admit_parked(peers, peer);
  peer_name(peer);
  return 0;
}

void peers_find(struct peers *peers, const char *fqdn, const struct ip_address *address,
                enum peer_wait wait, peer_callback callback, void *context) {
  struct error error = {0};
  struct peer *peer = peer_book_find_or_add(peers->book, fqdn, address);
  if (!peer) {
    error_set(&error, ERROR_LIMIT, "the table of peers is full");
    callback(ERROR_LIMIT, NULL, &error, context);
    return;
  }
  bool fresh = peer_is_named(peer) &&
               (peer->state == PEER_UP || peer->state == PEER_CONNECTING || peer_is_held(peer) ||
                peer_now(peer) - peer->named <= PEERS_NAME_LIFETIME);
  if (wait == PEER_WAIT_NAME && fresh) {
    /* The path first: the answer is what makes the application send. */
    peer_want(peer);
    peer = peer_book_find(peers->book, fqdn, address);
    if (peer) {
      callback(0, peer, NULL, context);
      return;
    }
    error_set(&error, ERROR_UNREACHABLE, "the peer is gone");
    callback(ERROR_UNREACHABLE, NULL, &error, context);
    return;
  }
  if (peer_await(peer, wait, callback, context)) {
    error_set(&error, ERROR_NO_MEMORY, "no memory to wait for a peer");
    callback(ERROR_NO_MEMORY, NULL, &error, context);
  }
}

const struct peer *peers_known(struct peers *peers, const char *fqdn,
                               const struct ip_address *address) {
  const struct peer *peer = peer_book_find(peers->book, fqdn, address);
  return peer && peer_is_named(peer) ? peer : NULL;
}

void peers_addresses_changed(struct peers *peers, const struct host_addresses *addresses) {
  relays_network_changed(peers->relays, addresses);
  for (struct peer *peer = peer_book_first(peers->book); peer; peer = peer_after(peer))
    peer_addresses_changed(peer, addresses);
}

void peers_addresses_settled(struct peers *peers, const struct host_addresses *addresses) {
  relays_network_settled(peers->relays, addresses);
  for (struct peer *peer = peer_book_first(peers->book); peer; peer = peer_after(peer))
    peer_addresses_settled(peer, addresses);
}

void peers_check(struct peers *peers) {
  for (struct peer *peer = peer_book_first(peers->book); peer; peer = peer_after(peer))
    peer_check(peer);
}

void peers_hurry(struct peers *peers) {
  /* Named peers alone are set up again, and those are never forgotten on the way. */
  for (struct peer *peer = peer_book_first(peers->book); peer; peer = peer_after(peer))
    peer_hurry(peer);
}

void peers_keep_mappings(struct peers *peers) {
  /* Named peers alone are set up again, and those are never forgotten on the way. */
  for (struct peer *peer = peer_book_first(peers->book); peer; peer = peer_after(peer))
    peer_keep_mapping(peer);
}

struct relays *peers_relays(const struct peers *peers) {
  return peers->relays;
}

const struct peer *peers_first(const struct peers *peers) {
  return peer_book_first(peers->book);
}

#include "node/mobility.h"

#include "base/clock.h"
#include "net/source.h"
#include "node/peer.h"
#include "node/readdress.h"

static const struct log *log_of(const struct peer *peer) {
  return peer->environment->link->log;
}

void mobility_begin(struct peer *peer) {
  struct address remote = link_remote(peer->link);
  peer->mobility = (struct mobility){.source = source_towards(&remote, 0),
                                     .remote = remote,
                                     .direct = peer->path.relay[0] == '\0'};
}

const char *move_kind_name(enum move_kind kind) {
  switch (kind) {
  case MOVE_OWN_ADDRESS:
    return "own-address";
  case MOVE_PEER_ADDRESS:
    return "peer-address";
  case MOVE_ROUTE:
    return "route";
  }
  return "unknown";
}

static void move_end(struct peer *peer) {
  struct move *move = &peer->mobility.last;
  move->pending = false;
  if (move->kind == MOVE_OWN_ADDRESS)
    move->to.ip = link_is_client(peer->link) ? peer->mobility.source : link_local(peer->link);
  move->pause = quic_connection_take_wait(link_visit(peer->link), clock_now());
  link_leave(peer->link);
  log_info(log_of(peer), "moved", "peer=%s kind=%s pause=%llums", peer->entry.fqdn,
           move_kind_name(move->kind),
           (unsigned long long)(move->pause / NANOSECONDS_PER_MILLISECOND));
  peer_tell(peer, PEER_NEWS_MOVED);
}

static void move_begin(struct peer *peer, const struct move *move) {
  peer->mobility.moves++;
  peer->mobility.last = *move;
  peer->mobility.last.at = clock_wall();
  if (!move->pending)
    move_end(peer);
  else
    link_tell_traffic(peer->link, true);
}

void mobility_heard(struct peer *peer) {
  if (peer->mobility.last.pending)
    move_end(peer);
}

/* Told when packets of the peer have come by the new way: the pause is over. */
void mobility_path_changed(struct peer *peer) {
  struct mobility *mobility = &peer->mobility;
  struct address remote = link_remote(peer->link);
  bool direct = peer->path.relay[0] == '\0';
  bool route =
      direct != mobility->direct || (!direct && !address_equal(&remote, &mobility->remote));
  struct move move = {
      .kind = route ? MOVE_ROUTE : MOVE_PEER_ADDRESS,
      .from = mobility->remote,
      .to = remote,
      .from_relay = !mobility->direct,
      .to_relay = !direct,
  };
  bool same = !route && address_equal(&remote, &mobility->remote);
  mobility->remote = remote;
  mobility->direct = direct;
  if (same)
    return;
  mobility->wanted = (struct address){0};
  mobility->trying = false;
  move_begin(peer, &move);
}

/* The peer follows whoever speaks as we do; a server's packets may be lost until the client has
 * heard one from the new address. */
static void speak(struct peer *peer) {
  struct error error = {0};
  if (link_is_authorised(peer->link) && link_announce(peer->link, &error))
    log_debug(log_of(peer), "move-not-told", "error=\"%s\"", error.message);
}

bool mobility_can_go_on(const struct peer *peer, const struct host_addresses *addresses) {
  struct address remote = link_remote(peer->link);
  return host_addresses_have_family(addresses, remote.ip.family);
}

/* A server's packets leave from where the client's arrive, until that is gone. */
static bool readdress_server(struct quic_connection *connection,
                             const struct host_addresses *addresses, bool direct) {
  struct ip_address local = quic_connection_local(connection).ip;
  bool gone = ip_address_is_set(&local) && !host_addresses_have(addresses, &local);
  if (!gone && direct)
    quic_connection_hold(connection);
  return gone && quic_connection_readdress(connection, false) == 0;
}

static void addresses_changed(struct peer *peer, struct quic_connection *connection,
                              const struct host_addresses *addresses) {
  struct mobility *mobility = &peer->mobility;
  bool client = link_is_client(peer->link);
  bool chosen = client && !quic_connection_is_holding(connection); /* by the kernel */
  struct ip_address before = chosen ? mobility->source : quic_connection_local(connection).ip;
  if (ip_address_is_set(&before))
    mobility->before = before;
  enum readdress done = READDRESS_NONE;
  if (client)
    /* A TRS knows one address of ours at a time, the one that we ask it from. */
    done = readdress_client(connection, &mobility->source, addresses, mobility->direct);
  else if (readdress_server(connection, addresses, mobility->direct))
    done = READDRESS_MOVED;
  bool moved = done == READDRESS_MOVED;
  if (done != READDRESS_NONE)
    mobility->trying = !moved;
  /* What was said of it may have been refused for want of an address, which has come by now. */
  if (!moved && mobility->last.pending)
    speak(peer);
  if (!moved)
    return;
  mobility->stayed = false;
  link_await_anew(peer->link);
  struct move move = {.kind = MOVE_OWN_ADDRESS, .pending = true, .from.ip = mobility->before};
  move_begin(peer, &move);
  speak(peer);
}

void mobility_addresses_changed(struct peer *peer, const struct host_addresses *addresses) {
  struct link *link = peer->link;
  addresses_changed(peer, link_visit(link), addresses);
  link_leave(link);
}

void mobility_migrated(struct peer *peer, bool success) {
  struct mobility *mobility = &peer->mobility;
  if (!mobility->trying)
    return;
  mobility->trying = false;
  struct ip_address used = link_local(peer->link);
  if (success && !ip_address_equal(&used, &mobility->before)) {
    struct move move = {.kind = MOVE_OWN_ADDRESS, .from.ip = mobility->before};
    mobility->stayed = false;
    move_begin(peer, &move);
    return;
  }
  if (!mobility->stayed)
    log_info(log_of(peer), "network-unanswered", "peer=%s text=\"%s\"", peer->entry.fqdn,
             "the route that this host prefers now does not lead there, so the tunnel stays");
  mobility->stayed = true;
  peer->environment->look_again(peer->environment->owner);
}

/* False: not now. */
static bool follow(struct peer *peer, const struct address *remote) {
  uint64_t now = peer_now(peer);
  char text[ADDRESS_TEXT_SIZE];
  if (peer->mobility.followed != 0 && now - peer->mobility.followed < MOBILITY_FOLLOW_INTERVAL)
    return false;
  peer->mobility.followed = now;
  int code = link_migrate(peer->link, remote, false);
  log_debug(log_of(peer), "peer-spoke-elsewhere", "peer=%s remote=%s followed=%s", peer->entry.fqdn,
            address_text(remote, text), code ? "no" : "yes");
  return code != ERROR_AGAIN;
}

void mobility_peer_spoke(struct peer *peer, const struct address *remote) {
  bool done = follow(peer, remote);
  peer->mobility.wanted = done ? (struct address){0} : *remote;
}

void mobility_look(struct peer *peer) {
  struct address wanted = peer->mobility.wanted;
  if (wanted.port != 0)
    mobility_peer_spoke(peer, &wanted);
}

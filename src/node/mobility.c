#include "node/mobility.h"

#include "base/clock.h"
#include "net/source.h"
#include "node/peer.h"
#include "node/readdress.h"

static const struct log *log_of(const struct peer *peer) {
  return peer->environment->link->log;
}

void mobility_begin(struct peer *peer) {
  struct address remote = quic_connection_remote(link_connection(peer->link));
  peer->mobility = (struct mobility){
      .source = source_towards(&remote), .remote = remote, .direct = peer->path.relay[0] == '\0'};
}

static void note_move(struct peer *peer, bool peer_moved) {
  struct mobility *mobility = &peer->mobility;
  mobility->moves++;
  mobility->moved = clock_wall();
  mobility->peer_moved = peer_moved;
  log_info(log_of(peer), "moved", "peer=%s side=%s", peer->entry.fqdn, peer_moved ? "peer" : "own");
}

void mobility_path_changed(struct peer *peer) {
  struct mobility *mobility = &peer->mobility;
  struct address remote = quic_connection_remote(link_connection(peer->link));
  bool direct = peer->path.relay[0] == '\0';
  if (direct && mobility->direct && !address_equal(&remote, &mobility->remote))
    note_move(peer, true);
  mobility->remote = remote;
  mobility->direct = direct;
}

/* The peer follows whoever speaks as we do; a server's packets may be lost until the client has
 * heard one from the new address. */
static void speak(struct peer *peer) {
  struct error error = {0};
  if (link_is_authorised(peer->link) && link_announce(peer->link, &error))
    log_debug(log_of(peer), "move-not-told", "error=\"%s\"", error.message);
}

bool mobility_can_go_on(const struct peer *peer, const struct host_addresses *addresses) {
  struct address remote = quic_connection_remote(link_connection(peer->link));
  return host_addresses_have_family(addresses, remote.ip.family);
}

/* A server's packets leave from where the client's arrive, until that is gone. */
static bool readdress_server(struct quic_connection *connection,
                             const struct host_addresses *addresses) {
  struct ip_address local = quic_connection_local(connection).ip;
  return ip_address_is_set(&local) && !host_addresses_have(addresses, &local) &&
         quic_connection_readdress(connection) == 0;
}

void mobility_addresses_changed(struct peer *peer, const struct host_addresses *addresses) {
  struct quic_connection *connection = link_connection(peer->link);
  bool moved = link_is_client(peer->link)
                   ? readdress_client(connection, &peer->mobility.source, addresses)
                   : readdress_server(connection, addresses);
  if (!moved)
    return;
  note_move(peer, false);
  speak(peer);
}

void mobility_peer_spoke(struct peer *peer, const struct address *remote) {
  uint64_t now = peer_now(peer);
  char text[ADDRESS_TEXT_SIZE];
  if (peer->mobility.followed != 0 && now - peer->mobility.followed < MOBILITY_FOLLOW_INTERVAL)
    return;
  peer->mobility.followed = now;
  int code = quic_connection_migrate(link_connection(peer->link), remote, false);
  log_debug(log_of(peer), "peer-spoke-elsewhere", "peer=%s remote=%s followed=%s", peer->entry.fqdn,
            address_text(remote, text), code ? "no" : "yes");
}

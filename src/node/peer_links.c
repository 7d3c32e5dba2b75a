/* Which of a peer's connections is its tunnel: both sides choose the one of the later direction. */
#include <string.h>

#include "base/clock.h"
#include "node/peer.h"

void peer_let_go(struct link **link, enum link_close_code code, const char *reason) {
  struct link *gone = *link;
  *link = NULL;
  if (!gone)
    return;
  link_set_owner(gone, NULL);
  link_close(gone, code, reason);
}

void peer_set_link(struct peer *peer, struct link *link) {
  if (peer->link == link)
    return;
  peer->environment->linked(peer->link, link, peer->environment->owner);
  peer->link = link;
}

static bool identity_matches(const struct peer *peer, const struct pki_identity *identity) {
  return strcmp(identity->name, peer->entry.fqdn) == 0 &&
         ip_address_equal(&identity->ipv4, &peer->entry.ipv4) &&
         ip_address_equal(&identity->ipv6, &peer->entry.ipv6);
}

bool peer_allows(const struct peer *peer, const struct pki_identity *identity) {
  if (!identity_matches(peer, identity))
    return false;
  const struct peer_direction *direction = &peer->direction;
  if (direction->received != 0 && peer_now(peer) - direction->received <= PEER_DIRECTION_LIFETIME &&
      memcmp(direction->public_key, identity->public_key, PKI_HASH_SIZE) == 0)
    return true;
  return peer->link &&
         memcmp(link_identity(peer->link)->public_key, identity->public_key, PKI_HASH_SIZE) == 0;
}

static void spare_set(struct peer *peer, struct link *link) {
  peer_let_go(&peer->spare, LINK_CLOSE_SUPERSEDED, "another connection came");
  peer->spare = link;
}

static void send_by(struct span packet, void *context) {
  struct link *link = context;
  link_send(link, packet);
}

/* The link takes over, unless the one in use has the greater direction: both sides decide alike. */
static void use(struct peer *peer, struct link *link) {
  struct link *old = peer->link;
  if (old && link_direction(link) < link_direction(old)) {
    peer_let_go(&link, LINK_CLOSE_SUPERSEDED, "a connection of a later direction is used");
    return;
  }
  if (old)
    peer->active = peer_now(peer) - peer_idle(peer);
  peer_set_link(peer, link);
  if (old)
    link_salvage(old, send_by, link);
  if (old && !link_is_client(old) && link_direction(old) == 0)
    spare_set(peer, old); /* its TunnelRequest will say which is the later */
  else if (old)
    peer->environment->linger(old, peer->environment->owner);
  if (!peer->attempt.link) /* it was for this one; if not, the later decides */
    attempt_end(peer);
  path_begin(peer);
  peer_keep_mapping(peer);
  char remote[ADDRESS_TEXT_SIZE];
  struct address address = link_remote(link);
  log_info(peer->environment->link->log, "peer-up", "role=%s pattern=%u path=%s",
           link_is_client(link) ? "client" : "server", peer->direction.pattern,
           peer->path.relay[0] != '\0' ? "relay" : "direct");
  log_debug(peer->environment->link->log, "peer-up-at", "peer=%s remote=%s", peer->entry.fqdn,
            address_text(&address, remote));
  peer_event_take(peer, PEER_ESTABLISHED, NULL);
}

void peer_link_established(struct peer *peer, struct link *link) {
  if (link != peer->attempt.link)
    return;
  const struct pki_identity *identity = link_identity(link);
  struct error fault = {0};
  if (!identity_matches(peer, identity) ||
      memcmp(identity->public_key, peer->direction.public_key, PKI_HASH_SIZE) != 0) {
    error_set(&peer->failure, ERROR_CERTIFICATE,
              "the certificate of %s is not the one that NMS named", identity->name);
    link_close(link, LINK_CLOSE_IDENTITY, "not the certificate that NMS named");
    return;
  }
  if (link_authorise(link, &fault) || link_request(link, &fault)) {
    peer->failure = fault;
    link_close(link, LINK_CLOSE_DONE, "the tunnel could not begin");
    return;
  }
  peer->attempt.link = NULL;
  use(peer, link);
}

void peer_adopt(struct peer *peer, struct link *link) {
  struct error fault = {0};
  if (link_authorise(link, &fault)) {
    log_warning(peer->environment->link->log, "tunnel-failed", "error=\"%s\"", fault.message);
    link_set_owner(link, NULL);
    link_refuse(link, LINK_CLOSE_DONE, "the tunnel could not begin");
    return;
  }
  link_set_owner(link, peer);
  if (link_direction(link) != 0)
    peer_link_requested(peer, link);
  else if (!peer->link)
    use(peer, link);
  else
    spare_set(peer, link);
}

void peer_link_requested(struct peer *peer, struct link *link) {
  if (peer->spare == link)
    peer->spare = NULL;
  if (peer->link && peer->link != link && link_direction(link) < link_direction(peer->link)) {
    link_set_owner(link, NULL);
    link_refuse(link, LINK_CLOSE_SUPERSEDED, "a connection of a later direction is used");
    return;
  }
  link_grant(link);
  if (peer->attempt.link && link_direction(peer->attempt.link) <= link_direction(link))
    attempt_end(peer);
  if (peer->link != link)
    use(peer, link);
}

void peer_link_confirmed(struct peer *peer, struct link *link) {
  if (link == peer->link)
    path_confirmed(peer);
}

void peer_link_refused(struct peer *peer, struct link *link, const struct error *error) {
  if (link == peer->link)
    peer->failure = *error; /* better words than the end that follows */
}

void peer_link_traffic(struct peer *peer, struct link *link, bool received) {
  if (link == peer->link)
    path_traffic(peer, received);
}

void peer_link_moved(struct peer *peer, struct link *link) {
  if (link == peer->link)
    path_moved(peer);
}

void peer_link_spoke_elsewhere(struct peer *peer, struct link *link, const struct address *remote) {
  if (link == peer->link)
    mobility_peer_spoke(peer, remote);
}

void peer_link_migrated(struct peer *peer, struct link *link, bool success) {
  if (link == peer->link)
    path_migrated(peer, success);
}

void peer_link_upgrade_asked(struct peer *peer, struct link *link, const struct address *theirs,
                             size_t count) {
  if (link == peer->link)
    path_upgrade_asked(peer, theirs, count);
  else
    link_answer_upgrade(link, NULL, 0);
}

void peer_link_upgrade_answered(struct peer *peer, struct link *link, const struct address *theirs,
                                size_t count) {
  if (link == peer->link)
    path_upgrade_answered(peer, theirs, count);
}

void peer_link_closed(struct peer *peer, struct link *link, const struct error *error) {
  if (link == peer->attempt.link) {
    attempt_link_closed(peer, error);
  } else if (link == peer->spare) {
    peer->spare = NULL;
  } else if (link == peer->link) {
    peer_set_link(peer, peer->spare);
    peer->spare = NULL;
    if (peer->link) {
      path_begin(peer);
      return;
    }
    log_debug(peer->environment->link->log, "peer-ended", "peer=%s reason=\"%s\"", peer->entry.fqdn,
              error->message);
    struct error why = peer->failure.code != ERROR_NONE ? peer->failure : *error;
    peer_event_take(peer, link_is_confirmed(link) ? PEER_ENDED : PEER_BROKEN, &why);
  }
}

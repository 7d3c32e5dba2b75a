/* All peers of this node: who is meant by a name or an address, what NMS directs, which incoming
 * connections are allowed, and where packets go. */
#ifndef CYPHONIC_NODE_PEERS_H
#define CYPHONIC_NODE_PEERS_H

#include "control/control.h"
#include "node/lanes.h"
#include "node/peer.h"

struct peers;

struct peers_config {
  uv_loop_t *loop;
  const struct log *log;
  struct quic_endpoint *endpoint; /* the main thread's */
  struct lanes *lanes;            /* where tunnels live; NULL: on the main thread */
  const struct pki_credentials *credentials;
  const struct pki_trust *trust;
  const char *fqdn, *domain; /* copied */
  struct ip_address ipv4, ipv6;
  uint64_t tunnel_idle; /* nanoseconds */
  /* A question for NMS, as session_ask. */
  int (*ask)(const control_message *message, control_reply_callback callback, void *asker,
             struct error *error, void *context);
  uint64_t (*keep_alive)(int family, void *context);  /* as session_keep_alive */
  void (*own)(struct path_own *own, void *context);   /* fills in zeros */
  void (*deliver)(struct span packet, void *context); /* to the TUN device */
  /* Asks NMS whether it still knows us, and where it sees us: there is reason to doubt. May be
   * NULL. */
  void (*check)(void *context);
  /* Calls peers_addresses_changed after a while: a network did not answer, and may do so then. May
   * be NULL. */
  void (*look_again)(void *context);
  void (*tell)(const struct peer *peer, enum peer_news news,
               void *context); /* who watches; may be NULL */
  void *context;
};

/* Serves cyphonic-tun/1 on the endpoint. */
int peers_new(const struct peers_config *config, struct peers **peers,
              struct error *error) MUST_CHECK;
/* Who waits hears ERROR_CLOSED now; no callback of the configuration comes any more. Before the
 * endpoint is closed, after the session. */
void peers_close(struct peers *peers);

/* A packet to a virtual address that is not ours, within the overlay. */
void peers_send(struct peers *peers, const struct ip_address *destination, struct span packet);

/* NMS pushed a Route Direction. ERROR_PROTOCOL if it cannot be, ERROR_LIMIT if the table is full.
 */
int peers_direct(struct peers *peers, const Cyphonic__RouteDirection *direction,
                 struct error *error) MUST_CHECK;

/* By name (an FQDN of the domain) or, if `fqdn` is NULL, by virtual address: sets a path up and
 * calls back with the peer, at once or later. A name known for less than PEERS_NAME_LIFETIME is
 * answered at once. */
void peers_find(struct peers *peers, const char *fqdn, const struct ip_address *address,
                enum peer_wait wait, peer_callback callback, void *context);
#define PEERS_NAME_LIFETIME UINT64_C(60000000000) /* nanoseconds: the TTL in our DNS answers */

/* What is known without asking; NULL: nothing, or not all of it. */
const struct peer *peers_known(struct peers *peers, const char *fqdn,
                               const struct ip_address *address);

/* For each, as peer_addresses_changed, peer_addresses_settled and peer_hurry. */
void peers_addresses_changed(struct peers *peers, const struct host_addresses *addresses);
void peers_addresses_settled(struct peers *peers, const struct host_addresses *addresses);
void peers_hurry(struct peers *peers);
/* For each, as peer_keep_mapping. */
void peers_keep_mappings(struct peers *peers);
/* Whether each tunnel, and each connection with a relay, is still there. */
void peers_check(struct peers *peers);

/* Borrowed: what else is to be had from the relays shares the connections of the peers. */
struct relays *peers_relays(const struct peers *peers);

/* For the status; go on by entry.next. */
const struct peer *peers_first(const struct peers *peers);

#endif

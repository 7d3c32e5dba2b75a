/* Connections with TRSs (paper 2.1; design 5): one for each TRS, shared by all pairs that use it,
 * made when the first asks and closed when none has used it for a while. TRS takes a node's present
 * address from this connection, so it must live as long as packets are relayed. */
#ifndef CYPHONIC_NODE_RELAY_H
#define CYPHONIC_NODE_RELAY_H

#include "control/control.h"
#include "node/dial.h"
#include "node/host_addresses.h"
#include "node/relay_offer.h"

#define RELAY_ALPN "cyphonic-trs/1"

enum {
  RELAYS_MAX = 64,              /* TRSs at once; more is ERROR_LIMIT */
  RELAY_ANSWER_TIMEOUT = 7000,  /* milliseconds: TRS waits five seconds for the other node */
  RELAY_UNUSED_TIMEOUT = 60000, /* milliseconds after which an unused connection closes */
};
#define RELAY_KEEP_ALIVE   (15 * NANOSECONDS_PER_SECOND)
#define RELAY_IDLE_TIMEOUT (60 * NANOSECONDS_PER_SECOND)

struct relays;
struct relay_use; /* what one pair asks of one TRS, or a measurement */

/* From the loop, never from inside relays_ask or relays_measure. The use may be released in any of
 * them. After `failed` and `lost` nothing comes any more, but it is still to be released. */
struct relay_handler {
  /* Both nodes of the pair are bound: what is sent to relay_use_address with a Connection ID of the
   * peer goes to the peer. Or the measurement is done. */
  void (*ready)(struct relay_use *use, void *context);
  /* It never was ready. */
  void (*failed)(struct relay_use *use, const struct error *error, void *context);
  /* It was, and the connection with the TRS ended. */
  void (*lost)(struct relay_use *use, const struct error *error, void *context);
};

/* Everything is borrowed until the endpoint is closed. */
struct relays_config {
  uv_loop_t *loop;
  const struct log *log;
  struct quic_endpoint *endpoint;
  const struct pki_credentials *credentials;
  const struct pki_trust *trust;
  /* A TRS has forgotten us, or sees us under another address than before: it was restarted, or our
   * NAT. May be NULL. */
  void (*restarted)(void *context);
  void *context;
};

/* NULL without memory. */
struct relays *relays_new(const struct relays_config *config);
/* No callback comes any more; uses that are not released are void. Frees from the loop. */
void relays_close(struct relays *relays);

/* Asks for what the offer grants; it need not live on. Fails at once, with no callback, when the
 * TRS cannot even be tried. */
int relays_ask(struct relays *relays, const struct relay_offer *offer,
               const struct relay_handler *handler, void *context, struct relay_use **use,
               struct error *error) MUST_CHECK;
/* As relays_ask, to learn the round-trip time and how the TRS sees us. A TRS that no pair uses is
 * left again at the end. */
int relays_measure(struct relays *relays, const char *name,
                   const struct service_addresses *addresses, const struct relay_handler *handler,
                   void *context, struct relay_use **use, struct error *error) MUST_CHECK;
/* NULL is allowed. */
void relay_use_release(struct relay_use *use);

/* Its pair hears nothing any more. A TRS that was restarted has forgotten us and says so, which
 * `lost` tells; one that is gone is missed in the end. */
void relay_use_check(struct relay_use *use);

/* The host's addresses changed: each TRS is to see it at once. */
void relays_network_changed(struct relays *relays, const struct host_addresses *addresses);
/* And so they stay: a TRS to which none of them leads is to be reached anew. */
void relays_network_settled(struct relays *relays, const struct host_addresses *addresses);

/* Pairs use that TRS, or did a moment ago: a second connection would push theirs out. */
bool relays_have(const struct relays *relays, const char *name);

const char *relay_use_name(const struct relay_use *use); /* of the TRS */
bool relay_use_is_ready(const struct relay_use *use);
bool relay_use_is_over(const struct relay_use *use); /* failed or lost */
/* The TRS's in use; family 0 before the first `ready`. Stays after `lost`. */
struct address relay_use_address(const struct relay_use *use);
/* After `failed`: the TRS works, but the other node of the pair did not come. */
bool relay_use_peer_absent(const struct relay_use *use);
/* Of a measurement that is ready: nanoseconds, and our address as the TRS saw it (family 0: none
 * that could be read). */
uint64_t relay_use_round_trip(const struct relay_use *use);
struct address relay_use_observed(const struct relay_use *use);

#endif

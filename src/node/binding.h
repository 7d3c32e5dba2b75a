/* The relays of one pair: what NMS offered, what is asked of a TRS, what is bound. While one is
 * bound another may be asked for; it takes over when it is ready. Part of a peer (peer.h), which
 * hears of it by peer_relay_ready and its like. */
#ifndef CYPHONIC_NODE_BINDING_H
#define CYPHONIC_NODE_BINDING_H

#include "node/relay.h"

enum { BINDING_FAILED_MAX = 4 /* TRSs remembered that do not work for this pair */ };
/* Nanoseconds for which they are. */
#define BINDING_FAILED_LIFETIME UINT64_C(30000000000)
/* Grants last an hour (nms/grant.h); a renewal in time costs nothing. */
#define BINDING_RENEW_AFTER UINT64_C(3000000000000)

struct binding {
  struct relays *relays;
  void *owner; /* the peer */
  struct relay_offer *offer;
  uint64_t offered; /* nanoseconds */
  bool asked;       /* for what the offer grants */
  struct relay_use *current, *next;
  /* Packets may still come from it. */
  struct address former;
  char former_name[FQDN_SIZE];
  struct failed_relay *failed; /* BINDING_FAILED_MAX of them, or NULL: none ever failed */
};

void binding_init(struct binding *binding, struct relays *relays, void *owner);
void binding_clear(struct binding *binding);

/* NMS's latest offer, taken over. NULL: it offers none, and the one before is kept while its grant
 * holds. What is bound stays so. */
void binding_offer(struct binding *binding, struct relay_offer *offer, uint64_t now);
/* Asks for what is offered, unless that was done. ERROR_RELAY: nothing is offered. */
int binding_ask(struct binding *binding, uint64_t now, struct error *error) MUST_CHECK;
/* Asks once more, after what was bound is lost. */
int binding_ask_again(struct binding *binding, uint64_t now, struct error *error) MUST_CHECK;
/* The pair needs no relay now. */
void binding_release(struct binding *binding);

bool binding_is_asking(const struct binding *binding);
/* True: bound, at *address. */
bool binding_is_ready(const struct binding *binding, struct address *address);
/* Nothing comes by the relay that is bound: does it still know us? */
void binding_check(struct binding *binding);
bool binding_wants_renewal(const struct binding *binding, uint64_t now);
/* The name of this pair's relay at that address; NULL: none is there. */
const char *binding_name_at(const struct binding *binding, const struct address *remote);

/* The TRS of that name does not work for this pair. */
void binding_note_failed(struct binding *binding, const char *name, uint64_t now);
void binding_forgive(struct binding *binding);
/* Fills in borrowed names; returns how many. */
size_t binding_failed(const struct binding *binding, uint64_t now,
                      const char *names[BINDING_FAILED_MAX]);

#endif

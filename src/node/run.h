/* A node that is up: its session, its peers and what applications see of the overlay, tied
 * together.
 */
#ifndef CYPHONIC_NODE_RUN_H
#define CYPHONIC_NODE_RUN_H

#include "node/lanes.h"
#include "node/names.h"
#include "node/peer.h"
#include "node/session.h"
#include "node/state.h"
#include "node/warnings.h"

struct run;

struct run_config {
  const struct node_config *node;
  struct quic_endpoint *endpoint;
  struct lanes *lanes;      /* NULL: the main thread does it all */
  struct node_state *state; /* kept up to date and saved here */
  const struct node_identity *identity;
  struct warnings *warnings;
};

struct run_handler {
  /* Registered with NMS, again after each reconnection. */
  void (*registered)(void *context);
  /* Not registered, for now; trying goes on. `permanent`: it will not mend by itself. */
  void (*failed)(const struct error *error, bool permanent, void *context);
  void (*peer)(const struct peer *peer, enum peer_news news, void *context); /* for who watches */
};

/* Everything borrowed outlives the endpoint. */
int run_new(const struct run_config *config, const struct run_handler *handler, void *context,
            struct run **run, struct error *error) MUST_CHECK;
/* Who waits hears ERROR_CLOSED now. Before the endpoint is closed; `run` is gone at once. */
void run_close(struct run *run);

bool run_is_registered(const struct run *run);
struct names *run_names(struct run *run);
struct session_view run_session(const struct run *run);
const struct peers *run_peers(const struct run *run);
/* The TRSs of the network with which there is no connection: others may be tried from outside. */
void run_list_relays(const struct run *run, struct relay_list *list);
const char *run_interface(const struct run *run); /* NULL while there is none */
bool run_behind_nat(const struct run *run);       /* in either IP version */

#endif

/* What the files of the relays share. */
#ifndef CYPHONIC_NODE_RELAY_INTERNAL_H
#define CYPHONIC_NODE_RELAY_INTERNAL_H

#include "node/relay.h"

/* One TRS. Lives while it has a connection, a dial or its timer; without uses it ends itself. */
struct relay_station {
  struct relays *relays; /* NULL: the owner is gone */
  char name[FQDN_SIZE];
  struct service_addresses addresses;
  struct dial *dial;
  struct quic_connection *connection;
  struct ip_address source; /* from which its packets leave, since the network last changed */
  struct address observed;  /* as which it sees us; family 0: not known */
  struct control *control;
  struct relay_use *uses;
  uv_timer_t timer; /* runs while nobody uses it */
  bool relayed;     /* a pair has used it */
  unsigned asked;   /* questions of relay_station_speak that await their answer */
  bool ending;      /* out of the table; what is left of it comes back and frees it */
  unsigned open;    /* parts that still come back: the timer, a dial, a connection */
  struct relay_station *next, *previous;
};

struct relays {
  struct relays_config config;
  struct relay_station *stations;
};

/* Something that the TRS must answer: by a reset, if it has forgotten us. Only with `control`. */
void relay_station_speak(struct relay_station *station);
void relay_station_tell_restarted(const struct relay_station *station);

#endif

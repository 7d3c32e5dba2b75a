/* One QUIC connection to a service that may be at several places: names are resolved, IPv6 goes
 * first, and the addresses are raced: each enters the handshake DIAL_STEP behind the one before,
 * and the first that answers is taken. An address family without a route costs nothing, an address
 * that does not answer a step; when none does it is over after DIAL_HANDSHAKE_TIMEOUT. */
#ifndef CYPHONIC_NODE_DIAL_H
#define CYPHONIC_NODE_DIAL_H

#include "base/clock.h"
#include "node/service_address.h"
#include "quic/quic.h"

enum {
  DIAL_ADDRESSES_MAX = 16, /* real addresses tried; names may resolve to many */
  DIAL_STEP = 200,         /* milliseconds */
};
#define DIAL_HANDSHAKE_TIMEOUT (4 * NANOSECONDS_PER_SECOND)

/* Pointers are borrowed until the connection's `closed`; `alpn` is a constant. */
struct dial_target {
  uv_loop_t *loop;
  const struct log *log;
  struct quic_endpoint *endpoint;
  const char *alpn;
  const struct pki_credentials *credentials; /* NULL: anonymous */
  const struct pki_trust *trust;
  enum pki_purpose purpose;          /* of the service */
  const char *peer_name;             /* its certificate must bear it; NULL: any of the purpose */
  struct quic_parameters parameters; /* handshake_timeout is set here */
  int family;                        /* 4 or 6: that one only; 0: either */
};

struct dial;

/* Once, from the loop. With code 0 the connection is the receiver's, who sets its handler before
 * returning. Otherwise `error` tells of the last address tried. The dial is gone afterwards. */
typedef void (*dial_callback)(int code, struct quic_connection *connection,
                              const struct error *error, void *context);

/* Fails at once, with no callback, when no address can be tried at all. */
int dial_start(const struct dial_target *target, const struct service_addresses *addresses,
               dial_callback callback, void *context, struct dial **dial,
               struct error *error) MUST_CHECK;
/* Gives up; the callback does not come. `ended` (may be NULL) comes from the loop when what the
 * target borrowed is no longer in use. */
void dial_cancel(struct dial *dial, void (*ended)(void *context), void *context);

#endif

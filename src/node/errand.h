/* One request to a service on a connection of its own: connect, ask, take the answer, close.
 * Sign-up, Login and ObservationRequest are errands. */
#ifndef CYPHONIC_NODE_ERRAND_H
#define CYPHONIC_NODE_ERRAND_H

#include "control/control.h"
#include "node/dial.h"

enum { ERRAND_TIMEOUT = 10000 /* milliseconds for the answer; AS may be writing to a disk */ };

struct errand;

/* Once, from the loop, as control_reply_callback; `server` is who answered (family 0: nobody was
 * reached). The errand is over: its pointer must be dropped. */
typedef void (*errand_callback)(int code, const control_message *reply,
                                const struct address *server, const struct error *error,
                                void *context);

/* Comes last, from the loop, after the callback or a cancellation: what the target borrowed is no
 * longer in use. */
typedef void (*errand_ended)(void *context);

/* Copies the request. `ended` may be NULL. Fails at once, with no callback, when nothing can be
 * tried. */
int errand_start(const struct dial_target *target, const struct service_addresses *addresses,
                 const control_message *request, errand_callback callback, errand_ended ended,
                 void *context, struct errand **errand, struct error *error) MUST_CHECK;
/* The callback does not come; `ended` does. */
void errand_cancel(struct errand *errand);

#endif

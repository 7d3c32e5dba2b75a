/* Login at AS (paper 3.3.1, figure 6): who are we, and where is our NMS. A short connection, tried
 * again with jittered back-off until it succeeds. */
#ifndef CYPHONIC_NODE_LOGIN_H
#define CYPHONIC_NODE_LOGIN_H

#include "node/dial.h"

#define LOGIN_ALPN "cyphonic-as/1"

struct login;

struct login_handler {
  /* `time` is the server's clock, seconds since 1970. The login rests until it is started again. */
  void (*logged_in)(const struct service_addresses *nms, int64_t time, void *context);
  /* An attempt failed and the next follows by itself. `permanent`: AS refuses this device. */
  void (*failed)(const struct error *error, bool permanent, void *context);
};

enum login_state { LOGIN_IDLE, LOGIN_CONNECTING, LOGIN_DONE, LOGIN_FAILED };

/* For the status; borrowed until the next event. */
struct login_view {
  enum login_state state;
  struct address address; /* who answered last; family 0: nobody yet */
  const char *message;    /* of the last failure, or empty */
};

/* `target` gives loop, log, endpoint, credentials and trust; the rest is set here. */
int login_new(const struct dial_target *target, const struct service_addresses *as,
              const char *fqdn, const struct login_handler *handler, void *context,
              struct login **login, struct error *error) MUST_CHECK;
void login_close(struct login *login);

/* Begins unless it is under way; a wait is cut short. */
void login_start(struct login *login);
struct login_view login_view(const struct login *login);

#endif

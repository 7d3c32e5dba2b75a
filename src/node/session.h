/* This node's sessions with AS and NMS (paper figure 6): Login, then a standing connection to NMS
 * with a Registration that follows the host's addresses. NMS's answers to our questions and the
 * Route Directions it pushes pass through here. */
#ifndef CYPHONIC_NODE_SESSION_H
#define CYPHONIC_NODE_SESSION_H

#include "control/control.h"
#include "node/fqdn.h"
#include "node/host_addresses.h"
#include "node/login.h"
#include "node/path_plan.h"
#include "node/relay_survey.h"

#define NMS_ALPN "cyphonic-nms/1"

struct session;

struct session_config {
  /* loop, log, endpoint, credentials and trust; the rest is set here. */
  struct dial_target target;
  const char *fqdn, *domain; /* copied */
  struct ip_address ipv4, ipv6;
  struct service_addresses as, nms; /* nms: as last known; empty at first */
  uint64_t keep_alive; /* nanoseconds, for the connection to NMS and where nothing is learned */
  uint64_t keep_alive_limit; /* up to which it is learned how long a NAT keeps a mapping */
};

/* What NMS says of us. Our route id is the endpoint's by then. */
struct session_registration {
  struct ip_prefix ipv4_prefix, ipv6_prefix; /* the whole overlay */
  /* Its TRSs are others than before, or are seen from elsewhere: worth a survey. */
  bool relays_changed;
};

struct session_handler {
  /* Registered, again after each reconnection and each change of address. */
  void (*registered)(const struct session_registration *registration, void *context);
  /* An attempt failed; the next follows by itself. `permanent`: trying again will not mend it. */
  void (*failed)(const struct error *error, bool permanent, void *context);
  /* AS names other NMS addresses than those known: keep them for the next start. */
  void (*nms_learned)(const struct service_addresses *nms, void *context);
  /* session_keep_alive may be another now. */
  void (*keep_alive_changed)(void *context);
  /* The server's clock minus ours, in seconds. */
  void (*clock_compared)(int64_t difference, void *context);
  /* Answer the exchange by a confirmation or a refusal. */
  void (*directed)(struct control_exchange *exchange, const Cyphonic__RouteDirection *direction,
                   void *context);
};

int session_new(const struct session_config *config, const struct session_handler *handler,
                void *context, struct session **session, struct error *error) MUST_CHECK;
/* Questions under way end with ERROR_CLOSED now; no callback any more; frees from the loop. */
void session_close(struct session *session);

/* Logs in and registers with these addresses. */
void session_start(struct session *session, const struct host_addresses *addresses);
/* The kernel told of a change: new addresses are registered; lost connections are made at once. */
void session_network_changed(struct session *session, const struct host_addresses *addresses);
/* And so it stays: a connection to which none of these addresses leads is made anew. */
void session_network_settled(struct session *session, const struct host_addresses *addresses);

/* Something else was restarted: does NMS still know us, and under the address that it sees? It is
 * told anew if not. */
void session_check(struct session *session);

/* The TRSs of this network, as NMS last told; borrowed until the next registration. */
const struct relay_list *session_relays(const struct session *session);
/* What was found out about them; NMS is told, if it is anything new. */
void session_report(struct session *session, const struct relay_finding *findings, size_t count);

/* Asks NMS. ERROR_UNREACHABLE while not registered. */
int session_ask(struct session *session, const control_message *message,
                control_reply_callback callback, void *context, struct error *error) MUST_CHECK;
bool session_is_registered(const struct session *session);
/* Under what addresses we may be reached: the host's own, with the ports of our sockets, and those
 * that NMS sees. Fills in zeros. */
void session_own(const struct session *session, struct path_own *own);
/* Whether a NAT stands between us and NMS in that family, as far as is known. */
bool session_behind_nat(const struct session *session, int family);
/* Nanoseconds of silence after which a packet keeps that NAT's mappings; 0: there is none. */
uint64_t session_keep_alive(const struct session *session, int family);

enum session_nms_state { NMS_IDLE, NMS_CONNECTING, NMS_REGISTERING, NMS_REGISTERED, NMS_FAILED };

/* For the status; borrowed until the next event. */
struct session_view {
  struct login_view as;
  enum session_nms_state nms_state;
  struct address nms_address; /* family 0: not connected */
  struct address observed[2]; /* by NMS: IPv4, IPv6; family 0: not known */
  uint64_t keep_alive;        /* session_keep_alive over IPv4 */
  const char *nms_message;
};
struct session_view session_view(const struct session *session);

#endif

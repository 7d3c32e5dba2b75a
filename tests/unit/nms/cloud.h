/* A whole cloud in one process: AS and NMS on one endpoint, nodes on endpoints of their own, one
 * loop, loopback only. Every function fails the test when something goes wrong. */
#ifndef CYPHONIC_TEST_NMS_CLOUD_H
#define CYPHONIC_TEST_NMS_CLOUD_H

#include "../store/fixture.h"

#include <uv.h>

#include "as/as.h"
#include "control/control.h"
#include "nms/nms.h"
#include "pki/key.h"

struct cloud {
  uv_loop_t loop;
  struct log log;
  struct place *place;
  struct store *store; /* place's */
  struct pki_ca *root, *intermediate;
  struct pki_trust *trust; /* the root's certificate, which the services and joined nodes have */
  struct pki_trust *pin;   /* the root's fingerprint, which an invitation has */
  struct pki_credentials *as_credentials, *nms_credentials;
  struct quic_endpoint *endpoint;
  struct address address; /* of the endpoint */
  struct as_service *as;
  struct nms_service *nms;
};

int cloud_open(void **state);
int cloud_close(void **state);
/* Turns the loop until *flag; ten seconds are too long. */
void cloud_wait(struct cloud *cloud, const bool *flag);

/* A connection of a node's to a service. */
struct session {
  struct cloud *cloud;
  struct quic_connection *connection;
  struct control *control;
  bool established, closed;
  struct quic_close close;
  bool withholds; /* confirmations, until session_confirm or the next direction */
  struct control_exchange *unconfirmed; /* the one withheld */
  /* Route Directions that came. */
  unsigned directions;
  bool directed;                /* since somebody set it false */
  Cyphonic__Message *direction; /* the last one's */
};

struct member {
  struct cloud *cloud;
  struct quic_endpoint *endpoint;
  struct pki_key *key;
  struct pki_credentials *credentials; /* NULL before sign-up */
  char name[STORE_NAME_SIZE], fqdn[PKI_NAME_SIZE];
  struct ip_address ipv4, ipv6; /* virtual */
};

/* A node with a key and an endpoint; member_join also signs it up by an invitation of its own. */
void member_open(struct cloud *cloud, const char *name, struct member *member);
void member_join(struct cloud *cloud, const char *name, struct member *member);
/* A service's endpoint instead of a node's: what is called `name` has a certificate of `purpose`.
 */
void member_serve(struct cloud *cloud, const char *name, enum pki_purpose purpose,
                  struct member *member);
void member_close(struct member *member);

/* Connects to a service and waits until it stands. */
void session_open(struct member *member, const char *alpn, enum pki_purpose purpose,
                  struct session *session);
/* The same, and waits until it stands or has closed. */
void session_try(struct member *member, const char *alpn, enum pki_purpose purpose,
                 struct session *session);
/* Confirms the Route Direction that was withheld. */
void session_confirm(struct session *session);
/* Closes it if it still stands. */
void session_close(struct session *session);

/* Sends a request and waits for its answer, which the caller frees with
 * cyphonic__message__free_unpacked; an Error message is an answer too. */
Cyphonic__Message *ask(struct session *session, const Cyphonic__Message *message);
/* Expects a refusal with this code. */
void ask_refused(struct session *session, const Cyphonic__Message *message,
                 Cyphonic__Error__Code code);

#endif

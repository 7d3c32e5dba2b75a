/* What the files that answer nodes share. */
#ifndef CYPHONIC_NMS_SERVICE_H
#define CYPHONIC_NMS_SERVICE_H

#include "control/control.h"
#include "nms/directory.h"
#include "nms/nms.h"
#include "nms/pair_table.h"
#include "nms/relay_registry.h"
#include "nms/waking.h"

enum { NMS_SILENCE_MAX_SECONDS = 300 /* a tunnel is idle no longer by default */ };

struct nms_silence;

struct nms_connection {
  struct nms_service *nms;
  struct quic_connection *connection;
  struct control *control;
  bool observes_only;          /* came to the observation port */
  int64_t device_id;           /* 0: not registered over this connection */
  struct nms_silence *silence; /* that is being kept; NULL: none */
  struct nms_connection *previous, *next;
};

struct nms_relay_connection;

struct nms_service {
  struct nms_config config;
  struct store_network network;
  struct directory *directory;
  struct pair_table *pairs;
  uint64_t last_direction_id;
  struct nms_connection *connections;
  struct relay_registry *relays;
  struct nms_relay_connection *relay_connections;
  struct log_limit refusals;
  struct waking *waking; /* NULL without memory, and at the end */
};

/* A request and what is needed to answer it. */
struct nms_request {
  struct nms_service *nms;
  struct nms_connection *client;
  struct control_exchange *exchange;
  struct store_device device; /* who asks: admitted */
};

int64_t nms_wall(const struct nms_service *nms);       /* seconds since 1970 */
uint64_t nms_now(const struct nms_connection *client); /* milliseconds of the loop's clock */
uint64_t nms_seconds(const struct nms_connection *client);

/* UNAVAILABLE to the node, the cause to the log. */
void nms_refuse_fault(struct nms_service *nms, struct control_exchange *exchange,
                      const struct error *cause);

/* --- admission.c --- */

/* Whether the certificate is of a device that the network knows, and neither is revoked; asked for
 * each request, so that a revocation holds at once. Refuses the exchange and returns false if not.
 */
bool nms_admit(struct nms_request *request);

/* --- registration.c --- */

void nms_answer_registration(struct nms_request *request,
                             const Cyphonic__RegistrationRequest *message);
void nms_answer_observation(struct nms_request *request);
/* 0: there is none. */
uint16_t nms_observation_port(const struct nms_service *nms);
/* It ends. Before the directory forgets it. */
void nms_forget_connection(struct nms_connection *client);
/* The peer of a registered connection is seen from another address (NAT rebinding, migration). */
void nms_remote_changed(struct nms_connection *client);

/* --- mapping_lifetime.c --- */

void nms_answer_mapping_lifetime(struct nms_request *request,
                                 const Cyphonic__MappingLifetimeRequest *message);
/* The connection ends. */
void nms_forget_silence(struct nms_connection *client);

/* --- names.c --- */

/* The device of a name (full, or a bare label of this network) or of a virtual address; a revoked
 * one has no name. Refuses the exchange and returns false if there is none; `fqdn` or `address` is
 * NULL. */
bool nms_find_device(struct nms_request *request, const char *fqdn,
                     const ProtobufCBinaryData *address, struct store_device *device);
void nms_answer_name(struct nms_request *request, const Cyphonic__NameRequest *message);

/* --- directing.c --- */

void nms_answer_direction(struct nms_request *request, const Cyphonic__DirectionRequest *message);

/* --- relay_service.c --- */

/* Serves TRSs: keeps `relays` true. */
int nms_relay_service_open(struct nms_service *nms, struct error *error) MUST_CHECK;
void nms_relay_service_close(struct nms_service *nms);

#endif

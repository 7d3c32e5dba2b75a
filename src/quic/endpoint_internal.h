/* What the files of this folder know of an endpoint. */
#ifndef CYPHONIC_QUIC_ENDPOINT_INTERNAL_H
#define CYPHONIC_QUIC_ENDPOINT_INTERNAL_H

#include <gnutls/gnutls.h>

#include "net/udp.h"
#include "quic/cid_table.h"
#include "quic/limits.h"
#include "quic/quic.h"
#include "quic/reset_limit.h"
#include "quic/send_report.h"
#include "quic/timer.h"
#include "quic/transmit.h"

struct endpoint_socket {
  struct quic_endpoint *endpoint;
  struct udp_socket *udp; /* NULL: this host lacks the IP version */
  uv_poll_t poll;
  bool polled; /* the handle is to be closed */
  struct send_report report;
};

struct quic_endpoint {
  uv_loop_t *loop;
  const struct log *log;
  uint8_t secret[QUIC_SECRET_SIZE];
  size_t retry_threshold, half_open_max, connections_max;
  char *qlog_folder;               /* or NULL */
  uint32_t route_id;               /* 0: none */
  struct quic_forwarder forwarder; /* `forward` NULL: none */
  struct ip_prefix overlay[2];
  unsigned lane, lanes; /* 0 of 1: alone */
  void (*foreign)(unsigned lane, const struct udp_packet *packet, void *context);
  void (*ending)(struct quic_connection *connection, void *context);
  void *context; /* of these two */

  struct endpoint_socket sockets[2]; /* IPv4, IPv6 */
  struct transmit transmit;
  uv_prepare_t prepare; /* sends what this turn of the loop caused, before it waits */
  uv_idle_t turn;       /* active when owners were told something just before the loop waits */
  struct timer_set *timers;
  uint64_t time; /* shared by a few packets of this turn of the loop; 0: to be asked for */
  unsigned time_uses;
  struct cid_table *cids;
  struct packet_protection *protection; /* NULL: nobody has needed it yet, or there is none */
  gnutls_certificate_credentials_t anonymous;
  gnutls_priority_t priority;

  struct quic_service services[SERVICES_MAX];
  size_t service_count;

  struct quic_connection *connections; /* all in use, doubly linked */
  struct quic_connection *closed;      /* of which late packets may come, likewise */
  size_t closed_count;
  struct quic_connection *ready_first; /* to be flushed, in order */
  struct quic_connection **ready_last; /* where the next is linked */
  struct quic_endpoint_counters counters;
  struct reset_limit resets; /* sent */
  struct reset_limit offers; /* of what may be one, to all other lanes */

  bool closing;
  unsigned open_handles; /* uv handles still to close */
  void (*done)(void *context);
  void *done_context;
};

/* NULL if nobody serves it. */
const struct quic_service *endpoint_service(const struct quic_endpoint *endpoint, const char *alpn);
/* Fills the list for TLS, returns how many. */
unsigned endpoint_alpns(const struct quic_endpoint *endpoint, gnutls_datum_t alpn[SERVICES_MAX]);

/* Remembers that the connection has something to send or to end; it is flushed before the loop
 * waits. */
void endpoint_mark_ready(struct quic_endpoint *endpoint, struct quic_connection *connection);
void endpoint_unmark_ready(struct quic_endpoint *endpoint, struct quic_connection *connection);

/* clock_now(), but asked of the clock once for a few packets of a turn of the loop. */
uint64_t endpoint_time(struct quic_endpoint *endpoint);

/* Fills a Connection ID of ours: route id, if there is one, and random bytes, of which the first
 * says which lane. */
void endpoint_new_id(const struct quic_endpoint *endpoint, uint8_t *id, size_t size);

/* An address of the overlay: no packet's remote. */
bool endpoint_in_overlay(const struct quic_endpoint *endpoint, const struct ip_address *ip);
/* ERROR_UNREACHABLE: packets cannot leave for there, or only from our virtual address, to which
 * nobody outside the overlay can answer. Sends nothing. */
int endpoint_check_route(const struct quic_endpoint *endpoint, const struct address *remote,
                         struct error *error) MUST_CHECK;

/* dispatch.c: one packet from the network. `taken`: by another lane, which handed it over. */
void endpoint_dispatch(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                       uint64_t now, bool taken);

#endif

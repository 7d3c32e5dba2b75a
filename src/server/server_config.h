/* The server's configuration file (cyphonic-server.conf(5)): read, and written by init. */
#ifndef CYPHONIC_SERVER_SERVER_CONFIG_H
#define CYPHONIC_SERVER_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/config.h"
#include "base/error.h"
#include "base/log.h"

/* Plain data; server_config_clear frees what it owns. */
struct server_config {
  char *state; /* folder */
  char *qlog;  /* folder; NULL: none */
  struct config_addresses public;
  uint64_t port;
  struct ip_address ipv4, ipv6; /* to bind; family 0: all */
  enum log_level log;
  bool as_enabled, nms_enabled, trs_enabled;
  uint64_t certificate_validity;      /* seconds */
  struct config_addresses nms;        /* what nodes are told; count 0: `public` */
  uint64_t observation_port;          /* of NMS; 0: none */
  struct config_addresses trs_public; /* count 0: `public` */
  struct config_addresses trs_nms;    /* where this TRS finds NMS; count 0: in this process, or at
                                         `public` where no NMS runs here */
  uint64_t trs_rate_limit;            /* bytes a second and node; 0: any */
  char *trs_xdp;                      /* auto, on or off */
};

int server_config_load(const char *path, struct server_config *config,
                       struct error *error) MUST_CHECK;
/* From memory; `name` stands for the path in messages. */
int server_config_parse(const char *name, const char *text, struct server_config *config,
                        struct error *error) MUST_CHECK;
void server_config_clear(struct server_config *config);

/* What init writes, as a new string the caller frees with free(); NULL without memory. */
char *server_config_text(const char *state, const char *const *public_hosts, size_t public_count,
                         uint16_t port);
/* The same for a TRS alone. */
char *server_config_relay_text(const char *state, const char *const *public_hosts,
                               size_t public_count, uint16_t port, const char *const *nms,
                               size_t nms_count);

#endif

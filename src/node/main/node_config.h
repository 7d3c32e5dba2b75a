/* The daemon's configuration file (cyphonic-node.conf(5)). */
#ifndef CYPHONIC_NODE_MAIN_NODE_CONFIG_H
#define CYPHONIC_NODE_MAIN_NODE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"

#define NODE_CONFIG_PATH "/etc/cyphonic/node.conf"

/* Plain data; node_config_clear frees what it owns. */
struct node_settings {
  char *state;      /* folder */
  char *socket;     /* path of the local socket that `cyphonic` talks to */
  char *interface;  /* name of the TUN device */
  char *user;       /* to run as when started as root; NULL: stay */
  char *qlog;       /* folder; NULL: none */
  uint64_t port;    /* UDP; 0: any */
  uint64_t threads; /* for tunnels; 1: the main one does it all */
  enum log_level log;
  uint64_t tunnel_idle, keep_alive, keep_alive_limit; /* seconds */
  char *dns_listen_text;
  struct address dns_listen; /* family 0: the node's virtual IPv4 address, port 53 */
  bool dns_setup;
};

/* Reads `path`; NULL stands for NODE_CONFIG_PATH, which need not exist: then all is default. */
int node_config_load(const char *path, struct node_settings *settings,
                     struct error *error) MUST_CHECK;

/* The same from memory; `name` stands for the path in messages. */
int node_config_parse(const char *name, const char *text, struct node_settings *settings,
                      struct error *error) MUST_CHECK;

void node_config_clear(struct node_settings *settings);

#endif

/* The CYPHONIC resolver (paper 2.2.2): a stub DNS server for the overlay's domain on a UDP socket
 * of its own. Names outside the domain and the overlay's reverse zones get REFUSED, so that the
 * system's next server is asked. */
#ifndef CYPHONIC_NODE_RESOLVER_H
#define CYPHONIC_NODE_RESOLVER_H

#include <uv.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"
#include "node/dns.h"

struct resolver;
struct resolver_query; /* awaits an answer */

struct resolver_config {
  uv_loop_t *loop;
  const struct log *log;
  struct address listen;
  const char *domain;                        /* copied */
  struct ip_prefix ipv4_prefix, ipv6_prefix; /* reverse zones answered for */
  /* Called for each well-formed question of the domain; answer with exactly one of the two below,
   * now or later. The name of the domain itself and types other than A, AAAA, PTR come here too. */
  void (*ask)(struct resolver_query *query, const struct dns_question *question, void *context);
  void *context;
};

enum {
  RESOLVER_QUERIES_MAX =
      256 /* awaiting an answer at once; more are dropped, and the client asks again */
};

int resolver_new(const struct resolver_config *config, struct resolver **resolver,
                 struct error *error) MUST_CHECK;
/* Queries that await an answer become void: answering them later is harmless. Frees from the loop.
 */
void resolver_close(struct resolver *resolver);

/* code 0: the name exists, with these addresses and this FQDN; ERROR_NOT_FOUND: no such name; any
 * other: SERVFAIL. Picks from it what the question asked. */
void resolver_answer(struct resolver_query *query, int code, const char *fqdn,
                     const struct ip_address *ipv4, const struct ip_address *ipv6);

/* Tells systemd-resolved over D-Bus that `domain` and the reverse zones are asked at `server`
 * through `interface`. Returns ERROR_NOT_FOUND where it does not run: not a failure. */
int resolver_setup_resolved(unsigned interface, const struct address *server, const char *domain,
                            struct error *error) MUST_CHECK;

#endif

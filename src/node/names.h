/* Names and addresses of the overlay (paper 2.2.2): the resolver's questions and `cyphonic
 * resolve`. A question for another node's address also sets the path to it up; others only look. */
#ifndef CYPHONIC_NODE_NAMES_H
#define CYPHONIC_NODE_NAMES_H

#include "control/control.h"
#include "node/name_cache.h"
#include "node/node.h"
#include "node/peers.h"
#include "node/resolver.h"

struct names_request;

/* Plain data, filled and kept by the owner from when the node goes up to when it goes down: what is
 * remembered goes with it, so that no other network ever sees it. Outlives what is asked through
 * it. */
struct names {
  const char *fqdn, *domain; /* ours */
  struct ip_address ipv4, ipv6;
  /* No: the virtual IPv4 range cannot be used here, so answers must lead to IPv6. */
  bool with_ipv4;
  struct peers *peers; /* NULL while the node is down */
  /* A question for NMS, as session_ask. */
  int (*ask)(const control_message *message, control_reply_callback callback, void *asker,
             struct error *error, void *context);
  /* The loop's time in nanoseconds; NULL: the clock that loops go by is read instead. */
  uint64_t (*now)(void *context);
  void *context;
  /* Ours, zero at first. */
  struct name_cache cache;
  struct names_request *requests; /* that NMS has still to answer */
};

/* What a user typed: a full name, a label, or a virtual address. ERROR_INVALID, ERROR_NOT_FOUND. */
struct names_subject {
  char fqdn[FQDN_SIZE];      /* empty: by address */
  struct ip_address address; /* family 0: by name */
  bool own;                  /* it is this node itself */
};
int names_parse(const struct names *names, const char *text, struct names_subject *subject,
                struct error *error) MUST_CHECK;

/* For the resolver's `ask`. What a peer's certificate proves or NMS told lately is not asked for
 * again, and who asks the same at a time shares one question. */
void names_answer(struct names *names, struct resolver_query *query,
                  const struct dns_question *question);

/* As node_resolve: sets nothing up, and asks NMS each time. When NMS is away, peers that are known
 * are still found. */
void names_resolve(struct names *names, const char *text, node_resolve_callback callback,
                   void *context);

/* The peer's name and addresses as node.h shows them. */
struct node_name names_of(const struct peer *peer);

#endif

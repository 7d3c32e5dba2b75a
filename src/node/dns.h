/* DNS messages as the resolver needs them (libknot parses and writes them). Pure: the fuzz target.
 */
#ifndef CYPHONIC_NODE_DNS_H
#define CYPHONIC_NODE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"

enum { DNS_MESSAGE_MAX = 1232, DNS_NAME_SIZE = 254, DNS_TTL = 60 };

enum dns_kind {
  DNS_A,
  DNS_AAAA,
  DNS_REVERSE, /* PTR of an address: in `address` */
  DNS_OTHER,   /* another type: a name that exists has no such data */
};

struct dns_question {
  enum dns_kind kind;
  char name[DNS_NAME_SIZE];  /* lower case, without the final dot; printable ASCII only */
  struct ip_address address; /* of a full reverse name, whatever the type asked; else family 0 */
};

/* A query with exactly one question, or ERROR_INVALID: then dns_answer_empty with the returned
 * rcode, if *answerable. A name that is not printable ASCII is none of ours: DNS_RCODE_REFUSED. */
int dns_query_parse(struct span message, struct dns_question *question, bool *answerable,
                    int *rcode) MUST_CHECK;

enum {
  DNS_RCODE_OK = 0,
  DNS_RCODE_FORMAT = 1,
  DNS_RCODE_FAILURE = 2,
  DNS_RCODE_NO_NAME = 3,
  DNS_RCODE_NOT_IMPLEMENTED = 4,
  DNS_RCODE_REFUSED = 5,
  DNS_RCODE_BAD_VERSION = 16 /* of EDNS, RFC 6891 */
};

/* What a lower-case name below in-addr.arpa or ip6.arpa stands for: a full one has length 32 or
 * 128, a shorter one is a zone. ERROR_INVALID for any other name. */
int dns_reverse_parse(const char *name, struct ip_prefix *prefix) MUST_CHECK;

/* Answers to the query (parsed before). Each returns the size written, 0 if it cannot be built. */
size_t dns_answer_address(struct span query, const struct ip_address *ip,
                          uint8_t reply[static DNS_MESSAGE_MAX]);
size_t dns_answer_name(struct span query, const char *fqdn, uint8_t reply[static DNS_MESSAGE_MAX]);
/* No answer records: an error, or DNS_RCODE_OK for "the name has no such data". */
size_t dns_answer_empty(struct span query, int rcode, uint8_t reply[static DNS_MESSAGE_MAX]);

#endif

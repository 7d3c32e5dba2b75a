/* Between the fields of the messages (proto/cyphonic.proto) and the plain values of base/: every
 * field of a peer's is checked here before it is believed. Pure. */
#ifndef CYPHONIC_NODE_MESSAGE_H
#define CYPHONIC_NODE_MESSAGE_H

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"
#include "cyphonic.pb-c.h"

/* `family` 4 or 6 asks for that one, 0 takes either. ERROR_PROTOCOL otherwise. */
int message_ip(const ProtobufCBinaryData *bytes, int family, struct ip_address *ip) MUST_CHECK;
/* A missing endpoint or prefix (NULL) is ERROR_PROTOCOL. */
int message_endpoint(const Cyphonic__Endpoint *endpoint, struct address *address) MUST_CHECK;
int message_prefix(const Cyphonic__Prefix *prefix, int family, struct ip_prefix *out) MUST_CHECK;

/* Borrowed: valid as long as what they point to. */
ProtobufCBinaryData message_bytes(const struct ip_address *ip);
ProtobufCBinaryData message_data(const void *data, size_t size);
struct span message_span(const ProtobufCBinaryData *bytes);

/* The peer's Error code, or UNSPECIFIED if `reply` is NULL or another message. */
Cyphonic__Error__Code message_refusal(const Cyphonic__Message *reply);

#endif

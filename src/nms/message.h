/* Addresses in and out of messages. What is written here borrows: it lives as long as its source.
 */
#ifndef CYPHONIC_NMS_MESSAGE_H
#define CYPHONIC_NMS_MESSAGE_H

#include <stdbool.h>

#include "base/address.h"
#include "cyphonic.pb-c.h"

ProtobufCBinaryData nms_message_data(const void *data, size_t size);
char *nms_message_text(const char *text);
ProtobufCBinaryData nms_message_ip(const struct ip_address *ip);
Cyphonic__Endpoint nms_message_endpoint(const struct address *address);
Cyphonic__Prefix nms_message_prefix(const struct ip_prefix *prefix);

/* ERROR_INVALID unless it has 4 or 16 bytes of a unicast address and a port. */
int nms_endpoint_read(const Cyphonic__Endpoint *endpoint, struct address *address) MUST_CHECK;

#endif

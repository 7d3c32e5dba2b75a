#include "node/message.h"

#include <string.h>

int message_ip(const ProtobufCBinaryData *bytes, int family, struct ip_address *ip) {
  if (ip_address_from_bytes(ip, bytes->data, bytes->len) || (family != 0 && ip->family != family)) {
    *ip = (struct ip_address){0};
    return ERROR_PROTOCOL;
  }
  return 0;
}

int message_endpoint(const Cyphonic__Endpoint *endpoint, struct address *address) {
  *address = (struct address){0};
  if (!endpoint || endpoint->port == 0 || endpoint->port > UINT16_MAX)
    return ERROR_PROTOCOL;
  int code = message_ip(&endpoint->ip, 0, &address->ip);
  if (!code)
    address->port = (uint16_t)endpoint->port;
  return code;
}

int message_prefix(const Cyphonic__Prefix *prefix, int family, struct ip_prefix *out) {
  *out = (struct ip_prefix){0};
  if (!prefix)
    return ERROR_PROTOCOL;
  int code = message_ip(&prefix->ip, family, &out->address);
  if (code)
    return code;
  if (prefix->length == 0 || prefix->length > ip_address_size(&out->address) * 8) {
    *out = (struct ip_prefix){0};
    return ERROR_PROTOCOL;
  }
  out->length = (uint8_t)prefix->length;
  return 0;
}

ProtobufCBinaryData message_bytes(const struct ip_address *ip) {
  return message_data(ip->bytes, ip_address_size(ip));
}

ProtobufCBinaryData message_data(const void *data, size_t size) {
  /* protobuf-c knows no const; packing only reads. */
  union {
    const void *from;
    uint8_t *to;
  } pointer = {.from = data};
  return (ProtobufCBinaryData){.len = size, .data = pointer.to};
}

struct span message_span(const ProtobufCBinaryData *bytes) {
  return (struct span){.data = bytes->data, .size = bytes->len};
}

Cyphonic__Error__Code message_refusal(const Cyphonic__Message *reply) {
  if (!reply || reply->body_case != CYPHONIC__MESSAGE__BODY_ERROR)
    return CYPHONIC__ERROR__CODE__UNSPECIFIED;
  return reply->error->code;
}

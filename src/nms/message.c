#include "nms/message.h"

/* protobuf-c knows no const; packing only reads. So here, and below. */
ProtobufCBinaryData nms_message_data(const void *data, size_t size) {
  union {
    const void *from;
    uint8_t *to;
  } pointer = {.from = data};
  return (ProtobufCBinaryData){.len = size, .data = pointer.to};
}

char *nms_message_text(const char *text) {
  union {
    const char *from;
    char *to;
  } pointer = {.from = text};
  return pointer.to;
}

ProtobufCBinaryData nms_message_ip(const struct ip_address *ip) {
  return nms_message_data(ip->bytes, ip_address_size(ip));
}

Cyphonic__Endpoint nms_message_endpoint(const struct address *address) {
  Cyphonic__Endpoint endpoint = CYPHONIC__ENDPOINT__INIT;
  endpoint.ip = nms_message_ip(&address->ip);
  endpoint.port = address->port;
  return endpoint;
}

Cyphonic__Prefix nms_message_prefix(const struct ip_prefix *prefix) {
  Cyphonic__Prefix message = CYPHONIC__PREFIX__INIT;
  message.ip = nms_message_ip(&prefix->address);
  message.length = prefix->length;
  return message;
}

static bool is_zero(const struct ip_address *ip) {
  for (size_t i = 0; i < ip_address_size(ip); i++) {
    if (ip->bytes[i] != 0) {
      return false;
    }
  }
  return true;
}

int nms_endpoint_read(const Cyphonic__Endpoint *endpoint, struct address *address) {
  *address = (struct address){0};
  if (endpoint->port == 0 || endpoint->port > UINT16_MAX ||
      ip_address_from_bytes(&address->ip, endpoint->ip.data, endpoint->ip.len) != 0 ||
      is_zero(&address->ip) || ip_address_is_multicast(&address->ip)) {
    *address = (struct address){0};
    return ERROR_INVALID;
  }
  address->port = (uint16_t)endpoint->port;
  return 0;
}

#include <stdio.h>
#include <string.h>

#include "nms/message.h"
#include "nms/service.h"

static bool refuse_unknown(struct nms_request *request) {
  control_refuse(request->exchange, CYPHONIC__ERROR__CODE__NAME_UNKNOWN,
                 "this network has no such name or address");
  return false;
}

/* Lower case, without the root's dot, and under the network's domain if it is a bare label. */
static bool full_name(const struct store_network *network, const char *name,
                      char fqdn[static PKI_NAME_SIZE]) {
  size_t size = strlen(name);
  if (size > 0 && name[size - 1] == '.') {
    size--;
  }
  if (size == 0 || size >= PKI_NAME_SIZE) {
    return false;
  }
  for (size_t i = 0; i < size; i++) {
    char c = name[i];
    fqdn[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  }
  fqdn[size] = '\0';
  if (strchr(fqdn, '.') == NULL) {
    int added = snprintf(fqdn + size, PKI_NAME_SIZE - size, ".%s", network->domain);
    return added > 0 && (size_t)added < PKI_NAME_SIZE - size;
  }
  return true;
}

bool nms_find_device(struct nms_request *request, const char *fqdn,
                     const ProtobufCBinaryData *address, struct store_device *device) {
  struct nms_service *nms = request->nms;
  struct error error = {0};
  int code;
  if (fqdn != NULL) {
    char name[PKI_NAME_SIZE];
    if (!full_name(&nms->network, fqdn, name)) {
      return refuse_unknown(request);
    }
    code = store_device_by_fqdn(nms->config.store, name, device, &error);
  } else {
    struct ip_address ip;
    if (ip_address_from_bytes(&ip, address->data, address->len) != 0) {
      control_refuse(request->exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                     "an address has 4 or 16 bytes, this one has %zu", address->len);
      return false;
    }
    code = store_device_by_address(nms->config.store, &ip, device, &error);
  }
  if (code == ERROR_NOT_FOUND || (code == 0 && device->revoked)) {
    return refuse_unknown(request);
  }
  if (code != 0) {
    nms_refuse_fault(nms, request->exchange, &error);
  }
  return code == 0;
}

void nms_answer_name(struct nms_request *request, const Cyphonic__NameRequest *message) {
  struct store_device device;
  bool by_name = message->what_case == CYPHONIC__NAME_REQUEST__WHAT_FQDN;
  if (!by_name && message->what_case != CYPHONIC__NAME_REQUEST__WHAT_ADDRESS) {
    control_refuse(request->exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                   "the request names neither a name nor an address");
    return;
  }
  if (!nms_find_device(request, by_name ? message->fqdn : NULL, by_name ? NULL : &message->address,
                       &device)) {
    return;
  }
  Cyphonic__NameResponse response = CYPHONIC__NAME_RESPONSE__INIT;
  response.fqdn = device.fqdn;
  response.ipv4 = nms_message_ip(&device.ipv4);
  response.ipv6 = nms_message_ip(&device.ipv6);
  Cyphonic__Message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_NAME_RESPONSE;
  reply.name_response = &response;
  control_reply(request->exchange, &reply);
}

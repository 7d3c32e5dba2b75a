#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "nms/service.h"

static bool refuse(struct nms_request *request, Cyphonic__Error__Code code, const char *reason,
                   const char *text) {
  struct nms_service *nms = request->nms;
  uint32_t dropped = 0;
  if (log_limit_allows(&nms->refusals, clock_now(), &dropped)) {
    log_info(nms->config.log, "node-refused", "reason=%s dropped_lines=%u", reason, dropped);
  }
  control_refuse(request->exchange, code, "%s", text);
  return false;
}

static bool refuse_unknown(struct nms_request *request) {
  return refuse(request, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN, "unknown",
                "this network knows no device with this certificate; sign up anew with an "
                "invitation");
}

static bool refuse_revoked(struct nms_request *request) {
  return refuse(request, CYPHONIC__ERROR__CODE__DEVICE_REVOKED, "revoked",
                "this device has been revoked; ask whoever runs the network");
}

/* The certificate as such: issued to this device, and not revoked. */
static bool check_certificate(struct nms_request *request, const struct pki_identity *identity) {
  struct store_certificate certificate;
  struct error error = {0};
  int code = store_certificate_by_fingerprint(request->nms->config.store, identity->fingerprint,
                                              &certificate, &error);
  if (code == ERROR_NOT_FOUND) {
    return refuse_unknown(request);
  }
  if (code != 0) {
    nms_refuse_fault(request->nms, request->exchange, &error);
    return false;
  }
  free(certificate.der);
  if (certificate.device_id != request->device.id) {
    return refuse_unknown(request);
  }
  return !certificate.revoked || refuse_revoked(request);
}

bool nms_admit(struct nms_request *request) {
  const struct pki_identity *identity = quic_connection_peer(request->client->connection);
  struct store_device *device = &request->device;
  struct error error = {0};
  int code = store_device_by_fqdn(request->nms->config.store, identity->name, device, &error);
  if (code != 0 && code != ERROR_NOT_FOUND) {
    nms_refuse_fault(request->nms, request->exchange, &error);
    return false;
  }
  if (code == ERROR_NOT_FOUND ||
      memcmp(device->public_key, identity->public_key, PKI_HASH_SIZE) != 0 ||
      !ip_address_equal(&device->ipv4, &identity->ipv4) ||
      !ip_address_equal(&device->ipv6, &identity->ipv6)) {
    return refuse_unknown(request);
  }
  if (device->revoked) {
    return refuse_revoked(request);
  }
  return check_certificate(request, identity);
}

#include "as/login.h"

#include <stdlib.h>
#include <string.h>

#include "as/device_text.h"

static bool unknown(struct as_refusal *refusal, const char *why) {
  return as_refuse(refusal, CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN,
                   "%s; sign up anew with an invitation", why);
}

static bool revoked(struct as_refusal *refusal, const char *what) {
  return as_refuse(refusal, CYPHONIC__ERROR__CODE__DEVICE_REVOKED,
                   "%s has been revoked; ask whoever runs the network", what);
}

static bool check_device(struct store *store, const struct pki_identity *identity,
                         struct store_device *device, struct as_refusal *refusal) {
  struct error error = {0};
  int code = store_device_by_fqdn(store, identity->name, device, &error);
  if (code == ERROR_NOT_FOUND) {
    return unknown(refusal, "this network knows no device of this name");
  }
  if (code != 0) {
    return as_refuse_fault(refusal, &error);
  }
  if (memcmp(device->public_key, identity->public_key, PKI_HASH_SIZE) != 0) {
    return unknown(refusal, "the device of this name has another key");
  }
  if (!ip_address_equal(&device->ipv4, &identity->ipv4) ||
      !ip_address_equal(&device->ipv6, &identity->ipv6)) {
    return unknown(refusal, "the device of this name has other virtual addresses");
  }
  return !device->revoked || revoked(refusal, "this device");
}

static bool check_certificate(struct store *store, const struct pki_identity *identity,
                              const struct store_device *device, struct as_refusal *refusal) {
  struct store_certificate certificate;
  struct error error = {0};
  int code = store_certificate_by_fingerprint(store, identity->fingerprint, &certificate, &error);
  if (code == 0) {
    free(certificate.der);
  }
  if (code == ERROR_NOT_FOUND || (code == 0 && certificate.device_id != device->id)) {
    return unknown(refusal, "this certificate was not issued to this device");
  }
  if (code != 0) {
    return as_refuse_fault(refusal, &error);
  }
  return !certificate.revoked || revoked(refusal, "this device's certificate");
}

bool as_login(struct store *store, const struct pki_identity *identity,
              const Cyphonic__LoginRequest *request, int64_t now, struct store_device *device,
              struct as_refusal *refusal) {
  memset(refusal, 0, sizeof(*refusal));
  if (!check_device(store, identity, device, refusal) ||
      !check_certificate(store, identity, device, refusal)) {
    return false;
  }
  as_device_text(request->hardware, device->hardware);
  as_device_text(request->os, device->os);
  as_device_text(request->version, device->version);
  struct error error = {0};
  return store_device_seen(store, device->id, device->hardware, device->os, device->version, now,
                           &error) == 0 ||
         as_refuse_fault(refusal, &error);
}

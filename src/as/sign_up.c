#include "as/sign_up.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as/device_name.h"
#include "as/device_text.h"
#include "base/clock.h"
#include "pki/invitation.h"

/* One sign-up under way. */
struct attempt {
  const struct as_sign_up_context *context;
  const Cyphonic__SignUpRequest *request;
  int64_t now;
  struct store_invitation invitation;
  uint8_t key[PKI_HASH_SIZE];
  struct as_sign_up_result *result;
  struct as_refusal *refusal;
};

void as_sign_up_result_clear(struct as_sign_up_result *result) {
  pki_chain_clear(&result->chain);
  free(result->root);
  memset(result, 0, sizeof(*result));
}

/* Unknown secrets are turned away before anything costly is done for strangers. */
static bool find_invitation(struct attempt *attempt) {
  const ProtobufCBinaryData *secret = &attempt->request->secret;
  struct error error = {0};
  int code = ERROR_NOT_FOUND;
  if (secret->len == INVITATION_SECRET_SIZE) {
    uint8_t hash[PKI_HASH_SIZE];
    invitation_secret_hash(secret->data, hash);
    code = store_invitation_by_hash(attempt->context->store, hash, &attempt->invitation, &error);
  }
  if (code == ERROR_NOT_FOUND) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__INVITATION_INVALID,
                     "this network knows no such invitation; ask for a new one");
  }
  return code == 0 || as_refuse_fault(attempt->refusal, &error);
}

static bool check_request(struct attempt *attempt) {
  struct span csr = {attempt->request->csr.data, attempt->request->csr.len};
  struct error error = {0};
  int code = pki_request_key_hash(csr, attempt->key, &error);
  if (code == ERROR_NO_MEMORY) {
    return as_refuse_fault(attempt->refusal, &error);
  }
  return code == 0 || as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__MALFORMED,
                                "the certificate request does not hold: %.160s", error.message);
}

static bool issue(struct attempt *attempt, struct pki_identity *identity) {
  const struct as_sign_up_context *context = attempt->context;
  const struct store_device *device = &attempt->result->device;
  struct pki_node_subject subject = {
      .fqdn = device->fqdn,
      .ipv4 = device->ipv4,
      .ipv6 = device->ipv6,
      .not_before = attempt->now - PKI_BACKDATE_SECONDS,
      .not_after = attempt->now + (int64_t)context->certificate_seconds,
  };
  struct span csr = {attempt->request->csr.data, attempt->request->csr.len};
  struct error error = {0};
  int code = pki_issue_node(context->intermediate, csr, &subject, &attempt->result->chain, identity,
                            &error);
  return code == 0 || as_refuse_fault(attempt->refusal, &error);
}

/* Takes over the stored leaf in place of that of a chain just issued: the issuers are the same. */
static bool answer_with(struct attempt *attempt, struct store_certificate *certificate) {
  struct pki_identity unused;
  if (!issue(attempt, &unused)) {
    free(certificate->der);
    return false;
  }
  struct pki_chain *chain = &attempt->result->chain;
  free(chain->certificate[0].data);
  chain->certificate[0].data = certificate->der;
  chain->certificate[0].size = certificate->der_size;
  attempt->result->again = true;
  return true;
}

/* The device of this key came in before. By this invitation: the answer again. */
static bool sign_up_again(struct attempt *attempt) {
  const struct store_device *device = &attempt->result->device;
  struct store *store = attempt->context->store;
  struct error error = {0};
  bool redeemed;
  if (store_invitation_was_redeemed_by(store, attempt->invitation.id, device->id, &redeemed,
                                       &error) != 0) {
    return as_refuse_fault(attempt->refusal, &error);
  }
  if (device->revoked) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__DEVICE_REVOKED,
                     "the device %s has been revoked; ask whoever runs the network", device->name);
  }
  if (!redeemed) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__NAME_TAKEN,
                     "this key signed up as %s by another invitation; sign up with a new key",
                     device->name);
  }
  struct store_certificate certificate;
  if (store_certificate_newest(store, device->id, &certificate, &error) != 0) {
    return as_refuse_fault(attempt->refusal, &error);
  }
  Cyphonic__Error__Code code = CYPHONIC__ERROR__CODE__UNSPECIFIED;
  if (certificate.revoked) {
    code = CYPHONIC__ERROR__CODE__DEVICE_REVOKED;
  } else if (certificate.not_after <= attempt->now) {
    code = CYPHONIC__ERROR__CODE__INVITATION_USED;
  }
  if (code != CYPHONIC__ERROR__CODE__UNSPECIFIED) {
    free(certificate.der);
    return as_refuse(
        attempt->refusal, code,
        "the certificate that this invitation gave to %s is no longer valid; ask for a "
        "new invitation and sign up with a new key",
        device->name);
  }
  return answer_with(attempt, &certificate);
}

static bool check_invitation(struct attempt *attempt) {
  const struct store_invitation *invitation = &attempt->invitation;
  if (invitation->expires <= attempt->now) {
    char text[CLOCK_TEXT_SIZE];
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__INVITATION_EXPIRED,
                     "the invitation was good until %s; ask for a new one",
                     clock_text(invitation->expires, text));
  }
  if (invitation->uses_left <= 0) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__INVITATION_USED,
                     "the invitation has been used; ask for a new one");
  }
  return true;
}

/* What the new device is called and what it says of itself. An invitation for a certain name gives
 * that name, whatever was wished. */
static bool describe(struct attempt *attempt) {
  const Cyphonic__SignUpRequest *request = attempt->request;
  struct store_device *device = &attempt->result->device;
  memset(device, 0, sizeof(*device));
  const char *wished =
      attempt->invitation.name[0] != '\0' ? attempt->invitation.name : request->name;
  struct error error = {0};
  if (as_device_name(wished, device->name, &error) != 0) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__NAME_INVALID, "%.250s",
                     error.message);
  }
  int size =
      snprintf(device->fqdn, sizeof(device->fqdn), "%s.%s", device->name, attempt->result->domain);
  if (size < 0 || (size_t)size >= sizeof(device->fqdn)) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__NAME_INVALID,
                     "the name is too long under this network's domain; choose a shorter one");
  }
  memcpy(device->public_key, attempt->key, sizeof(device->public_key));
  as_device_text(request->hardware, device->hardware);
  as_device_text(request->os, device->os);
  as_device_text(request->version, device->version);
  device->created = attempt->now;
  return true;
}

static bool add_device(struct attempt *attempt) {
  struct store_device *device = &attempt->result->device, other;
  const struct as_sign_up_context *context = attempt->context;
  struct error error = {0};
  int code = store_device_by_name(context->store, device->name, &other, &error);
  if (code == 0) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__NAME_TAKEN,
                     "there is a device named %s already; choose another name", device->name);
  }
  if (code == ERROR_NOT_FOUND) {
    code = store_device_add(context->store, device, &error);
  }
  if (code != 0) {
    return as_refuse_fault(attempt->refusal, &error);
  }
  code = context->allocate(context->store, device->id, attempt->now, &device->ipv4, &device->ipv6,
                           &error);
  if (code == ERROR_LIMIT) {
    as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__ADDRESSES_EXHAUSTED,
              "the network has no virtual address left; tell whoever runs it");
    attempt->refusal->cause = error;
    return false;
  }
  return code == 0 || as_refuse_fault(attempt->refusal, &error);
}

static bool record_certificate(struct attempt *attempt, const struct pki_identity *identity) {
  const struct pki_chain *chain = &attempt->result->chain;
  struct store_certificate certificate = {
      .device_id = attempt->result->device.id,
      .not_before = identity->not_before,
      .not_after = identity->not_after,
      .der = chain->certificate[0].data,
      .der_size = chain->certificate[0].size,
  };
  memcpy(certificate.serial, identity->serial, sizeof(certificate.serial));
  memcpy(certificate.fingerprint, identity->fingerprint, sizeof(certificate.fingerprint));
  struct error error = {0};
  return store_certificate_add(attempt->context->store, &certificate, &error) == 0 ||
         as_refuse_fault(attempt->refusal, &error);
}

static bool redeem(struct attempt *attempt) {
  struct error error = {0};
  int code = store_invitation_redeem(attempt->context->store, attempt->invitation.id,
                                     attempt->result->device.id, attempt->now, &error);
  if (code == ERROR_LIMIT) {
    return as_refuse(attempt->refusal, CYPHONIC__ERROR__CODE__INVITATION_USED,
                     "the invitation has been used; ask for a new one");
  }
  return code == 0 || as_refuse_fault(attempt->refusal, &error);
}

static bool sign_up_first(struct attempt *attempt) {
  struct pki_identity identity;
  return check_invitation(attempt) && describe(attempt) && add_device(attempt) &&
         issue(attempt, &identity) && record_certificate(attempt, &identity) && redeem(attempt);
}

/* Inside the transaction, whose lock keeps what is read true until the commit. */
static bool sign_up_locked(struct attempt *attempt) {
  struct error error = {0};
  int code =
      store_device_by_key(attempt->context->store, attempt->key, &attempt->result->device, &error);
  if (code == 0) {
    return sign_up_again(attempt);
  }
  if (code != ERROR_NOT_FOUND) {
    return as_refuse_fault(attempt->refusal, &error);
  }
  return sign_up_first(attempt);
}

/* What every answer holds. */
static bool prepare(struct attempt *attempt) {
  const struct as_sign_up_context *context = attempt->context;
  struct as_sign_up_result *result = attempt->result;
  struct store_network network;
  struct error error = {0};
  if (store_network_get(context->store, &network, &error) != 0 ||
      pki_ca_root(context->intermediate, &result->root, &result->root_size, &error) != 0) {
    return as_refuse_fault(attempt->refusal, &error);
  }
  memcpy(result->domain, network.domain, sizeof(result->domain));
  return true;
}

bool as_sign_up(const struct as_sign_up_context *context, const Cyphonic__SignUpRequest *request,
                int64_t now, struct as_sign_up_result *result, struct as_refusal *refusal) {
  memset(result, 0, sizeof(*result));
  memset(refusal, 0, sizeof(*refusal));
  struct attempt attempt = {
      .context = context, .request = request, .now = now, .result = result, .refusal = refusal};
  bool done = find_invitation(&attempt) && check_request(&attempt) && prepare(&attempt);
  if (done) {
    struct error error = {0};
    if (store_begin(context->store, &error) != 0) {
      done = as_refuse_fault(refusal, &error);
    } else if (!sign_up_locked(&attempt)) {
      store_rollback(context->store);
      done = false;
    } else if (store_commit(context->store, &error) != 0) {
      done = as_refuse_fault(refusal, &error);
    }
  }
  if (!done) {
    as_sign_up_result_clear(result);
  }
  return done;
}

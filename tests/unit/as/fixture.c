#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int allocate_by_id(struct store *store, int64_t device_id, int64_t now, struct ip_address *ipv4,
                   struct ip_address *ipv6, struct error *error) {
  *ipv4 = (struct ip_address){.family = 4, .bytes = {10, 77, 0, (uint8_t)device_id}};
  *ipv6 = (struct ip_address){.family = 6, .bytes = {0xfd, 0x12, [15] = (uint8_t)device_id}};
  int code = store_address_add(store, device_id, ipv4, now, error);
  return code == 0 ? store_address_add(store, device_id, ipv6, now, error) : code;
}

int office_open(void **state) {
  struct office *office = calloc(1, sizeof(*office));
  assert_non_null(office);
  void *place = NULL;
  place_with_store(&place);
  office->place = place;
  office->store = office->place->store;
  struct error error = {0};
  must(pki_root_new("test.internal", NOW, &office->root, &error), &error);
  must(pki_intermediate_new(office->root, "test.internal", NOW, &office->intermediate, &error),
       &error);
  office->context = (struct as_sign_up_context){.store = office->store,
                                                .intermediate = office->intermediate,
                                                .certificate_seconds = CERTIFICATE_SECONDS,
                                                .allocate = allocate_by_id};
  *state = office;
  return 0;
}

int office_close(void **state) {
  struct office *office = *state;
  pki_ca_free(office->intermediate);
  pki_ca_free(office->root);
  void *place = office->place;
  place_clear(&place);
  free(office);
  return 0;
}

void office_invite(struct office *office, uint8_t number, const char *name, int64_t uses,
                   int64_t expires) {
  memset(office->secret, number, sizeof(office->secret));
  struct store_invitation invitation = {.uses_left = uses, .created = NOW, .expires = expires};
  invitation_secret_hash(office->secret, invitation.secret_hash);
  snprintf(invitation.name, sizeof(invitation.name), "%s", name);
  struct error error = {0};
  must(store_invitation_add(office->store, &invitation, &error), &error);
}

void applicant_init(struct applicant *applicant, struct office *office, char *name) {
  static char hardware[] = "a box", os[] = "Debian 12", version[] = "0.1.0";
  memset(applicant, 0, sizeof(*applicant));
  struct error error = {0};
  must(pki_key_new(&applicant->key, &error), &error);
  must(pki_request_new(applicant->key, "whoever", &applicant->csr, &applicant->csr_size, &error),
       &error);
  cyphonic__sign_up_request__init(&applicant->request);
  applicant->request.secret.data = office->secret;
  applicant->request.secret.len = sizeof(office->secret);
  applicant->request.csr.data = applicant->csr;
  applicant->request.csr.len = applicant->csr_size;
  applicant->request.name = name;
  applicant->request.hardware = hardware;
  applicant->request.os = os;
  applicant->request.version = version;
}

void applicant_clear(struct applicant *applicant) {
  pki_key_free(applicant->key);
  free(applicant->csr);
}

void sign_up(struct office *office, struct applicant *applicant, struct as_sign_up_result *result,
             struct pki_identity *identity) {
  struct as_refusal refusal;
  if (!as_sign_up(&office->context, &applicant->request, NOW, result, &refusal)) {
    fail_msg("refused with %d: %s (%s)", (int)refusal.code, refusal.message, refusal.cause.message);
  }
  uint8_t fingerprint[PKI_HASH_SIZE];
  struct error error = {0};
  must(pki_ca_root_fingerprint(office->root, fingerprint, &error), &error);
  struct pki_trust *trust;
  must(pki_trust_pin(fingerprint, &trust, &error), &error);
  struct span chain[PKI_CHAIN_MAX + 1];
  for (size_t i = 0; i < result->chain.count; i++) {
    chain[i] = (struct span){result->chain.certificate[i].data, result->chain.certificate[i].size};
  }
  chain[result->chain.count] = (struct span){result->root, result->root_size};
  must(pki_trust_verify(trust, chain, result->chain.count + 1, PKI_NODE, NOW, identity, &error),
       &error);
  pki_trust_free(trust);
}

#include "nms/grant.h"

#include <stdlib.h>

#include "cyphonic.pb-c.h"
#include "nms/message.h"
#include "pki/ca.h"
#include "pki/signature.h"

static int no_memory(struct error *error) {
  return error_set(error, ERROR_NO_MEMORY, "out of memory for a relay grant");
}

static int pack_body(const struct grant *grant, uint8_t **data, size_t *size, struct error *error) {
  Cyphonic__RelayGrantBody body = CYPHONIC__RELAY_GRANT_BODY__INIT;
  body.relay = nms_message_text(grant->relay);
  body.first_fqdn = nms_message_text(grant->first.fqdn);
  body.first_route_id = grant->first.route_id;
  body.second_fqdn = nms_message_text(grant->second.fqdn);
  body.second_route_id = grant->second.route_id;
  body.expires = grant->expires;
  *data = malloc(cyphonic__relay_grant_body__get_packed_size(&body));
  if (*data == NULL) {
    return no_memory(error);
  }
  *size = cyphonic__relay_grant_body__pack(&body, *data);
  return 0;
}

static int pack_signed(struct span body, struct span signature, const struct span *chain,
                       size_t count, uint8_t **data, size_t *size, struct error *error) {
  ProtobufCBinaryData certificates[PKI_CHAIN_MAX];
  for (size_t i = 0; i < count; i++) {
    certificates[i] = nms_message_data(chain[i].data, chain[i].size);
  }
  Cyphonic__RelayGrant message = CYPHONIC__RELAY_GRANT__INIT;
  message.body = nms_message_data(body.data, body.size);
  message.signature = nms_message_data(signature.data, signature.size);
  message.n_chain = count;
  message.chain = certificates;
  *data = malloc(cyphonic__relay_grant__get_packed_size(&message));
  if (*data == NULL) {
    return no_memory(error);
  }
  *size = cyphonic__relay_grant__pack(&message, *data);
  return 0;
}

int grant_build(const struct grant *grant, const struct pki_credentials *credentials,
                uint8_t **data, size_t *size, struct error *error) {
  *data = NULL;
  *size = 0;
  uint8_t *body = NULL, *signature = NULL;
  size_t body_size = 0, signature_size = 0, count = 0;
  struct span chain[PKI_CHAIN_MAX] = {0};
  int code = pack_body(grant, &body, &body_size, error);
  if (code != 0) {
    goto out;
  }
  struct span signed_part = {.data = body, .size = body_size};
  code = pki_sign(credentials, signed_part, &signature, &signature_size, error);
  if (code != 0) {
    goto out;
  }
  code = pki_credentials_chain(credentials, chain, PKI_CHAIN_MAX, &count, error);
  if (code != 0) {
    goto out;
  }
  code = pack_signed(signed_part, (struct span){.data = signature, .size = signature_size}, chain,
                     count, data, size, error);
out:
  free(signature);
  free(body);
  return code;
}

#include "trs/grant.h"

#include <stdio.h>
#include <string.h>

#include "cyphonic.pb-c.h"
#include "pki/ca.h"
#include "pki/signature.h"

static int malformed(struct error *error, const char *what) {
  return error_set(error, ERROR_INVALID, "the relay grant is malformed: %s", what);
}

static struct span span_of(const ProtobufCBinaryData *data) {
  return (struct span){.data = data->data, .size = data->len};
}

static int verify(const Cyphonic__RelayGrant *message, const struct pki_trust *trust, int64_t now,
                  struct error *error) {
  if (message->n_chain == 0 || message->n_chain > PKI_CHAIN_MAX) {
    return malformed(error, "it has no certificates of the NMS, or too many");
  }
  struct span chain[PKI_CHAIN_MAX];
  for (size_t i = 0; i < message->n_chain; i++) {
    chain[i] = span_of(&message->chain[i]);
  }
  struct pki_identity identity;
  int code =
      pki_signature_verify(trust, chain, message->n_chain, PKI_NMS, now, span_of(&message->body),
                           span_of(&message->signature), &identity, error);
  if (code == 0 || code == ERROR_NO_MEMORY) {
    return code;
  }
  /* A certificate of the NMS that ran out does not make the grant one that may be renewed. */
  error_prefix(error, "the relay grant is not signed by this network's NMS: ");
  if (error != NULL) {
    error->code = ERROR_CERTIFICATE;
  }
  return ERROR_CERTIFICATE;
}

static bool read_node(const char *fqdn, uint32_t route_id, struct trs_grant_node *node) {
  if (fqdn[0] == '\0' || strlen(fqdn) >= sizeof(node->fqdn) || route_id == 0) {
    return false;
  }
  snprintf(node->fqdn, sizeof(node->fqdn), "%s", fqdn);
  node->route_id = route_id;
  return true;
}

static int read_body(const Cyphonic__RelayGrantBody *body, const char *relay, const char *asker,
                     int64_t now, struct trs_grant *grant, struct error *error) {
  struct trs_grant read = {.expires = body->expires};
  if (!read_node(body->first_fqdn, body->first_route_id, &read.node[0]) ||
      !read_node(body->second_fqdn, body->second_route_id, &read.node[1]) ||
      strcmp(read.node[0].fqdn, read.node[1].fqdn) == 0 ||
      read.node[0].route_id == read.node[1].route_id) {
    return malformed(error, "it does not name two nodes");
  }
  if (strcmp(body->relay, relay) != 0) {
    return error_set(error, ERROR_INVALID,
                     "the relay grant is for the TRS '%.253s', this one is %s", body->relay, relay);
  }
  if (strcmp(read.node[0].fqdn, asker) != 0 && strcmp(read.node[1].fqdn, asker) != 0) {
    return error_set(error, ERROR_INVALID, "the relay grant is for other nodes, not for %s", asker);
  }
  if (body->expires <= now) {
    return error_set(error, ERROR_EXPIRED,
                     "the relay grant ran out (at %lld, and it is %lld seconds since 1970); ask "
                     "NMS for a new direction, and check the clocks if it has just come from there",
                     (long long)body->expires, (long long)now);
  }
  *grant = read;
  return 0;
}

int trs_grant_read(struct span data, const struct pki_trust *trust, const char *relay,
                   const char *asker, int64_t now, struct trs_grant *grant, struct error *error) {
  Cyphonic__RelayGrant *message = cyphonic__relay_grant__unpack(NULL, data.size, data.data);
  if (message == NULL) {
    return malformed(error, "it cannot be decoded");
  }
  int code = verify(message, trust, now, error);
  if (code == 0) {
    Cyphonic__RelayGrantBody *body =
        cyphonic__relay_grant_body__unpack(NULL, message->body.len, message->body.data);
    if (body == NULL) {
      code = malformed(error, "its body cannot be decoded");
    } else {
      code = read_body(body, relay, asker, now, grant, error);
      cyphonic__relay_grant_body__free_unpacked(body, NULL);
    }
  }
  cyphonic__relay_grant__free_unpacked(message, NULL);
  return code;
}

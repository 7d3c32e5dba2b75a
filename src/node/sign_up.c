#include "node/sign_up.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/device.h"
#include "node/errand.h"
#include "node/message.h"
#include "node/sign_up_check.h"

struct sign_up {
  struct sign_up_config config;
  struct invitation invitation;
  char name[LABEL_SIZE];
  uint8_t invitation_hash[PKI_HASH_SIZE], key_hash[PKI_HASH_SIZE];
  struct pki_trust *pin;
  struct errand *errand;
  sign_up_callback callback;
  void *context;
};

static void sign_up_free(struct sign_up *sign_up) {
  pki_trust_free(sign_up->pin);
  explicit_bzero(&sign_up->invitation, sizeof sign_up->invitation);
  free(sign_up);
}

static int keep(struct sign_up *sign_up, const Cyphonic__SignUpResponse *response,
                struct error *error) {
  struct sign_up_answer answer;
  int code = sign_up_check(response, sign_up->pin, sign_up->key_hash, clock_wall(), &answer, error);
  if (code)
    return code;
  for (size_t i = 0; i < sign_up->invitation.address_count; i++)
    (void)service_addresses_add(&answer.state.as, sign_up->invitation.address[i].host,
                                sign_up->invitation.address[i].port);
  answer.state.wanted_up = true;
  return state_join_commit(sign_up->config.state_folder, sign_up->invitation_hash, &answer.state,
                           answer.chain, answer.chain_count, answer.root, error);
}

static void answered(int code, const control_message *reply, UNUSED const struct address *server,
                     const struct error *error, void *context) {
  struct sign_up *sign_up = context;
  struct error fault = {0};
  if (code)
    fault = *error;
  else if (reply->body_case != CYPHONIC__MESSAGE__BODY_SIGN_UP_RESPONSE)
    code = error_set(&fault, ERROR_PROTOCOL, "AS answered the sign-up with another message");
  else
    code = keep(sign_up, reply->sign_up_response, &fault);
  sign_up->callback(code, &fault, sign_up->context);
}

/* Not before: the connection borrows the pin. */
static void ended(void *context) {
  sign_up_free(context);
}

/* The key first: it must be on disk before AS knows it. */
static int request_make(struct sign_up *sign_up, uint8_t **der, size_t *size, struct error *error) {
  struct pki_key *key = NULL;
  int code = state_join_key(sign_up->config.state_folder, sign_up->invitation_hash, &key, error);
  if (!code)
    code = pki_key_hash(key, sign_up->key_hash, error);
  if (!code)
    code = pki_request_new(key, sign_up->name, der, size, error);
  pki_key_free(key);
  return code;
}

static int begin(struct sign_up *sign_up, struct error *error) {
  uint8_t *der = NULL;
  size_t size = 0;
  int code = pki_trust_pin(sign_up->invitation.fingerprint, &sign_up->pin, error);
  if (!code)
    code = request_make(sign_up, &der, &size, error);
  if (code)
    goto out;
  struct device device;
  device_describe(&device);
  char version[] = CYPHONIC_VERSION;
  Cyphonic__SignUpRequest request = CYPHONIC__SIGN_UP_REQUEST__INIT;
  request.secret = message_data(sign_up->invitation.secret, sizeof sign_up->invitation.secret);
  request.csr = message_data(der, size);
  request.name = sign_up->name;
  request.hardware = device.hardware;
  request.os = device.os;
  request.version = version;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_SIGN_UP_REQUEST;
  message.sign_up_request = &request;

  struct service_addresses addresses = {0};
  for (size_t i = 0; i < sign_up->invitation.address_count; i++)
    (void)service_addresses_add(&addresses, sign_up->invitation.address[i].host,
                                sign_up->invitation.address[i].port);
  struct dial_target target = {
      .loop = sign_up->config.loop,
      .log = sign_up->config.log,
      .endpoint = sign_up->config.endpoint,
      .alpn = SIGN_UP_ALPN,
      .trust = sign_up->pin,
      .purpose = PKI_AS,
      .parameters = {.idle_timeout = 30 * NANOSECONDS_PER_SECOND},
  };
  code = errand_start(&target, &addresses, &message, answered, ended, sign_up, &sign_up->errand,
                      error);
out:
  free(der);
  return code;
}

int sign_up_start(const struct sign_up_config *config, sign_up_callback callback, void *context,
                  struct sign_up **out, struct error *error) {
  if (strlen(config->name) >= LABEL_SIZE)
    return error_set(error, ERROR_INVALID, "'%.64s...' is too long: a name has at most %d letters",
                     config->name, LABEL_SIZE - 1);
  struct sign_up *sign_up = calloc(1, sizeof *sign_up);
  if (!sign_up)
    return error_set(error, ERROR_NO_MEMORY, "no memory to join");
  sign_up->config = *config;
  sign_up->invitation = *config->invitation;
  memcpy(sign_up->name, config->name, strlen(config->name));
  sign_up->config.invitation = &sign_up->invitation;
  sign_up->config.name = sign_up->name;
  invitation_secret_hash(sign_up->invitation.secret, sign_up->invitation_hash);
  sign_up->callback = callback;
  sign_up->context = context;
  int code = begin(sign_up, error);
  if (code) {
    sign_up_free(sign_up);
    return code;
  }
  *out = sign_up;
  return 0;
}

void sign_up_cancel(struct sign_up *sign_up) {
  errand_cancel(sign_up->errand);
}

#include "node/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "node/backoff.h"
#include "node/device.h"
#include "node/errand.h"
#include "node/fqdn.h"
#include "node/message.h"

enum { RETRY_FIRST = 500, RETRY_LIMIT = 30000 /* milliseconds */ };

struct login {
  struct dial_target target;
  struct service_addresses as;
  char fqdn[FQDN_SIZE];
  const struct login_handler *handler;
  void *context;
  struct errand *errand;
  uv_timer_t timer;
  struct backoff backoff;
  enum login_state state;
  struct address address;
  struct error failure;
};

static void wait_over(uv_timer_t *timer) {
  login_start(timer->data);
}

static void fail(struct login *login, const struct error *error, bool permanent) {
  login->state = LOGIN_FAILED;
  login->failure = *error;
  uint32_t random;
  random_bytes(&random, sizeof random);
  uint64_t wait = backoff_next(&login->backoff, random);
  uv_timer_start(&login->timer, wait_over, wait, 0);
  log_info(login->target.log, "login-failed", "next=%llums error=\"%s\"", (unsigned long long)wait,
           error->message);
  login->handler->failed(error, permanent, login->context);
}

static int read_response(struct login *login, const control_message *reply,
                         struct service_addresses *nms, struct error *error) {
  if (reply->body_case != CYPHONIC__MESSAGE__BODY_LOGIN_RESPONSE)
    return error_set(error, ERROR_PROTOCOL, "AS answered the login with another message");
  const Cyphonic__LoginResponse *response = reply->login_response;
  if (strcmp(response->fqdn, login->fqdn) != 0)
    return error_set(error, ERROR_PROTOCOL, "AS took this node, %s, for '%.100s'", login->fqdn,
                     response->fqdn);
  for (size_t i = 0; i < response->n_nms; i++)
    (void)service_addresses_add(nms, response->nms[i]->host, response->nms[i]->port);
  if (nms->count == 0)
    return error_set(error, ERROR_PROTOCOL,
                     "AS names no NMS: check 'public' in the server's configuration");
  return 0;
}

static void answered(int code, const control_message *reply, const struct address *server,
                     const struct error *error, void *context) {
  struct login *login = context;
  login->errand = NULL;
  if (ip_address_is_set(&server->ip))
    login->address = *server;
  if (code) {
    Cyphonic__Error__Code refusal = message_refusal(reply);
    fail(login, error,
         refusal == CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN ||
             refusal == CYPHONIC__ERROR__CODE__DEVICE_REVOKED);
    return;
  }
  struct service_addresses nms = {0};
  struct error fault = {0};
  if (read_response(login, reply, &nms, &fault)) {
    fail(login, &fault, false);
    return;
  }
  login->state = LOGIN_DONE;
  login->failure = (struct error){0};
  backoff_reset(&login->backoff);
  login->handler->logged_in(&nms, reply->login_response->time, login->context);
}

int login_new(const struct dial_target *target, const struct service_addresses *as,
              const char *fqdn, const struct login_handler *handler, void *context,
              struct login **out, struct error *error) {
  struct login *login = calloc(1, sizeof *login);
  if (!login)
    return error_set(error, ERROR_NO_MEMORY, "no memory to log in");
  login->target = *target;
  login->target.alpn = LOGIN_ALPN;
  login->target.purpose = PKI_AS;
  login->target.parameters = (struct quic_parameters){.idle_timeout = 30 * NANOSECONDS_PER_SECOND};
  login->as = *as;
  snprintf(login->fqdn, sizeof login->fqdn, "%s", fqdn);
  login->handler = handler;
  login->context = context;
  login->backoff = (struct backoff){.first = RETRY_FIRST, .limit = RETRY_LIMIT};
  uv_timer_init(target->loop, &login->timer);
  login->timer.data = login;
  *out = login;
  return 0;
}

static void timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

void login_close(struct login *login) {
  if (!login)
    return;
  if (login->errand)
    errand_cancel(login->errand);
  login->errand = NULL;
  uv_close((uv_handle_t *)&login->timer, timer_closed);
}

void login_start(struct login *login) {
  if (login->errand)
    return;
  uv_timer_stop(&login->timer);
  login->state = LOGIN_CONNECTING;
  struct device device;
  device_describe(&device);
  char version[] = CYPHONIC_VERSION;
  Cyphonic__LoginRequest request = CYPHONIC__LOGIN_REQUEST__INIT;
  request.hardware = device.hardware;
  request.os = device.os;
  request.version = version;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST;
  message.login_request = &request;
  struct error error = {0};
  if (errand_start(&login->target, &login->as, &message, answered, NULL, login, &login->errand,
                   &error)) {
    login->errand = NULL;
    fail(login, &error, false);
  }
}

struct login_view login_view(const struct login *login) {
  return (struct login_view){
      .state = login->state, .address = login->address, .message = login->failure.message};
}

#include "cloud.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "nms/allocator.h"
#include "pki/invitation.h"

static const uint8_t endpoint_secret[QUIC_SECRET_SIZE] = "a secret of the test's endpoints";

static void path_of(const struct cloud *cloud, const char *name, char path[static 160]) {
  snprintf(path, 160, "%s/%s", cloud->place->folder, name);
}

static struct quic_endpoint *endpoint_new(struct cloud *cloud) {
  struct quic_endpoint_config config = {
      .loop = &cloud->loop, .log = &cloud->log, .ipv4 = ip("127.0.0.1"), .secret = endpoint_secret};
  struct quic_endpoint *endpoint;
  struct error error = {0};
  must(quic_endpoint_new(&config, &endpoint, &error), &error);
  return endpoint;
}

static void set_flag(void *context) {
  *(bool *)context = true;
}

static void endpoint_close(struct cloud *cloud, struct quic_endpoint *endpoint) {
  bool gone = false;
  quic_endpoint_close(endpoint, set_flag, &gone);
  cloud_wait(cloud, &gone);
}

static struct pki_credentials *service_credentials(struct cloud *cloud, enum pki_purpose purpose,
                                                   const char *name) {
  static const char *const files[][2] = {[PKI_AS] = {"as.crt", "as.key"},
                                         [PKI_NMS] = {"nms.crt", "nms.key"},
                                         [PKI_TRS] = {"trs.crt", "trs.key"}};
  char host[64], certificate[160], key[160];
  struct error error = {0};
  struct pki_credentials *credentials;
  snprintf(host, sizeof(host), "%s.test.internal", name);
  must(pki_issue_service(cloud->root, purpose, host, clock_wall(), cloud->place->folder, &error),
       &error);
  path_of(cloud, files[purpose][0], certificate);
  path_of(cloud, files[purpose][1], key);
  must(pki_credentials_load(certificate, key, &credentials, &error), &error);
  /* Room for another of the same purpose. */
  assert_int_equal(unlink(certificate), 0);
  assert_int_equal(unlink(key), 0);
  return credentials;
}

static void open_certificates(struct cloud *cloud) {
  struct error error = {0};
  uint8_t fingerprint[PKI_HASH_SIZE];
  int64_t now = clock_wall();
  must(pki_root_new("test.internal", now, &cloud->root, &error), &error);
  must(pki_intermediate_new(cloud->root, "test.internal", now, &cloud->intermediate, &error),
       &error);
  must(pki_ca_root_fingerprint(cloud->root, fingerprint, &error), &error);
  must(pki_trust_pin(fingerprint, &cloud->pin, &error), &error);
  char certificate[160], key[160];
  path_of(cloud, "root.crt", certificate);
  path_of(cloud, "root.key", key);
  must(pki_ca_save(cloud->root, certificate, key, &error), &error);
  must(pki_trust_load(certificate, &cloud->trust, &error), &error);
  cloud->as_credentials = service_credentials(cloud, PKI_AS, "as");
  cloud->nms_credentials = service_credentials(cloud, PKI_NMS, "nms");
}

static void open_services(struct cloud *cloud) {
  struct error error = {0};
  struct as_config as = {.endpoint = cloud->endpoint,
                         .log = &cloud->log,
                         .store = cloud->store,
                         .intermediate = cloud->intermediate,
                         .credentials = cloud->as_credentials,
                         .trust = cloud->trust,
                         .certificate_seconds = 3600,
                         .nms_count = 1,
                         .nms = {{"127.0.0.1", cloud->address.port}},
                         .allocate = nms_allocate};
  must(as_service_new(&as, &cloud->as, &error), &error);
  struct nms_config nms = {.endpoint = cloud->endpoint,
                           .log = &cloud->log,
                           .store = cloud->store,
                           .credentials = cloud->nms_credentials,
                           .trust = cloud->trust};
  must(nms_service_new(&nms, &cloud->nms, &error), &error);
}

int cloud_open(void **state) {
  struct cloud *cloud = calloc(1, sizeof(*cloud));
  assert_non_null(cloud);
  void *place = NULL;
  place_with_store(&place);
  cloud->place = place;
  cloud->store = cloud->place->store;
  cloud->log = (struct log){.stream = stderr, .level = LOG_LEVEL_ERROR};
  assert_int_equal(uv_loop_init(&cloud->loop), 0);
  open_certificates(cloud);
  cloud->endpoint = endpoint_new(cloud);
  cloud->address =
      (struct address){.ip = ip("127.0.0.1"), .port = quic_endpoint_port(cloud->endpoint, 4)};
  open_services(cloud);
  *state = cloud;
  return 0;
}

int cloud_close(void **state) {
  struct cloud *cloud = *state;
  nms_service_free(cloud->nms);
  as_service_free(cloud->as);
  endpoint_close(cloud, cloud->endpoint);
  uv_run(&cloud->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&cloud->loop), 0);
  pki_credentials_free(cloud->as_credentials);
  pki_credentials_free(cloud->nms_credentials);
  pki_trust_free(cloud->trust);
  pki_trust_free(cloud->pin);
  pki_ca_free(cloud->intermediate);
  pki_ca_free(cloud->root);
  void *place = cloud->place;
  place_clear(&place);
  free(cloud);
  return 0;
}

static void too_late(uv_timer_t *timer) {
  *(bool *)timer->data = true;
}

static void free_handle(uv_handle_t *handle) {
  free(handle);
}

void cloud_wait(struct cloud *cloud, const bool *flag) {
  bool late = false;
  uv_timer_t *timer = malloc(sizeof(*timer));
  assert_non_null(timer);
  uv_timer_init(&cloud->loop, timer);
  timer->data = &late;
  uv_timer_start(timer, too_late, 10000, 0);
  while (!*flag && !late) {
    uv_run(&cloud->loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)timer, free_handle);
  if (!*flag) {
    fail_msg("what the test waits for did not happen in ten seconds");
  }
}

/* --- sessions --- */

static Cyphonic__Message *copy_of(const Cyphonic__Message *message) {
  size_t size = cyphonic__message__get_packed_size(message);
  uint8_t *data = malloc(size == 0 ? 1 : size);
  assert_non_null(data);
  cyphonic__message__pack(message, data);
  Cyphonic__Message *copy = cyphonic__message__unpack(NULL, size, data);
  assert_non_null(copy);
  free(data);
  return copy;
}

static void pushed(struct control *control UNUSED, struct control_exchange *exchange,
                   const control_message *message, void *context) {
  struct session *session = context;
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY_ROUTE_DIRECTION);
  if (session->unconfirmed != NULL) {
    session_confirm(session);
  }
  session->directions++;
  session->directed = true;
  if (session->direction != NULL) {
    cyphonic__message__free_unpacked(session->direction, NULL);
  }
  session->direction = copy_of(message);
  session->unconfirmed = exchange;
  if (!session->withholds) {
    session_confirm(session);
  }
}

void session_confirm(struct session *session) {
  Cyphonic__RouteDirectionConfirmation confirmation = CYPHONIC__ROUTE_DIRECTION_CONFIRMATION__INIT;
  confirmation.direction_id = session->direction->route_direction->direction_id;
  Cyphonic__Message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_ROUTE_DIRECTION_CONFIRMATION;
  reply.route_direction_confirmation = &confirmation;
  control_reply(session->unconfirmed, &reply);
  session->unconfirmed = NULL;
}

static const struct control_handler control_handler = {.request = pushed};

static void established(struct quic_connection *connection UNUSED, void *context) {
  ((struct session *)context)->established = true;
}

static void closed(struct quic_connection *connection UNUSED, const struct quic_close *close,
                   void *context) {
  struct session *session = context;
  session->close = *close;
  session->closed = session->established = true;
  control_free(session->control);
  session->control = NULL;
}

static const struct quic_handler session_handler = {.established = established, .closed = closed};

void session_try(struct member *member, const char *alpn, enum pki_purpose purpose,
                 struct session *session) {
  *session = (struct session){.cloud = member->cloud};
  bool joined = strcmp(alpn, AS_ALPN_SIGN_UP) != 0;
  struct quic_target target = {
      .alpn = alpn,
      .remote = member->cloud->address,
      .credentials = joined ? member->credentials : NULL,
      .trust = joined ? member->cloud->trust : member->cloud->pin,
      .peer_purpose = purpose,
      .parameters = {.idle_timeout = 30 * NANOSECONDS_PER_SECOND},
      .handler = &session_handler,
      .context = session,
  };
  struct error error = {0};
  must(quic_connect(member->endpoint, &target, &session->connection, &error), &error);
  session->control = control_new(session->connection, &control_handler, session);
  assert_non_null(session->control);
  cloud_wait(member->cloud, &session->established);
}

void session_open(struct member *member, const char *alpn, enum pki_purpose purpose,
                  struct session *session) {
  session_try(member, alpn, purpose, session);
  if (session->closed) {
    fail_msg("the connection closed: %s", session->close.message);
  }
}

void session_close(struct session *session) {
  if (session->unconfirmed != NULL) {
    session_confirm(session);
  }
  if (!session->closed) {
    quic_connection_close(session->connection, 0, "the test is done");
    cloud_wait(session->cloud, &session->closed);
  }
  if (session->direction != NULL) {
    cyphonic__message__free_unpacked(session->direction, NULL);
    session->direction = NULL;
  }
}

struct answer {
  bool came;
  Cyphonic__Message *message;
  struct error error;
};

static void answered(struct control *control UNUSED, int code, const control_message *reply,
                     const struct error *error, void *context) {
  struct answer *answer = context;
  answer->came = true;
  if (reply != NULL) {
    answer->message = copy_of(reply);
  }
  if (code != 0) {
    answer->error = *error;
  }
}

Cyphonic__Message *ask(struct session *session, const Cyphonic__Message *message) {
  struct answer answer = {0};
  struct error error = {0};
  must(control_request(session->control, message, 9000, answered, &answer, &error), &error);
  cloud_wait(session->cloud, &answer.came);
  if (answer.message == NULL) {
    fail_msg("no answer: %s (%s)", answer.error.message, session->close.message);
  }
  return answer.message;
}

void ask_refused(struct session *session, const Cyphonic__Message *message,
                 Cyphonic__Error__Code code) {
  Cyphonic__Message *reply = ask(session, message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_ERROR);
  if (reply->error->code != code) {
    fail_msg("expected the error %d, got %d: %s", (int)code, (int)reply->error->code,
             reply->error->message);
  }
  assert_true(strlen(reply->error->message) > 0);
  cyphonic__message__free_unpacked(reply, NULL);
}

/* --- members --- */

void member_open(struct cloud *cloud, const char *name, struct member *member) {
  *member = (struct member){.cloud = cloud};
  struct error error = {0};
  snprintf(member->name, sizeof(member->name), "%s", name);
  must(pki_key_new(&member->key, &error), &error);
  member->endpoint = endpoint_new(cloud);
}

void member_serve(struct cloud *cloud, const char *name, enum pki_purpose purpose,
                  struct member *member) {
  *member = (struct member){.cloud = cloud};
  snprintf(member->name, sizeof(member->name), "%s", name);
  snprintf(member->fqdn, sizeof(member->fqdn), "%s.test.internal", name);
  member->credentials = service_credentials(cloud, purpose, name);
  member->endpoint = endpoint_new(cloud);
}

void member_close(struct member *member) {
  endpoint_close(member->cloud, member->endpoint);
  pki_credentials_free(member->credentials);
  pki_key_free(member->key);
}

static void invite(struct member *member, uint8_t secret[static INVITATION_SECRET_SIZE]) {
  snprintf((char *)secret, INVITATION_SECRET_SIZE, "%.12s", member->name);
  struct store_invitation invitation = {.uses_left = 1, .expires = clock_wall() + 600};
  invitation_secret_hash(secret, invitation.secret_hash);
  struct error error = {0};
  must(store_invitation_add(member->cloud->store, &invitation, &error), &error);
}

/* Writes what a node keeps, and loads it as a node does. */
static void keep(struct member *member, const Cyphonic__SignUpResponse *response) {
  char text[16384] = "", name[96], certificate_path[160], key_path[160];
  for (size_t i = 0; i < response->n_chain; i++) {
    const gnutls_datum_t der = {response->chain[i].data, (unsigned)response->chain[i].len};
    gnutls_datum_t pem;
    assert_int_equal(gnutls_pem_base64_encode2("CERTIFICATE", &der, &pem), 0);
    assert_true(strlen(text) + pem.size < sizeof(text));
    strncat(text, (const char *)pem.data, pem.size);
    gnutls_free(pem.data);
  }
  struct error error = {0};
  snprintf(name, sizeof(name), "%s.crt", member->name);
  path_of(member->cloud, name, certificate_path);
  snprintf(name, sizeof(name), "%s.key", member->name);
  path_of(member->cloud, name, key_path);
  must(file_create(certificate_path, text, strlen(text), 0644, &error), &error);
  must(pki_key_save(member->key, key_path, &error), &error);
  must(pki_credentials_load(certificate_path, key_path, &member->credentials, &error), &error);
}

void member_join(struct cloud *cloud, const char *name, struct member *member) {
  member_open(cloud, name, member);
  uint8_t secret[INVITATION_SECRET_SIZE] = {0}, *csr;
  invite(member, secret);
  size_t csr_size;
  struct error error = {0};
  must(pki_request_new(member->key, name, &csr, &csr_size, &error), &error);
  Cyphonic__SignUpRequest request = CYPHONIC__SIGN_UP_REQUEST__INIT;
  request.secret.data = secret;
  request.secret.len = sizeof(secret);
  request.csr.data = csr;
  request.csr.len = csr_size;
  request.name = member->name;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_SIGN_UP_REQUEST;
  message.sign_up_request = &request;
  struct session session;
  session_open(member, AS_ALPN_SIGN_UP, PKI_AS, &session);
  Cyphonic__Message *reply = ask(&session, &message);
  if (reply->body_case != CYPHONIC__MESSAGE__BODY_SIGN_UP_RESPONSE) {
    fail_msg("sign-up: %s", reply->body_case == CYPHONIC__MESSAGE__BODY_ERROR
                                ? reply->error->message
                                : "another answer");
  }
  const Cyphonic__SignUpResponse *response = reply->sign_up_response;
  snprintf(member->fqdn, sizeof(member->fqdn), "%s", response->fqdn);
  assert_int_equal(ip_address_from_bytes(&member->ipv4, response->ipv4.data, response->ipv4.len),
                   0);
  assert_int_equal(ip_address_from_bytes(&member->ipv6, response->ipv6.data, response->ipv6.len),
                   0);
  keep(member, response);
  cyphonic__message__free_unpacked(reply, NULL);
  session_close(&session);
  free(csr);
}

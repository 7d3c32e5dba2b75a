/* NMS's second port, which tells nodes how it sees them, and nothing else. */
#include "present.h"

#include <string.h>

#include "nms/message.h"

static const uint8_t secret[QUIC_SECRET_SIZE] = "of the observation port alone";

/* The cloud's NMS anew, with an observation port. */
struct scene {
  struct cloud *cloud;
  struct quic_endpoint *endpoint;
  uint16_t port;
};

static void scene_open(struct scene *scene, struct cloud *cloud) {
  *scene = (struct scene){.cloud = cloud};
  const struct quic_endpoint_config endpoint = {
      .loop = &cloud->loop, .log = &cloud->log, .ipv4 = ip("127.0.0.1"), .secret = secret};
  struct error error = {0};
  must(quic_endpoint_new(&endpoint, &scene->endpoint, &error), &error);
  scene->port = quic_endpoint_port(scene->endpoint, 4);
  nms_service_free(cloud->nms);
  const struct nms_config nms = {.endpoint = cloud->endpoint,
                                 .log = &cloud->log,
                                 .store = cloud->store,
                                 .credentials = cloud->nms_credentials,
                                 .trust = cloud->trust,
                                 .observation_endpoint = scene->endpoint};
  must(nms_service_new(&nms, &cloud->nms, &error), &error);
}

static void set_flag(void *context) {
  *(bool *)context = true;
}

static void scene_close(struct scene *scene) {
  bool gone = false;
  nms_service_free(scene->cloud->nms);
  scene->cloud->nms = NULL;
  quic_endpoint_close(scene->endpoint, set_flag, &gone);
  cloud_wait(scene->cloud, &gone);
}

/* As session_open, at the second port. */
static void look(struct scene *scene, struct member *member, struct session *session) {
  uint16_t main = scene->cloud->address.port;
  scene->cloud->address.port = scene->port;
  session_open(member, NMS_ALPN, PKI_NMS, session);
  scene->cloud->address.port = main;
}

/* A scene with alice, who is at the second port. */
static void visit(struct scene *scene, struct cloud *cloud, struct member *alice,
                  struct session *session) {
  scene_open(scene, cloud);
  member_join(scene->cloud, "alice", alice);
  look(scene, alice, session);
}

static void end_visit(struct scene *scene, struct member *alice, struct session *session) {
  session_close(session);
  member_close(alice);
  scene_close(scene);
}

static Cyphonic__Message observation_message(Cyphonic__ObservationRequest *request) {
  cyphonic__observation_request__init(request);
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message.observation_request = request;
  return message;
}

static struct store_endpoint recorded(struct cloud *cloud, const char *name) {
  struct store_device device;
  struct store_endpoint endpoint;
  struct error error = {0};
  must(store_device_by_name(cloud->store, name, &device, &error), &error);
  must(store_endpoint_get(cloud->store, device.id, 4, &endpoint, &error), &error);
  return endpoint;
}

static void nodes_are_told_of_the_port(void **state) {
  struct scene scene;
  scene_open(&scene, *state);
  struct present alice;
  arrive(scene.cloud, "alice", NULL, &alice);
  struct ip_address own = ip("192.168.1.2");
  Cyphonic__Message *reply = registered_as(&alice.session, &own);
  assert_int_equal(reply->registration_response->observation_port, scene.port);
  cyphonic__message__free_unpacked(reply, NULL);
  Cyphonic__ObservationRequest request;
  Cyphonic__Message message = observation_message(&request);
  reply = ask(&alice.session, &message);
  assert_int_equal(reply->observation_response->observation_port, scene.port);
  cyphonic__message__free_unpacked(reply, NULL);
  leave(&alice);
  scene_close(&scene);
}

static void without_the_port_nodes_are_told_of_none(void **state) {
  struct present alice;
  arrive(*state, "alice", NULL, &alice);
  struct ip_address own = ip("192.168.1.2");
  Cyphonic__Message *reply = registered_as(&alice.session, &own);
  assert_int_equal(reply->registration_response->observation_port, 0);
  cyphonic__message__free_unpacked(reply, NULL);
  leave(&alice);
}

/* The port that a NAT shows there is none where the node could be reached. */
static void what_is_seen_there_is_told_and_changes_nothing(void **state) {
  struct scene scene;
  scene_open(&scene, *state);
  struct present alice;
  arrive(scene.cloud, "alice", "192.168.1.2", &alice);
  /* Another socket with the same certificate: so the address seen is another one. */
  struct member beside;
  member_open(scene.cloud, "beside", &beside);
  struct pki_credentials *credentials = beside.credentials;
  beside.credentials = alice.member.credentials;
  struct session session;
  look(&scene, &beside, &session);
  Cyphonic__ObservationRequest request;
  Cyphonic__Message message = observation_message(&request);
  Cyphonic__Message *reply = ask(&session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE);
  uint16_t seen = quic_endpoint_port(beside.endpoint, 4);
  assert_int_equal(reply->observation_response->observed->port, seen);
  cyphonic__message__free_unpacked(reply, NULL);
  uint16_t registered = quic_endpoint_port(alice.member.endpoint, 4);
  assert_int_not_equal(seen, registered);
  assert_int_equal(recorded(scene.cloud, "alice").observed.port, registered);
  session_close(&session);
  /* Nor does the end of that connection. */
  struct present bob;
  arrive(scene.cloud, "bob", "127.0.0.1", &bob);
  assert_true(direct(&bob, &alice, CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED) > 0);
  await_directions(&bob, &alice);
  beside.credentials = credentials;
  member_close(&beside);
  leave(&bob);
  leave(&alice);
  scene_close(&scene);
}

static void whatever_else_is_asked_there_is_refused(void **state) {
  struct scene scene;
  struct member alice;
  struct session session;
  visit(&scene, *state, &alice, &session);
  Cyphonic__RegistrationRequest registration = CYPHONIC__REGISTRATION_REQUEST__INIT;
  Cyphonic__NameRequest name = CYPHONIC__NAME_REQUEST__INIT;
  Cyphonic__DirectionRequest direction;
  char fqdn[] = "alice.test.internal";
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST;
  message.registration_request = &registration;
  ask_refused(&session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  message.body_case = CYPHONIC__MESSAGE__BODY_NAME_REQUEST;
  message.name_request = &name;
  ask_refused(&session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  message = direction_message(&direction, fqdn);
  ask_refused(&session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  end_visit(&scene, &alice, &session);
}

static Cyphonic__Message silence_message(Cyphonic__MappingLifetimeRequest *request,
                                         uint32_t seconds) {
  cyphonic__mapping_lifetime_request__init(request);
  request->silence = seconds;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_REQUEST;
  message.mapping_lifetime_request = request;
  return message;
}

static void a_silence_is_answered_when_it_is_over(void **state) {
  struct scene scene;
  struct member alice;
  struct session session;
  visit(&scene, *state, &alice, &session);
  Cyphonic__MappingLifetimeRequest request;
  Cyphonic__Message message = silence_message(&request, 1);
  for (unsigned i = 0; i < 2; i++) { /* one behind the other */
    uint64_t asked = uv_now(&scene.cloud->loop);
    Cyphonic__Message *reply = ask(&session, &message);
    assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_RESPONSE);
    assert_true(uv_now(&scene.cloud->loop) - asked >= 1000);
    cyphonic__message__free_unpacked(reply, NULL);
  }
  end_visit(&scene, &alice, &session);
}

struct silences {
  bool refused, broken;
};

static void silence_ended(struct control *control UNUSED, int code,
                          const control_message *reply UNUSED, const struct error *error UNUSED,
                          void *context) {
  struct silences *silences = context;
  assert_true(code == ERROR_AGAIN || code == ERROR_CLOSED);
  *(code == ERROR_AGAIN ? &silences->refused : &silences->broken) = true;
}

static void a_silence_that_cannot_be_kept_is_refused(void **state) {
  struct scene scene;
  scene_open(&scene, *state);
  struct present alice;
  arrive(scene.cloud, "alice", "127.0.0.1", &alice);
  Cyphonic__MappingLifetimeRequest request;
  Cyphonic__Message message = silence_message(&request, 30);
  ask_refused(&alice.session, &message, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  struct session session;
  look(&scene, &alice.member, &session);
  static const uint32_t impossible[] = {0, 301, UINT32_MAX};
  for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
    message = silence_message(&request, impossible[i]);
    ask_refused(&session, &message, CYPHONIC__ERROR__CODE__MALFORMED);
  }
  /* Of two at once, one; and the connection ends before that is over. */
  struct silences silences = {0};
  struct error error = {0};
  message = silence_message(&request, 300);
  for (unsigned i = 0; i < 2; i++) {
    must(control_request(session.control, &message, 300000, silence_ended, &silences, &error),
         &error);
  }
  cloud_wait(scene.cloud, &silences.refused);
  assert_false(silences.broken);
  session_close(&session);
  assert_true(silences.broken);
  leave(&alice);
  scene_close(&scene);
}

static void a_revoked_device_is_refused_there_too(void **state) {
  struct scene scene;
  struct member alice;
  struct session session;
  visit(&scene, *state, &alice, &session);
  meddle(scene.cloud->place, "UPDATE devices SET revoked = 1 WHERE name = 'alice'");
  Cyphonic__ObservationRequest request;
  Cyphonic__Message message = observation_message(&request);
  ask_refused(&session, &message, CYPHONIC__ERROR__CODE__DEVICE_REVOKED);
  end_visit(&scene, &alice, &session);
}

static void the_end_of_the_service_closes_connections_there(void **state) {
  struct scene scene;
  struct member alice;
  struct session session;
  visit(&scene, *state, &alice, &session);
  scene_close(&scene);
  cloud_wait(scene.cloud, &session.closed);
  member_close(&alice);
}

/* What was served before the failure is withdrawn: the endpoints are free for another. */
static void a_service_that_cannot_have_the_port_leaves_nothing_behind(void **state) {
  struct cloud *cloud = *state;
  struct scene scene;
  scene_open(&scene, cloud);
  nms_service_free(cloud->nms);
  cloud->nms = NULL;
  struct nms_config config = {.endpoint = cloud->endpoint,
                              .log = &cloud->log,
                              .store = cloud->store,
                              .credentials = cloud->nms_credentials,
                              .trust = cloud->trust,
                              .observation_endpoint = cloud->endpoint};
  struct error error = {0};
  assert_int_equal(nms_service_new(&config, &cloud->nms, &error), ERROR_EXISTS);
  assert_null(cloud->nms);
  config.observation_endpoint = scene.endpoint;
  must(nms_service_new(&config, &cloud->nms, &error), &error);
  scene_close(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nodes_are_told_of_the_port),
      TEST(without_the_port_nodes_are_told_of_none),
      TEST(what_is_seen_there_is_told_and_changes_nothing),
      TEST(whatever_else_is_asked_there_is_refused),
      TEST(a_silence_is_answered_when_it_is_over),
      TEST(a_silence_that_cannot_be_kept_is_refused),
      TEST(a_revoked_device_is_refused_there_too),
      TEST(the_end_of_the_service_closes_connections_there),
      TEST(a_service_that_cannot_have_the_port_leaves_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

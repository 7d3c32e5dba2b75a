#include "present.h"

#include <stdio.h>
#include <string.h>

#include "nms/message.h"

Cyphonic__Message *registered_with(struct session *session, const struct ip_address *own,
                                   Cyphonic__RegistrationRequest *request) {
  struct address address = {.ip = *own, .port = quic_connection_local(session->connection).port};
  Cyphonic__Endpoint endpoint = nms_message_endpoint(&address), *endpoints[] = {&endpoint};
  request->n_addresses = 1;
  request->addresses = endpoints;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_REQUEST;
  message.registration_request = request;
  if (address.port == 0) {
    endpoint.port = 443; /* no packet has told the local address yet */
  }
  Cyphonic__Message *reply = ask(session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_REGISTRATION_RESPONSE);
  return reply;
}

Cyphonic__Message *registered_as(struct session *session, const struct ip_address *own) {
  Cyphonic__RegistrationRequest request = CYPHONIC__REGISTRATION_REQUEST__INIT;
  return registered_with(session, own, &request);
}

void register_as(struct session *session, const char *own) {
  struct ip_address address = ip(own);
  cyphonic__message__free_unpacked(registered_as(session, &address), NULL);
}

void arrive(struct cloud *cloud, const char *name, const char *own, struct present *present) {
  member_join(cloud, name, &present->member);
  session_open(&present->member, NMS_ALPN, PKI_NMS, &present->session);
  if (own != NULL) {
    register_as(&present->session, own);
  }
}

void leave(struct present *present) {
  session_close(&present->session);
  member_close(&present->member);
}

void trs_arrive(struct cloud *cloud, const char *name, struct present *trs) {
  member_serve(cloud, name, PKI_TRS, &trs->member);
  session_open(&trs->member, NMS_RELAY_ALPN, PKI_NMS, &trs->session);
  trs_register(trs, 0);
}

void trs_register(struct present *trs, uint32_t pairs) {
  Cyphonic__ServiceAddress address = CYPHONIC__SERVICE_ADDRESS__INIT, *addresses[] = {&address};
  address.host = (char[]){"127.0.0.1"};
  address.port = quic_endpoint_port(trs->member.endpoint, 4);
  Cyphonic__RelayRegistrationRequest request = CYPHONIC__RELAY_REGISTRATION_REQUEST__INIT;
  request.n_addresses = 1;
  request.addresses = addresses;
  request.pairs = pairs;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_RELAY_REGISTRATION_REQUEST;
  message.relay_registration_request = &request;
  Cyphonic__Message *reply = ask(&trs->session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_RELAY_REGISTRATION_RESPONSE);
  cyphonic__message__free_unpacked(reply, NULL);
}

Cyphonic__Message direction_message(Cyphonic__DirectionRequest *request, char *fqdn) {
  cyphonic__direction_request__init(request);
  request->target_case = CYPHONIC__DIRECTION_REQUEST__TARGET_FQDN;
  request->fqdn = fqdn;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_DIRECTION_REQUEST;
  message.direction_request = request;
  return message;
}

uint64_t direct_without(struct present *from, struct present *to, const char *const failed[],
                        Cyphonic__DirectionResponse__Status status, const char *words) {
  Cyphonic__DirectionRequest request;
  Cyphonic__Message message = direction_message(&request, to->member.fqdn);
  char names[4][PKI_NAME_SIZE], *pointers[4];
  for (; failed[request.n_failed_relays] != NULL; request.n_failed_relays++) {
    size_t i = request.n_failed_relays;
    assert_true(i < 4);
    snprintf(names[i], sizeof(names[i]), "%s", failed[i]);
    pointers[i] = names[i];
  }
  request.failed_relays = pointers;
  from->session.directed = to->session.directed = false;
  Cyphonic__Message *reply = ask(&from->session, &message);
  assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_DIRECTION_RESPONSE);
  const Cyphonic__DirectionResponse *response = reply->direction_response;
  if (response->status != status || strstr(response->message, words) == NULL) {
    fail_msg("expected status %d (%s), got %d: %s", (int)status, words, (int)response->status,
             response->message);
  }
  assert_string_equal(response->fqdn, to->member.fqdn);
  assert_memory_equal(response->ipv4.data, to->member.ipv4.bytes, 4);
  assert_memory_equal(response->ipv6.data, to->member.ipv6.bytes, 16);
  uint64_t id = response->direction_id;
  cyphonic__message__free_unpacked(reply, NULL);
  return id;
}

uint64_t direct(struct present *from, struct present *to,
                Cyphonic__DirectionResponse__Status status) {
  return direct_without(from, to, (const char *const[]){NULL}, status, "");
}

void await_directions(struct present *one, struct present *two) {
  cloud_wait(one->member.cloud, &one->session.directed);
  cloud_wait(one->member.cloud, &two->session.directed);
}

void expect_direction(const struct present *receiver, const struct present *peer, uint64_t id,
                      uint32_t pattern, bool client, bool initiator) {
  const Cyphonic__RouteDirection *route = receiver->session.direction->route_direction;
  assert_int_equal(route->direction_id, id);
  assert_int_equal(route->pattern, pattern);
  assert_int_equal(route->role, client ? CYPHONIC__ROUTE_DIRECTION__ROLE__CLIENT
                                       : CYPHONIC__ROUTE_DIRECTION__ROLE__SERVER);
  assert_int_equal(route->initiator, initiator);
  assert_string_equal(route->fqdn, peer->member.fqdn);
  uint8_t key[PKI_HASH_SIZE];
  struct error error = {0};
  must(pki_key_hash(peer->member.key, key, &error), &error);
  assert_int_equal(route->public_key.len, sizeof(key));
  assert_memory_equal(route->public_key.data, key, sizeof(key));
  assert_memory_equal(route->ipv4.data, peer->member.ipv4.bytes, 4);
  assert_memory_equal(route->ipv6.data, peer->member.ipv6.bytes, 16);
}

const Cyphonic__RelayOffer *offer_to(const struct present *receiver) {
  return receiver->session.direction->route_direction->relay;
}

void expect_offer(const struct present *one, const struct present *two, const struct present *trs) {
  const Cyphonic__RelayOffer *offers[] = {offer_to(one), offer_to(two)};
  for (size_t i = 0; i < 2; i++) {
    assert_non_null(offers[i]);
    assert_string_equal(offers[i]->name, trs->member.fqdn);
    assert_int_equal(offers[i]->n_addresses, 1);
    assert_string_equal(offers[i]->addresses[0]->host, "127.0.0.1");
    assert_int_equal(offers[i]->addresses[0]->port, quic_endpoint_port(trs->member.endpoint, 4));
    assert_true(offers[i]->grant.len > 0);
  }
  assert_int_equal(offers[0]->grant.len, offers[1]->grant.len);
  assert_memory_equal(offers[0]->grant.data, offers[1]->grant.data, offers[0]->grant.len);
}

#include "nms/message.h"
#include "nms/relay_message.h"
#include "nms/service.h"

/* Kept for the operator and for the next start; that it fails takes nothing from the node. */
static void record(struct nms_service *nms, const struct directory_entry *entry, int family) {
  const struct view_side *side = view_side(&entry->view, family);
  struct store_endpoint endpoint = {
      .observed = side->observed, .behind_nat = side->behind_nat, .seen = nms_wall(nms)};
  struct error error = {0};
  if (store_endpoint_put(nms->config.store, entry->device_id, &endpoint, &error) != 0) {
    log_warning(nms->config.log, "endpoint-not-recorded", "cause=\"%s\"", error.message);
  }
}

/* For the node to be told if this process ends without a word. */
static void note_connection(struct nms_request *request, int64_t device_id) {
  struct nms_connection *client = request->client;
  struct store_connection connection = {.remote = quic_connection_heard_from(client->connection)};
  _Static_assert(sizeof(connection.id) >= QUIC_CONNECTION_ID_MAX, "any Connection ID fits");
  connection.id_size = quic_connection_called_by(client->connection, connection.id);
  if (connection.id_size > 0 && request->nms->waking != NULL) {
    waking_note(request->nms->waking, device_id, &connection);
    client->device_id = device_id;
  }
}

void nms_forget_connection(struct nms_connection *client) {
  struct nms_service *nms = client->nms;
  const struct directory_entry *entry =
      directory_by_fqdn(nms->directory, quic_connection_peer(client->connection)->name);
  /* One that was replaced has lost its place to its successor. */
  if (client->device_id != 0 && nms->waking != NULL && entry != NULL &&
      entry->control == client->control) {
    waking_forget(nms->waking, client->device_id);
  }
}

static void refuse_memory(struct nms_request *request) {
  struct error error = {0};
  error_set(&error, ERROR_NO_MEMORY, "out of memory for the directory of nodes");
  nms_refuse_fault(request->nms, request->exchange, &error);
}

static void reply_registration(struct nms_request *request, const struct view_side *side,
                               uint32_t route_id) {
  const struct store_network *network = &request->nms->network;
  Cyphonic__Prefix ipv4_prefix = nms_message_prefix(&network->ipv4);
  Cyphonic__Prefix ipv6_prefix = nms_message_prefix(&network->ipv6);
  Cyphonic__Endpoint observed = nms_message_endpoint(&side->observed);
  Cyphonic__RegistrationResponse response = CYPHONIC__REGISTRATION_RESPONSE__INIT;
  response.fqdn = request->device.fqdn;
  response.domain = request->nms->network.domain;
  response.ipv4 = nms_message_ip(&request->device.ipv4);
  response.ipv6 = nms_message_ip(&request->device.ipv6);
  response.ipv4_prefix = &ipv4_prefix;
  response.ipv6_prefix = &ipv6_prefix;
  response.observed = &observed;
  response.behind_nat = side->behind_nat;
  response.route_id = route_id;
  response.observation_port = nms_observation_port(request->nms);
  struct relay_message relays[RELAYS_LISTED_MAX];
  Cyphonic__RelayAddress listed[RELAYS_LISTED_MAX], *pointers[RELAYS_LISTED_MAX];
  const struct relay *relay = relay_registry_first(request->nms->relays);
  for (size_t i = 0; i < RELAYS_LISTED_MAX && relay != NULL; i++, relay = relay->next) {
    relay_message_init(&relays[i], relay);
    listed[i] = (Cyphonic__RelayAddress)CYPHONIC__RELAY_ADDRESS__INIT;
    listed[i].name = relays[i].name;
    listed[i].n_addresses = relays[i].address_count;
    listed[i].addresses = relays[i].addresses;
    pointers[response.n_relays++] = &listed[i];
  }
  response.relays = pointers;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_REGISTRATION_RESPONSE;
  message.registration_response = &response;
  control_reply(request->exchange, &message);
}

void nms_answer_registration(struct nms_request *request,
                             const Cyphonic__RegistrationRequest *message) {
  struct nms_service *nms = request->nms;
  struct address addresses[VIEW_ADDRESSES_MAX];
  size_t count = 0;
  for (size_t i = 0; i < message->n_addresses && count < VIEW_ADDRESSES_MAX; i++) {
    if (nms_endpoint_read(message->addresses[i], &addresses[count]) != 0) {
      control_refuse(request->exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                     "address %zu of the registration is none that a node can have", i + 1);
      return;
    }
    count++;
  }
  /* It may be a TRS's word, which must not keep a node from registering. */
  struct address elsewhere;
  bool has_elsewhere = message->observed_elsewhere != NULL &&
                       nms_endpoint_read(message->observed_elsewhere, &elsewhere) == 0;
  struct address observed = quic_connection_remote(request->client->connection);
  const struct directory_registration registration = {
      .control = request->client->control,
      .addresses = addresses,
      .address_count = count,
      .observed = observed,
      .elsewhere = has_elsewhere ? &elsewhere : NULL,
      .route_id = message->route_id,
      .relays = message->relays,
      .relay_count = message->n_relays,
  };
  struct control *replaced;
  const struct directory_entry *entry = directory_register(
      nms->directory, &request->device, &registration, nms_seconds(request->client), &replaced);
  if (entry == NULL) {
    refuse_memory(request);
    return;
  }
  if (replaced != NULL) {
    quic_connection_close(control_connection(replaced), NMS_CLOSE_REPLACED,
                          "the node has registered over a newer connection");
  }
  const struct view_side *side = view_side(&entry->view, observed.ip.family);
  record(nms, entry, observed.ip.family);
  note_connection(request, entry->device_id);
  log_info(nms->config.log, "registration", "device=%s addresses=%zu nat=%s replaced=%s",
           request->device.name, count, side->behind_nat ? "yes" : "no",
           replaced != NULL ? "yes" : "no");
  reply_registration(request, side, entry->route_id);
}

uint16_t nms_observation_port(const struct nms_service *nms) {
  const struct quic_endpoint *endpoint = nms->config.observation_endpoint;
  if (endpoint == NULL) {
    return 0;
  }
  uint16_t port = quic_endpoint_port(endpoint, 4);
  return port != 0 ? port : quic_endpoint_port(endpoint, 6);
}

/* Keeps what is seen as the node's address; false without memory. */
static bool observe(struct nms_request *request, const struct address *observed) {
  struct nms_service *nms = request->nms;
  const struct directory_entry *entry =
      directory_observe(nms->directory, &request->device, observed, nms_seconds(request->client));
  if (entry == NULL) {
    return false;
  }
  if (entry->control != NULL) { /* before that it is not known whether a NAT is in between */
    record(nms, entry, observed->ip.family);
  }
  return true;
}

void nms_answer_observation(struct nms_request *request) {
  struct address observed = quic_connection_remote(request->client->connection);
  /* At the observation port the NAT may show a port of its own for us, where no peer gets in. */
  if (!request->client->observes_only && !observe(request, &observed)) {
    refuse_memory(request);
    return;
  }
  struct address heard_from = quic_connection_heard_from(request->client->connection);
  Cyphonic__Endpoint endpoint = nms_message_endpoint(&heard_from);
  Cyphonic__ObservationResponse response = CYPHONIC__OBSERVATION_RESPONSE__INIT;
  response.observed = &endpoint;
  response.observation_port = nms_observation_port(request->nms);
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE;
  message.observation_response = &response;
  control_reply(request->exchange, &message);
}

void nms_remote_changed(struct nms_connection *client) {
  struct nms_service *nms = client->nms;
  const struct pki_identity *identity = quic_connection_peer(client->connection);
  struct directory_entry *entry = directory_by_fqdn(nms->directory, identity->name);
  if (entry == NULL || entry->control != client->control) {
    return;
  }
  struct address observed;
  struct ip_address local;
  if (quic_connection_validated_path(client->connection, &observed, &local) &&
      directory_move(nms->directory, entry, &observed)) {
    record(nms, entry, observed.ip.family);
    log_debug(nms->config.log, "node-moved", "device=%s", entry->fqdn);
  }
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "quic/connection_internal.h"

struct world world;

static void side_closed(struct quic_connection *connection UNUSED, const struct quic_close *close,
                        void *context) {
  struct side *side = context;
  assert_false(side->closed);
  side->closed = true;
  side->close = *close;
  side->connection = NULL;
}

static void side_established(struct quic_connection *connection, void *context) {
  struct side *side = context;
  side->connection = connection;
  side->established = true;
}

static void side_remote_changed(struct quic_connection *connection UNUSED, void *context) {
  ((struct side *)context)->remote_changes++;
}

static void side_migrated(struct quic_connection *connection, bool success, void *context) {
  struct side *side = context;
  side->moves++;
  side->last_move = success;
  if (ip_address_is_set(&side->next_move.ip)) {
    struct address next = side->next_move;
    side->next_move = (struct address){0};
    assert_int_equal(quic_connection_migrate(connection, &next, false), 0);
  }
}

static void side_spoke_elsewhere(struct quic_connection *connection, const struct address *remote,
                                 void *context) {
  struct side *side = context;
  side->spoke_elsewhere++;
  if (side->follows) {
    side->follows = false;
    assert_int_equal(quic_connection_migrate(connection, remote, false), 0);
  }
}

const struct quic_handler handler = {.established = side_established,
                                     .closed = side_closed,
                                     .remote_changed = side_remote_changed,
                                     .migrated = side_migrated,
                                     .spoke_elsewhere = side_spoke_elsewhere};

static void side_datagram(struct quic_connection *connection UNUSED, struct span data,
                          void *context) {
  struct side *side = context;
  side->datagrams++;
  assert_true(data.size <= sizeof(side->last_datagram));
  memcpy(side->last_datagram, data.data, data.size);
  side->last_datagram_size = data.size;
}

static void side_writable(struct quic_connection *connection, void *context) {
  static const uint8_t bytes[1500] = {0x45};
  struct side *side = context;
  side->writable = true;
  struct span body = {bytes, 0}, none = {NULL, 0};
  do {
    body.size = quic_connection_datagram_room(connection);
  } while (side->pours && quic_connection_send_datagram(connection, none, body) == 0);
}

static const struct quic_datagram_handler datagram_handler = {.received = side_datagram,
                                                              .writable = side_writable};

static void side_opened(struct quic_connection *connection UNUSED,
                        struct quic_stream *stream UNUSED, void *context UNUSED) {
}

/* The server's side gives back what it gets; the client's side adds up. */
static void side_received(struct quic_stream *stream, struct span data, bool fin, void *context) {
  struct side *side = context;
  if (side->stream_bytes == 0) {
    side->datagrams_before_stream = side->datagrams;
  }
  side->stream_bytes += data.size;
  for (size_t i = 0; i < data.size; i++) {
    side->stream_sum = side->stream_sum * 31 + data.data[i];
  }
  side->stream_fin = side->stream_fin || fin;
  if (!quic_connection_is_client(quic_stream_connection(stream))) {
    assert_int_equal(quic_stream_send(stream, data, fin), 0);
  }
}

static void side_stream_closed(struct quic_stream *stream UNUSED, bool reset, void *context) {
  struct side *side = context;
  side->streams_closed++;
  side->stream_reset = side->stream_reset || reset;
}

static void side_has_room(struct quic_connection *connection UNUSED, void *context) {
  ((struct side *)context)->stream_room++;
}

static const struct quic_stream_handler stream_handler = {.opened = side_opened,
                                                          .received = side_received,
                                                          .closed = side_stream_closed,
                                                          .room = side_has_room};

void accepted(struct quic_connection *connection, void *context) {
  struct side *side = context;
  *side = (struct side){.connection = connection, .established = true};
  struct address remote;
  struct ip_address local;
  side->proven_at_first = quic_connection_validated_path(connection, &remote, &local);
  quic_connection_set_handler(connection, &handler, side);
  quic_connection_set_datagram_handler(connection, &datagram_handler, side);
  quic_connection_set_stream_handler(connection, &stream_handler, side);
}

struct quic_parameters parameters(void) {
  return (struct quic_parameters){.idle_timeout = 30 * SECOND, .datagrams = true};
}

struct quic_service tunnel_service(struct side *server) {
  return (struct quic_service){
      .alpn = "cyphonic-tun/1",
      .credentials = world.bob.credentials,
      .trust = world.trust,
      .peer_purpose = PKI_NODE,
      .parameters = parameters(),
      .accepted = accepted,
      .context = server,
  };
}

struct quic_target tunnel_target(struct side *client, uint16_t port) {
  return (struct quic_target){
      .alpn = "cyphonic-tun/1",
      .remote = loopback(port),
      .credentials = world.alice.credentials,
      .trust = world.trust,
      .peer_purpose = PKI_NODE,
      .peer_name = "bob.test.internal",
      .parameters = parameters(),
      .handler = &handler,
      .context = client,
  };
}

void serve(struct quic_endpoint *endpoint, const struct quic_service *service) {
  struct error error = {0};
  if (quic_endpoint_serve(endpoint, service, &error) != 0) {
    fail_msg("%s", error.message);
  }
}

void connect_to(struct quic_endpoint *endpoint, const struct quic_target *target,
                struct side *side) {
  struct error error = {0};
  *side = (struct side){0};
  if (quic_connect(endpoint, target, &side->connection, &error) != 0) {
    fail_msg("%s", error.message);
  }
  quic_connection_set_datagram_handler(side->connection, &datagram_handler, side);
  quic_connection_set_stream_handler(side->connection, &stream_handler, side);
}

bool both_established(void *context) {
  struct pair *pair = context;
  return pair->client.established && pair->server.established;
}

bool client_closed(void *context) {
  return ((struct pair *)context)->client.closed;
}

bool both_closed(void *context) {
  struct pair *pair = context;
  return pair->client.closed && pair->server.closed;
}

void pair_open(struct pair *pair) {
  *pair = (struct pair){0};
  pair->server_endpoint = world_endpoint(&world, 0, 0);
  pair->client_endpoint = world_endpoint(&world, 0, 0);
  struct quic_service service = tunnel_service(&pair->server);
  serve(pair->server_endpoint, &service);
}

uint16_t server_port(const struct pair *pair) {
  return quic_endpoint_port(pair->server_endpoint, 4);
}

void pair_connect(struct pair *pair, uint16_t port) {
  struct quic_target target = tunnel_target(&pair->client, port);
  connect_to(pair->client_endpoint, &target, &pair->client);
  world_run_until(&world, both_established, pair);
}

void pair_close(struct pair *pair) {
  world_endpoint_close(&world, pair->client_endpoint);
  world_endpoint_close(&world, pair->server_endpoint);
}

bool server_got_datagram(void *context) {
  return ((struct pair *)context)->server.datagrams > 0;
}

bool client_got_datagram(void *context) {
  return ((struct pair *)context)->client.datagrams > 0;
}

bool client_is_confirmed(void *context) {
  return ((struct pair *)context)->client.connection->confirmed;
}

bool client_has_moved(void *context) {
  return ((struct pair *)context)->client.moves > 0;
}

bool side_is_writable(void *context) {
  return ((struct side *)context)->writable;
}

void side_say(struct side *side) {
  const struct span nothing = {NULL, 0}, packet = {(const uint8_t *)"Echo", 4};
  while (quic_connection_send_datagram(side->connection, nothing, packet) == ERROR_AGAIN) {
    side->writable = false;
    world_run_until(&world, side_is_writable, side);
  }
}

void exchange(struct pair *pair) {
  pair->client.datagrams = pair->server.datagrams = 0;
  side_say(&pair->client);
  world_run_until(&world, server_got_datagram, pair);
  side_say(&pair->server);
  world_run_until(&world, client_got_datagram, pair);
}

struct quic_endpoint_counters endpoint_counters(const struct quic_endpoint *endpoint) {
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(endpoint, &counters);
  return counters;
}

int pair_setup(void **state UNUSED) {
  world_init(&world);
  return 0;
}

int pair_teardown(void **state UNUSED) {
  world_clear(&world);
  return 0;
}

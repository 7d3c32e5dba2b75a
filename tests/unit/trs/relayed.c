#include "relayed.h"

#include "base/clock.h"

#define TUNNEL_ALPN "cyphonic-tun/1"

static void end_established(struct quic_connection *connection UNUSED, void *context) {
  ((struct end *)context)->established = true;
}

static void end_closed(struct quic_connection *connection UNUSED, const struct quic_close *close,
                       void *context) {
  struct end *end = context;
  end->close = *close;
  end->connection = NULL;
  end->closed = true;
}

static void end_received(struct quic_connection *connection UNUSED, struct span data UNUSED,
                         void *context) {
  ((struct end *)context)->received++;
}

static const struct quic_handler end_handler = {.established = end_established,
                                                .closed = end_closed};
static const struct quic_datagram_handler datagram_handler = {.received = end_received};
static const struct quic_parameters parameters = {.idle_timeout = 30 * NANOSECONDS_PER_SECOND,
                                                  .datagrams = true};

static void tunnel_accepted(struct quic_connection *connection, void *context) {
  struct end *end = context;
  end->connection = connection;
  end->established = true;
  quic_connection_set_handler(connection, &end_handler, end);
  quic_connection_set_datagram_handler(connection, &datagram_handler, end);
}

void open_tunnel(struct cloud *cloud, const struct trs_config *config, struct tunnel *tunnel) {
  *tunnel = (struct tunnel){.cloud = cloud};
  station_open(cloud, config, &tunnel->station);
  user_open(cloud, "alice", ALICE, &tunnel->alice);
  user_open(cloud, "bob", BOB, &tunnel->bob);
  const struct quic_service service = {
      .alpn = TUNNEL_ALPN,
      .credentials = tunnel->bob.member.credentials,
      .trust = cloud->trust,
      .peer_purpose = PKI_NODE,
      .parameters = parameters,
      .accepted = tunnel_accepted,
      .context = &tunnel->server,
  };
  struct error error = {0};
  must(quic_endpoint_serve(tunnel->bob.member.endpoint, &service, &error), &error);
}

void dial(struct tunnel *tunnel) {
  const struct quic_target target = {
      .alpn = TUNNEL_ALPN,
      .remote = tunnel->cloud->address,
      .credentials = tunnel->alice.member.credentials,
      .trust = tunnel->cloud->trust,
      .peer_purpose = PKI_NODE,
      .peer_name = tunnel->bob.member.fqdn,
      .peer_route_id = BOB,
      .parameters = parameters,
      .handler = &end_handler,
      .context = &tunnel->client,
  };
  struct error error = {0};
  must(quic_connect(tunnel->alice.member.endpoint, &target, &tunnel->client.connection, &error),
       &error);
  quic_connection_set_datagram_handler(tunnel->client.connection, &datagram_handler,
                                       &tunnel->client);
}

void dial_and_meet(struct tunnel *tunnel) {
  dial(tunnel);
  cloud_wait(tunnel->cloud, &tunnel->client.established);
  cloud_wait(tunnel->cloud, &tunnel->server.established);
}

static void hang_up(struct end *end, struct cloud *cloud) {
  if (end->connection != NULL) {
    quic_connection_close(end->connection, 0, "the test is done");
    cloud_wait(cloud, &end->closed);
  }
}

void close_tunnel(struct tunnel *tunnel) {
  hang_up(&tunnel->client, tunnel->cloud);
  hang_up(&tunnel->server, tunnel->cloud);
  user_close(&tunnel->alice);
  user_close(&tunnel->bob);
  station_close(&tunnel->station);
}

int say(struct end *end) {
  static const uint8_t words[1000] = "E";
  return quic_connection_send_datagram(end->connection, (struct span){NULL, 0},
                                       (struct span){words, sizeof(words)});
}

static bool both_have_heard(void *context) {
  struct tunnel *tunnel = context;
  return tunnel->client.received > 0 && tunnel->server.received > 0;
}

void talk(struct tunnel *tunnel) {
  tunnel->client.received = tunnel->server.received = 0;
  assert_int_equal(say(&tunnel->client), 0);
  assert_int_equal(say(&tunnel->server), 0);
  wait_for(tunnel->cloud, both_have_heard, tunnel);
}

/* Packets of strangers and of a peer's address, as they come from the network, into an endpoint
 * that serves. Answers go to the discard port of the loopback interface. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "quic/endpoint_internal.h"

static uv_loop_t loop;
static struct log quiet = {.stream = NULL};
static struct quic_endpoint *endpoint;

static void accepted(struct quic_connection *connection, void *context UNUSED) {
  quic_connection_close(connection, 0, "nobody is here");
}

static void endpoint_start(void) {
  static const uint8_t secret[QUIC_SECRET_SIZE] = "of a fuzzer";
  const struct quic_endpoint_config config = {
      .loop = &loop,
      .log = &quiet,
      .ipv4 = {.family = 4, .bytes = {127, 0, 0, 1}},
      .secret = secret,
      .retry_threshold = 8,
  };
  const struct quic_service service = {
      .alpn = "cyphonic-tun/1",
      .peer_purpose = PKI_NODE,
      .parameters = {.idle_timeout = NANOSECONDS_PER_SECOND, .datagrams = true},
      .accepted = accepted,
  };
  struct error error;
  if (uv_loop_init(&loop) != 0 || quic_endpoint_new(&config, &endpoint, &error) != 0 ||
      quic_endpoint_serve(endpoint, &service, &error) != 0) {
    abort();
  }
}

static void endpoint_stop(void) {
  quic_endpoint_close(endpoint, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&loop) != 0) {
    abort();
  }
  endpoint = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (endpoint == NULL) {
    endpoint_start();
  }
  const struct udp_packet packet = {
      .remote = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = 9},
      .local = {.family = 4, .bytes = {127, 0, 0, 1}},
      .data = data,
      .size = size < UDP_PACKET_SIZE ? size : UDP_PACKET_SIZE,
  };
  if (packet.size > 0) {
    endpoint_dispatch(endpoint, &packet, clock_now(), false);
  }
  uv_run(&loop, UV_RUN_NOWAIT);
  if (endpoint->counters.half_open >= 16) {
    endpoint_stop();
  }
  return 0;
}

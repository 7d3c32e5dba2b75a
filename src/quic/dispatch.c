/* Where a packet from the network goes: to its connection, to a new one, or nowhere. Whoever is
 * unknown costs us little and never gets more bytes than he sent (RFC 9000 sections 5.2, 6,
 * 8, 10.3). */
#include <ngtcp2/ngtcp2_crypto.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/span.h"
#include "quic/connection_internal.h"
#include "quic/lane.h"

enum {
  /* A stateless reset looks like a short header packet: at least 21 bytes, here some more, and
   * always shorter than what caused it, so that two endpoints cannot keep resetting each other. */
  STATELESS_RESET_MIN = 21,
  STATELESS_RESET_MAX = 43,
  INITIAL_MIN = 1200, /* RFC 9000 section 14.1 */
};

static void send_stateless(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                           size_t size) {
  transmit_commit(&endpoint->transmit, &packet->remote, &packet->local, 0, size);
}

static void send_version_negotiation(struct quic_endpoint *endpoint,
                                     const struct udp_packet *packet,
                                     const ngtcp2_version_cid *ids) {
  uint8_t *slot = transmit_slot(&endpoint->transmit);
  if (slot == NULL || packet->size < INITIAL_MIN) {
    endpoint->counters.dropped++;
    return;
  }
  uint8_t unused;
  random_bytes(&unused, 1);
  /* A reserved version beside the real one keeps clients used to unknown ones (section 15). */
  const uint32_t versions[] = {0x1a2a3a4a, NGTCP2_PROTO_VER_V1};
  ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(
      slot, UDP_PAYLOAD_MAX, unused, ids->scid, ids->scidlen, ids->dcid, ids->dcidlen, versions, 2);
  if (size > 0) {
    send_stateless(endpoint, packet, (size_t)size);
    endpoint->counters.version_negotiations++;
  }
}

static void send_retry(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                       const ngtcp2_pkt_hd *header, uint64_t now) {
  uint8_t *slot = transmit_slot(&endpoint->transmit);
  if (slot == NULL) {
    endpoint->counters.dropped++;
    return;
  }
  struct sockaddr_storage remote;
  socklen_t remote_size = address_to_sockaddr(&packet->remote, &remote);
  ngtcp2_cid id = {.datalen = CONNECTION_ID_SIZE};
  endpoint_new_id(endpoint, id.data, id.datalen);
  uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
  ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token2(
      token, endpoint->secret, sizeof(endpoint->secret), header->version,
      (const ngtcp2_sockaddr *)&remote, remote_size, &id, &header->dcid, now);
  if (token_size < 0) {
    return;
  }
  ngtcp2_ssize size =
      ngtcp2_crypto_write_retry(slot, UDP_PAYLOAD_MAX, header->version, &header->scid, &id,
                                &header->dcid, token, (size_t)token_size);
  if (size > 0) {
    send_stateless(endpoint, packet, (size_t)size);
    endpoint->counters.retries++;
  }
}

/* A client whose token is wrong or old is told so, instead of being left to wait (section 8.1.2).
 */
static void send_invalid_token(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                               const ngtcp2_pkt_hd *header) {
  uint8_t *slot = transmit_slot(&endpoint->transmit);
  if (slot == NULL) {
    return;
  }
  ngtcp2_ssize size =
      ngtcp2_crypto_write_connection_close(slot, UDP_PAYLOAD_MAX, header->version, &header->scid,
                                           &header->dcid, NGTCP2_INVALID_TOKEN, NULL, 0);
  if (size > 0) {
    send_stateless(endpoint, packet, (size_t)size);
  }
}

/* One of `total` bytes. */
static void write_reset(struct quic_endpoint *endpoint, const struct address *remote,
                        const struct ip_address *local, const uint8_t *id, size_t id_size,
                        size_t total) {
  uint8_t *slot = transmit_slot(&endpoint->transmit);
  if (slot == NULL) {
    return;
  }
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, id, id_size);
  uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
  if (ngtcp2_crypto_generate_stateless_reset_token(token, endpoint->secret,
                                                   sizeof(endpoint->secret), &cid) != 0) {
    return;
  }
  uint8_t noise[STATELESS_RESET_MAX];
  size_t noise_size = total - sizeof(token);
  random_bytes(noise, noise_size);
  ngtcp2_ssize size =
      ngtcp2_pkt_write_stateless_reset(slot, UDP_PAYLOAD_MAX, token, noise, noise_size);
  if (size > 0) {
    transmit_commit(&endpoint->transmit, remote, local, 0, (size_t)size);
    endpoint->counters.stateless_resets++;
  }
}

/* A short header's packet of nobody's, from somebody who speaks as we do. */
static bool may_be_reset(const struct udp_packet *packet) {
  return packet->size >= STATELESS_RESET_MIN && packet->size <= STATELESS_RESET_MAX;
}

static void send_stateless_reset(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                                 const ngtcp2_version_cid *ids, uint64_t now) {
  if (packet->size <= STATELESS_RESET_MIN ||
      !reset_limit_allows(&endpoint->resets, ids->dcid, ids->dcidlen, now)) {
    return;
  }
  size_t total = packet->size - 1 < STATELESS_RESET_MAX ? packet->size - 1 : STATELESS_RESET_MAX;
  if (endpoint->lanes > 1 && may_be_reset(packet)) {
    /* It may be one for a connection of another lane; its sender answers none as short as this, so
     * that the two of us do not go on. */
    total = STATELESS_RESET_MIN;
  }
  write_reset(endpoint, &packet->remote, &packet->local, ids->dcid, ids->dcidlen, total);
}

void quic_endpoint_reset(struct quic_endpoint *endpoint, const struct address *remote,
                         const uint8_t *id, size_t size) {
  const struct ip_address any = {0};
  if (size <= NGTCP2_MAX_CIDLEN) {
    write_reset(endpoint, remote, &any, id, size, STATELESS_RESET_MAX);
  }
}

/* A client's first packet. */
static void dispatch_initial(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                             uint64_t now) {
  ngtcp2_pkt_hd header;
  if (endpoint->service_count == 0 || endpoint->closing || packet->size < INITIAL_MIN ||
      endpoint_in_overlay(endpoint, &packet->remote.ip) ||
      ngtcp2_accept(&header, packet->data, packet->size) != 0 ||
      endpoint->counters.half_open >= endpoint->half_open_max ||
      endpoint->counters.connections >= endpoint->connections_max) {
    endpoint->counters.dropped++;
    return;
  }
  ngtcp2_cid odcid;
  const ngtcp2_cid *token_odcid = NULL;
  if (header.tokenlen > 0 && header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    struct sockaddr_storage remote;
    socklen_t remote_size = address_to_sockaddr(&packet->remote, &remote);
    if (ngtcp2_crypto_verify_retry_token2(&odcid, header.token, header.tokenlen, endpoint->secret,
                                          sizeof(endpoint->secret), header.version,
                                          (const ngtcp2_sockaddr *)&remote, remote_size,
                                          &header.dcid, RETRY_TOKEN_LIFETIME, now) != 0) {
      endpoint->counters.dropped++;
      send_invalid_token(endpoint, packet, &header);
      return;
    }
    token_odcid = &odcid;
  } else if (endpoint->counters.half_open >= endpoint->retry_threshold) {
    send_retry(endpoint, packet, &header, now);
    return;
  }
  struct quic_connection *connection =
      connection_accept(endpoint, &header, token_odcid, packet, now);
  if (connection == NULL) {
    endpoint->counters.dropped++;
    return;
  }
  connection_receive(connection, packet, now);
}

/* The first bytes of the Destination Connection ID of any QUIC packet (RFC 8999 section 5). */
static bool read_route_id(const struct udp_packet *packet, uint32_t *route_id) {
  struct reader reader = reader_init(packet->data, packet->size);
  bool is_long = (reader_u8(&reader) & 0x80) != 0;
  if (is_long) {
    (void)reader_u32(&reader);
    if (reader_u8(&reader) < ROUTE_ID_SIZE) {
      return false;
    }
  }
  *route_id = reader_u32(&reader);
  return !reader.failed;
}

/* A TRS's work; it comes before everything else, since under load nearly every packet is such. */
static bool forward(struct quic_endpoint *endpoint, const struct udp_packet *packet) {
  uint32_t route_id;
  struct address remote;
  struct ip_address local;
  if (!read_route_id(packet, &route_id) ||
      !endpoint->forwarder.forward(&packet->remote, route_id, packet->size, &remote, &local,
                                   endpoint->forwarder.context)) {
    return false;
  }
  if (remote.port == 0 || !transmit_forward(&endpoint->transmit, &remote, &local, packet->ecn,
                                            packet->data, packet->size)) {
    endpoint->counters.dropped++;
  }
  return true;
}

/* A packet of none of this lane's connections. True: it is another lane's. */
static bool hand_over(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                      const ngtcp2_version_cid *ids, bool is_long, uint64_t now, bool taken) {
  unsigned owner = lane_of(packet->data, packet->size, endpoint->lanes);
  bool is_foreign = owner != endpoint->lane;
  if (taken) {
    return is_foreign;
  }
  /* Whose a stateless reset is, only the token tells, of which each lane knows its own. */
  bool to_all = !is_long && may_be_reset(packet) &&
                reset_limit_allows(&endpoint->offers, ids->dcid, ids->dcidlen, now);
  if (endpoint->foreign == NULL) {
    endpoint->counters.dropped += is_foreign ? 1 : 0;
    return is_foreign;
  }
  endpoint->counters.handed_over += is_foreign || to_all ? 1 : 0;
  for (unsigned lane = 0; lane < endpoint->lanes; lane++) {
    if (lane != endpoint->lane && (lane == owner || to_all)) {
      endpoint->foreign(lane, packet, endpoint->context);
    }
  }
  return is_foreign;
}

void endpoint_dispatch(struct quic_endpoint *endpoint, const struct udp_packet *packet,
                       uint64_t now, bool taken) {
  /* Who handed it over has asked already. */
  if (endpoint->forwarder.forward != NULL && !taken && forward(endpoint, packet)) {
    return;
  }
  ngtcp2_version_cid ids;
  int status = ngtcp2_pkt_decode_version_cid(&ids, packet->data, packet->size, CONNECTION_ID_SIZE);
  bool is_long = packet->size > 0 && (packet->data[0] & 0x80) != 0;
  if (status != 0 && status != NGTCP2_ERR_VERSION_NEGOTIATION) {
    endpoint->counters.dropped++;
    return;
  }
  struct quic_connection *connection =
      ids.dcidlen == 0 ? NULL : cid_table_find(endpoint->cids, ids.dcid, ids.dcidlen);
  if (connection != NULL) {
    connection_receive(connection, packet, now);
    return;
  }
  if (!is_long && packet->size >= STATELESS_RESET_MIN) {
    const uint8_t *token = packet->data + packet->size - RESET_TOKEN_SIZE;
    connection = cid_table_find_token(endpoint->cids, token);
    if (connection != NULL) {
      if (connection->state != CONNECTION_CLOSED) {
        connection_receive(connection, packet, now);
      }
      return;
    }
  }
  if (endpoint->lanes > 1 && hand_over(endpoint, packet, &ids, is_long, now, taken)) {
    return;
  }
  /* QUIC version 2 is known to the library, but not spoken here; version 0 is a Version
   * Negotiation packet of nobody's. */
  if (status == NGTCP2_ERR_VERSION_NEGOTIATION ||
      (is_long && ids.version != NGTCP2_PROTO_VER_V1 && ids.version != 0)) {
    send_version_negotiation(endpoint, packet, &ids);
    return;
  }
  if (is_long) {
    dispatch_initial(endpoint, packet, now);
    return;
  }
  endpoint->counters.dropped++;
  send_stateless_reset(endpoint, packet, &ids, now);
}

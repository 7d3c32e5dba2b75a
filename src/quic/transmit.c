#include "quic/transmit.h"

#include <string.h>

static int transmit_socket_index(const struct udp_packet *packet) {
  return packet->remote.ip.family == 6 ? 1 : 0;
}

int transmit_flush(struct transmit *transmit) {
  transmit->blocked = false;
  while (transmit->sent < transmit->count) {
    const struct udp_packet *first = &transmit->packets[transmit->sent];
    int index = transmit_socket_index(first);
    size_t run = 1;
    while (transmit->sent + run < transmit->count && transmit_socket_index(&first[run]) == index) {
      run++;
    }
    size_t sent = 0;
    int code = 0;
    if (transmit->sockets[index] == NULL) {
      sent = run; /* lost, as on a network that does not know the way */
    } else {
      code = udp_socket_send(transmit->sockets[index], first, run, &sent);
    }
    transmit->sent += sent;
    if (code == ERROR_AGAIN) {
      transmit->blocked = true;
      return index;
    }
  }
  transmit->count = transmit->sent = 0;
  return -1;
}

uint8_t *transmit_slot(struct transmit *transmit) {
  if (transmit->count == TRANSMIT_BATCH && !transmit->blocked) {
    transmit_flush(transmit);
  }
  if (transmit->blocked || transmit->count == TRANSMIT_BATCH) {
    return NULL;
  }
  return transmit->storage[transmit->count];
}

void transmit_commit(struct transmit *transmit, const struct address *remote,
                     const struct ip_address *local, uint8_t ecn, size_t size) {
  transmit->packets[transmit->count] = (struct udp_packet){
      .remote = *remote,
      .local = *local,
      .ecn = ecn,
      .data = transmit->storage[transmit->count],
      .size = size,
  };
  transmit->count++;
  transmit->sent_packets++;
  transmit->sent_bytes += size;
}

bool transmit_forward(struct transmit *transmit, const struct address *remote,
                      const struct ip_address *local, uint8_t ecn, const uint8_t *data,
                      size_t size) {
  if (size > UDP_PAYLOAD_MAX || transmit_slot(transmit) == NULL) {
    return false;
  }
  transmit_commit(transmit, remote, local, ecn, size);
  transmit->packets[transmit->count - 1].data = data;
  return true;
}

int transmit_keep(struct transmit *transmit) {
  int index = transmit_flush(transmit);
  for (size_t i = transmit->sent; i < transmit->count; i++) {
    struct udp_packet *packet = &transmit->packets[i];
    if (packet->data != transmit->storage[i]) {
      memcpy(transmit->storage[i], packet->data, packet->size);
      packet->data = transmit->storage[i];
    }
  }
  return index;
}

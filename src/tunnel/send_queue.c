#include "tunnel/send_queue.h"

#include <netinet/in.h>

#include "tunnel/ecn.h"
#include "tunnel/header_layout.h"

/* Both ends of the tunnel are the same for all its packets: protocol and ports tell flows apart. A
 * fragment has no ports to be trusted in; whatever is read there is a number all the same. */
static uint8_t flow_of(struct span packet) {
  uint32_t hash = 0;
  size_t ports = 0;
  if (packet.size >= IPV4_HEADER && packet.data[0] >> 4 == 4) {
    hash = packet.data[IPV4_PROTOCOL];
    ports = (size_t)(packet.data[0] & 0x0f) * 4;
  } else if (packet.size >= IPV6_HEADER) {
    hash = packet.data[IPV6_NEXT_HEADER];
    ports = IPV6_HEADER;
  }
  bool has_ports =
      (hash == IPPROTO_TCP || hash == IPPROTO_UDP) && packet.size >= ports + PORTS_SIZE;
  for (size_t i = 0; has_ports && i < PORTS_SIZE; i++) {
    hash = (hash ^ packet.data[ports + i]) * 16777619U;
  }
  return (uint8_t)(hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24);
}

void send_queue_clear(struct send_queue *queue) {
  packet_queue_clear(&queue->ahead);
  packet_queue_clear(&queue->bulk);
  *queue = (struct send_queue){0};
}

size_t send_queue_count(const struct send_queue *queue) {
  return queue->ahead.count + queue->bulk.count;
}

static void drop_front(struct send_queue *queue, struct packet_queue *of) {
  queue->waiting[flow_of(packet_queue_front(of))]--;
  packet_queue_pop(of);
  if (queue->chosen == of) {
    queue->chosen = NULL;
  }
}

int send_queue_push(struct send_queue *queue, struct span packet, uint64_t now) {
  uint8_t flow = flow_of(packet);
  struct packet_queue *to = queue->waiting[flow] == 0 ? &queue->ahead : &queue->bulk;
  int gone = 0;
  while (to->count > 0 && !packet_queue_has_room(to, packet.size)) {
    drop_front(queue, to);
    gone++;
  }
  int code = packet_queue_push(to, packet, now);
  if (code < 0) {
    return code;
  }
  queue->waiting[flow]++;
  return gone;
}

struct span send_queue_front(struct send_queue *queue, uint64_t now, uint64_t *dropped) {
  if (queue->chosen != NULL) {
    return packet_queue_front(queue->chosen);
  }
  if (queue->ahead.count > 0) {
    queue->chosen = &queue->ahead;
    return packet_queue_front(queue->chosen);
  }
  while (
      queue->bulk.count > 0 &&
      codel_drops(&queue->codel, now, now - packet_queue_since(&queue->bulk), queue->bulk.bytes)) {
    if (ecn_mark(packet_queue_front_bytes(&queue->bulk), packet_queue_front(&queue->bulk).size)) {
      queue->marked++;
      break;
    }
    drop_front(queue, &queue->bulk);
    (*dropped)++;
  }
  if (queue->bulk.count == 0) {
    codel_empty(&queue->codel);
    return (struct span){0};
  }
  queue->chosen = &queue->bulk;
  return packet_queue_front(queue->chosen);
}

void send_queue_pop(struct send_queue *queue) {
  if (queue->chosen != NULL) {
    drop_front(queue, queue->chosen);
  }
}

#include "tunnel/send_queue.h"

#include "tunnel/ecn.h"

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

static void drop_stale(struct send_queue *queue, struct packet_queue *of, uint64_t now,
                       uint64_t *dropped) {
  while (of->count > 0 && now - packet_queue_since(of) > SEND_QUEUE_LIFETIME &&
         queue->waiting[flow_of(packet_queue_front(of))] > 1) {
    drop_front(queue, of);
    (*dropped)++;
  }
}

struct span send_queue_front(struct send_queue *queue, uint64_t now, uint64_t *dropped) {
  if (queue->chosen != NULL) {
    return packet_queue_front(queue->chosen);
  }
  drop_stale(queue, &queue->ahead, now, dropped);
  if (queue->ahead.count > 0) {
    queue->chosen = &queue->ahead;
    return packet_queue_front(queue->chosen);
  }
  drop_stale(queue, &queue->bulk, now, dropped);
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

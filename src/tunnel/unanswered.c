#include "tunnel/unanswered.h"

#include <string.h>

#include "tunnel/flow.h"

/* Where the flow's packet lies, or the one that gives way, or what is free. */
static size_t place_of(const struct unanswered *unanswered, uint8_t flow) {
  for (size_t i = 0; i < unanswered->count; i++) {
    if (unanswered->packet[i].flow == flow) {
      return i;
    }
  }
  return unanswered->count < UNANSWERED_MAX ? unanswered->count : 0;
}

void unanswered_keep(struct unanswered *unanswered, struct span packet) {
  if (packet.size > UNANSWERED_PACKET_MAX) {
    return;
  }
  uint8_t flow = flow_of(packet);
  size_t place = place_of(unanswered, flow);
  if (place == unanswered->count) {
    unanswered->count++;
  }
  struct unanswered_packet *last = &unanswered->packet[unanswered->count - 1];
  memmove(&unanswered->packet[place], &unanswered->packet[place + 1],
          (size_t)(last - &unanswered->packet[place]) * sizeof(*last));
  last->flow = flow;
  last->size = (uint16_t)packet.size;
  memcpy(last->data, packet.data, packet.size);
}

#include "tunnel/flow.h"

#include <netinet/in.h>
#include <stdbool.h>

#include "tunnel/header_layout.h"

/* Both ends of the tunnel are the same for all its packets: protocol and ports tell flows apart. A
 * fragment has no ports to be trusted in; whatever is read there is a number all the same. */
uint8_t flow_of(struct span packet) {
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

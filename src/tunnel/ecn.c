#include "tunnel/ecn.h"

#include "tunnel/checksum.h"
#include "tunnel/header_layout.h"

enum {
  NOT_ECT = 0,
  CE = 3,
  IPV4_ECN_SHIFT = 0, /* of the second byte of either header */
  IPV6_ECN_SHIFT = 4,
};

bool ecn_mark(uint8_t *packet, size_t size) {
  bool ipv4 = size >= IPV4_HEADER && packet[0] >> 4 == 4;
  if (!ipv4 && (size < IPV6_HEADER || packet[0] >> 4 != 6)) {
    return false;
  }
  unsigned shift = ipv4 ? IPV4_ECN_SHIFT : IPV6_ECN_SHIFT;
  if ((packet[1] >> shift & CE) == NOT_ECT) {
    return false;
  }
  uint16_t before = get_u16(packet);
  packet[1] = (uint8_t)(packet[1] | CE << shift);
  if (ipv4) { /* RFC 1624: the new sum is the old one without what was and with what is */
    uint64_t sum = checksum_add_u16(0, (uint16_t)~get_u16(packet + IPV4_CHECKSUM));
    sum = checksum_add_u16(sum, (uint16_t)~before);
    put_u16(packet + IPV4_CHECKSUM, checksum_finish(checksum_add_u16(sum, get_u16(packet))));
  }
  return true;
}

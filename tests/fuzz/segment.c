/* Super-packets as a hostile program on our own host may give them to the TUN device: cut as the
 * reference cuts them, or refused where it refuses; and what is cut joins to what it was.
 *
 *   byte 0      kind (two bits), needs checksum, ECN, put right what is to fit, write heads over,
 *               leave checksums out
 *   bytes 1-2   segment size
 *   bytes 3-4   largest packet
 *   bytes 5-6   checksum start (unless put right)
 *   byte 7      checksum offset
 *   bytes 8-9   payload to append
 *   bytes 10-   the packet's beginning */
#include <stdlib.h>
#include <string.h>

#include "reference_segment.h"
#include "tunnel/join.h"
#include "tunnel/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PUT_RIGHT = 0x10, WRITE_OVER = 0x20, LEAVE = 0x40 };

static void check(bool holds) {
  if (!holds) {
    abort();
  }
}

/* Lengths and the transport's place; most inputs would fail on them otherwise. */
static void put_right(uint8_t *packet, size_t size, struct tun_offload *offload) {
  if (size >= 20 && packet[0] / 16 == 4) {
    reference_put_u16(packet + 2, size);
    offload->checksum_start = (uint16_t)(packet[0] % 16 * 4);
  } else if (size >= 40 && packet[0] / 16 == 6) {
    reference_put_u16(packet + 4, size - 40);
    offload->checksum_start = 40;
  } else {
    return;
  }
  size_t transport = offload->checksum_start;
  if (offload->kind == TUN_OFFLOAD_UDP && transport + 8 <= size) {
    reference_put_u16(packet + transport + 4, size - transport);
  }
}

static struct reference_packets expected;

static void check_cut(uint8_t *packet, size_t size, const struct tun_offload *offload,
                      size_t packet_max, bool write_over, bool leave) {
  struct segment_cut cut;
  struct span head, body;
  uint8_t buffer[SEGMENT_HEAD_MAX];
  size_t count = 0;
  int code = segment_begin(&cut, (struct span){packet, size}, offload, packet_max);
  check(code == reference_cut((struct span){packet, size}, offload, packet_max, &expected));
  if (code == 0 && leave) {
    segment_leave_checksums(&cut);
  }
  while (code == 0 && segment_next(&cut, buffer, &head, &body)) {
    check(count < expected.count && head.size <= SEGMENT_HEAD_MAX);
    struct span wanted = expected.packets[count++];
    check(head.size + body.size == wanted.size);
    size_t field = buffer[0] / 16 == 4 ? 36 : 56;
    if (leave && head.size > field + 2 && memcmp(buffer + field, "\xff\xff", 2) == 0) {
      memcpy(buffer + field, wanted.data + field, 2);
    }
    check(memcmp(head.data, wanted.data, head.size) == 0);
    check(body.size == 0 || memcmp(body.data, wanted.data + head.size, body.size) == 0);
    check(body.data >= packet + head.size && body.data + body.size <= packet + size);
    if (write_over) {
      memcpy(packet + (body.data - packet) - head.size, head.data, head.size);
    }
  }
  check(code != 0 || count == expected.count);
}

static void check_complete(const uint8_t *packet, size_t size, const struct tun_offload *offload) {
  uint8_t *copy = malloc(size + 1);
  check(copy != NULL);
  memcpy(copy, packet, size);
  int code = segment_complete(copy, size, offload);
  check(offload->kind == TUN_OFFLOAD_NONE || code == ERROR_INVALID);
  if (size > 0 && reference_cut((struct span){packet, size}, offload, 0, &expected) == 0 &&
      offload->kind == TUN_OFFLOAD_NONE) {
    check(code == 0 && memcmp(copy, expected.packets[0].data, size) == 0);
  }
  free(copy);
}

/* --- joined again --- */

struct whole {
  const uint8_t *packet;
  size_t size, segment_size;
  bool seen;
};

/* The same but for the checksums, which may have been anything. */
static void compare(const struct span *spans, size_t count, const struct tun_offload *offload,
                    void *context) {
  struct whole *whole = context;
  check(count == 1 && spans[0].size == whole->size && !whole->seen);
  check(offload->segment_size == whole->segment_size && offload->needs_checksum);
  uint8_t *copy = malloc(whole->size);
  check(copy != NULL);
  memcpy(copy, whole->packet, whole->size);
  size_t checksum = (size_t)offload->checksum_start + offload->checksum_offset;
  memcpy(copy + checksum, spans[0].data + checksum, 2);
  if (copy[0] / 16 == 4) {
    memcpy(copy + 10, spans[0].data + 10, 2);
  }
  check(memcmp(copy, spans[0].data, whole->size) == 0);
  free(copy);
  whole->seen = true;
}

static bool joins_to_one(const uint8_t *packet, const struct tun_offload *offload,
                         size_t packet_max) {
  bool udp = offload->kind == TUN_OFFLOAD_UDP;
  bool plain = packet[0] == 0x45 ? packet[6] < 0x80 && packet[9] == (udp ? 17 : 6)
                                 : packet[0] / 16 == 6 && packet[6] == (udp ? 17 : 6);
  if (!plain) {
    return false;
  }
  size_t transport = packet[0] == 0x45 ? 20 : 40;
  size_t headers = transport + (udp ? 8 : packet[transport + 12] / 16 * (size_t)4);
  return expected.count >= 2 && expected.count <= JOIN_PIECES_MAX &&
         headers + offload->segment_size <= packet_max &&
         headers + expected.count * offload->segment_size <= JOIN_PACKET_MAX;
}

static void check_joined(const uint8_t *packet, size_t size, const struct tun_offload *offload,
                         size_t packet_max) {
  if (offload->kind == TUN_OFFLOAD_NONE ||
      reference_cut((struct span){packet, size}, offload, packet_max, &expected) != 0 ||
      !joins_to_one(packet, offload, packet_max)) {
    return;
  }
  struct whole whole = {.packet = packet, .size = size, .segment_size = offload->segment_size};
  const struct join_config config = {.udp = true, .copy = true, .emit = compare, .context = &whole};
  struct join *join;
  check(join_new(&config, &join, NULL) == 0);
  for (size_t i = 0; i < expected.count; i++) {
    check(reference_checksums_hold(expected.packets[i]));
    join_add(join, expected.packets[i]);
  }
  join_flush(join);
  check(whole.seen);
  join_free(join);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct reader reader = reader_init(data, size);
  uint8_t choices = reader_u8(&reader);
  struct tun_offload offload = {
      .kind = (enum tun_offload_kind)(choices & 3),
      .needs_checksum = (choices & 4) != 0,
      .ecn = (choices & 8) != 0,
      .segment_size = reader_u16(&reader),
  };
  size_t packet_max = reader_u16(&reader);
  offload.checksum_start = reader_u16(&reader);
  offload.checksum_offset = reader_u8(&reader);
  size_t appended = reader_u16(&reader);
  size_t given = reader.rest.size;
  if (reader.failed || given + appended > TUN_PACKET_MAX) {
    return 0;
  }
  /* Of exactly its size, so that a step outside is seen. */
  size_t packet_size = given + appended;
  uint8_t *packet = malloc(packet_size > 0 ? packet_size : 1);
  check(packet != NULL);
  memcpy(packet, reader.rest.data, given);
  for (size_t i = 0; i < appended; i++) {
    packet[given + i] = (uint8_t)(i * 7 + i / 251);
  }
  if ((choices & PUT_RIGHT) != 0) {
    put_right(packet, packet_size, &offload);
  }
  check_complete(packet, packet_size, &offload);
  check_joined(packet, packet_size, &offload, packet_max);
  check_cut(packet, packet_size, &offload, packet_max, (choices & WRITE_OVER) != 0,
            (choices & LEAVE) != 0);
  free(packet);
  return 0;
}

/* Packets of several flows as a peer may send them, or break them: whatever comes out, cut again by
 * the reference, is what went in, nothing twice, nothing missing, nothing out of its flow's order,
 * and nothing joined whose checksum did not hold.
 *
 *   byte 0       whether UDP is joined; anything
 *   then steps, each a byte (step 0-2 bits, flow the others) and what it needs */
#include <stdlib.h>
#include <string.h>

#include "reference_segment.h"
#include "tunnel/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKETS_MAX = 200, PACKET_MAX = 4096, FLOWS = 16 };

enum step {
  STEP_NEXT,      /* the flow's next segment */
  STEP_MORE,      /* several of them: one byte */
  STEP_FLAGS,     /* with flags: one byte */
  STEP_SIZE,      /* with another size from now on: two bytes */
  STEP_CHANGED,   /* with a byte changed, checksums put right: two bytes */
  STEP_CORRUPTED, /* with a byte changed: two bytes; changed by nothing: its checksum left out */
  STEP_RAW,       /* any packet: a byte of length, the packet */
  STEP_FLUSH,
};

static void check(bool holds) {
  if (!holds) {
    abort();
  }
}

struct packet {
  struct span span;
  bool came_out;
};

struct flow {
  uint32_t sequence;
  uint16_t identification, size;
};

static struct world {
  struct join *join;
  bool copy;
  struct packet packets[PACKETS_MAX];
  size_t count;
  struct flow flows[FLOWS];
} world;

static struct reference_packets cut;

/* --- what comes out --- */

static bool must_keep_order(struct span a, struct span b) {
  enum reference_order first = reference_order(a), second = reference_order(b);
  if (first == REFERENCE_ORDER_NONE || second == REFERENCE_ORDER_NONE) {
    return false;
  }
  return first == REFERENCE_ORDER_FLOW && second == REFERENCE_ORDER_FLOW
             ? reference_same_flow(a, b)
             : reference_same_hosts(a, b);
}

static void came_out(size_t index) {
  world.packets[index].came_out = true;
  for (size_t i = 0; i < index; i++) {
    check(world.packets[i].came_out ||
          !must_keep_order(world.packets[i].span, world.packets[index].span));
  }
}

static void find_single(struct span packet) {
  for (size_t i = 0; i < world.count; i++) {
    struct span other = world.packets[i].span;
    if (!world.packets[i].came_out && other.size == packet.size &&
        memcmp(other.data, packet.data, packet.size) == 0) {
      came_out(i);
      return;
    }
  }
  abort();
}

/* A segment whose checksum was left out, and is now the kernel's to make. */
static void find_left_out(struct span packet, const struct tun_offload *offload) {
  uint8_t *copy = malloc(packet.size);
  check(copy != NULL && reference_transport_is_partial(packet));
  memcpy(copy, packet.data, packet.size);
  size_t transport = packet.data[0] / 16 == 4 ? 20 : 40;
  check(offload->checksum_start == transport && offload->checksum_offset == 16);
  memset(copy + transport + 16, 0xff, 2);
  find_single((struct span){copy, packet.size});
  free(copy);
}

static void find_piece(struct span piece) {
  for (size_t i = 0; i < world.count; i++) {
    struct span other = world.packets[i].span;
    if (!world.packets[i].came_out && reference_same_meaning(piece, other) &&
        (reference_checksums_hold(other) || reference_checksum_is_left_out(other))) {
      came_out(i);
      return;
    }
  }
  abort();
}

static void emitted(const struct span *spans, size_t count, const struct tun_offload *offload,
                    void *context) {
  (void)context;
  check(count >= 1 && count <= TUN_SPANS_MAX && (!world.copy || count <= 2));
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    size += spans[i].size;
  }
  uint8_t *whole = malloc(size + 1);
  check(whole != NULL);
  struct writer writer = writer_init(whole, size);
  for (size_t i = 0; i < count; i++) {
    writer_bytes(&writer, spans[i].data, spans[i].size);
  }
  struct span packet = {whole, size};
  if (offload->kind == TUN_OFFLOAD_NONE && offload->needs_checksum) {
    find_left_out(packet, offload);
  } else if (offload->kind == TUN_OFFLOAD_NONE) {
    find_single(packet);
  } else {
    check(size <= JOIN_PACKET_MAX && reference_checksum_is_partial(packet));
    check(reference_cut(packet, offload, TUN_PACKET_MAX, &cut) == 0);
    check(cut.count >= 2 && cut.count <= JOIN_PIECES_MAX);
    check(offload->ecn ==
          (offload->kind != TUN_OFFLOAD_UDP && (whole[offload->checksum_start + 13] & 0x80) != 0));
    check(offload->header_size + (size_t)offload->segment_size == cut.packets[0].size);
    for (size_t i = 0; i < cut.count; i++) {
      find_piece(cut.packets[i]);
    }
  }
  free(whole);
}

/* --- what goes in --- */

static void add(const uint8_t *data, size_t size) {
  uint8_t *kept = malloc(size + 1);
  check(kept != NULL);
  memcpy(kept, data, size);
  world.packets[world.count++] = (struct packet){.span = {kept, size}};
  if (!world.copy) {
    join_add(world.join, (struct span){kept, size});
    return;
  }
  uint8_t *passing = malloc(size + 1); /* is gone when the call is over */
  check(passing != NULL);
  memcpy(passing, data, size);
  join_add(world.join, (struct span){passing, size});
  free(passing);
}

/* Even flows IPv4, odd ones IPv6; the upper bits: UDP, another host or port, identification that
 * stands still, fragments allowed. */
static size_t build(uint8_t packet[static PACKET_MAX], size_t number, uint8_t flags) {
  struct flow *flow = &world.flows[number];
  bool ipv4 = number % 2 == 0, udp = (number & 2) != 0, still = (number & 8) != 0;
  size_t transport = ipv4 ? 20 : 40, headers = transport + (udp ? 8 : 32);
  size_t size = headers + flow->size;
  memset(packet, 0, headers);
  packet[0] = ipv4 ? 0x45 : 0x60;
  if (ipv4) {
    reference_put_u16(packet + 2, size);
    reference_put_u16(packet + 4, flow->identification);
    packet[6] = still || (number & 4) == 0 ? 0x40 : 0;
    packet[8] = 64;
    packet[9] = udp ? 17 : 6;
    packet[12] = packet[16] = 10;
    packet[19] = number > 7 ? 2 : 1;
    flow->identification = (uint16_t)(flow->identification + (still ? 0 : 1));
  } else {
    reference_put_u16(packet + 4, size - 40);
    packet[6] = udp ? 17 : 6;
    packet[7] = 64;
    packet[8] = packet[24] = 0xfd;
    packet[39] = number > 7 ? 2 : 1;
  }
  uint8_t *at = packet + transport;
  reference_put_u16(at, 1000 + (number & 4));
  reference_put_u16(at + 2, 443);
  if (udp) {
    reference_put_u16(at + 4, flow->size + (size_t)8);
  } else {
    reference_put_u16(at + 4, flow->sequence >> 16);
    reference_put_u16(at + 6, flow->sequence & 0xffff);
    at[12] = 0x80;
    at[13] = flags;
    memcpy(at + 20, "\1\1\x08\x0a", 4);
  }
  for (size_t i = headers; i < size; i++) {
    packet[i] = (uint8_t)(i * 7 + flow->sequence);
  }
  flow->sequence += flow->size;
  reference_write_checksums(packet, size);
  return size;
}

static void add_segment(size_t flow, uint8_t flags) {
  uint8_t packet[PACKET_MAX];
  if (world.count < PACKETS_MAX) {
    add(packet, build(packet, flow, flags));
  }
}

static void add_changed(size_t flow, size_t place, uint8_t change, bool put_right) {
  uint8_t packet[PACKET_MAX];
  size_t size = build(packet, flow, 0x10);
  packet[place % size] ^= change;
  if (put_right) {
    reference_write_checksums(packet, size);
  } else if (change == 0 && flow % 4 < 2) { /* TCP */
    memset(packet + (flow % 2 == 0 ? 36 : 56), 0xff, 2);
  }
  add(packet, size);
}

static void flush(void) {
  join_flush(world.join);
  check(!join_pending(world.join));
  for (size_t i = 0; i < world.count; i++) {
    check(world.packets[i].came_out);
    free((uint8_t *)(uintptr_t)world.packets[i].span.data);
  }
  world.count = 0;
}

static void take_step(struct reader *reader) {
  uint8_t choice = reader_u8(reader);
  size_t flow = choice / 8 % FLOWS;
  size_t place;
  switch (choice % 8) {
  case STEP_NEXT:
    add_segment(flow, 0x10);
    break;
  case STEP_MORE:
    for (uint8_t count = reader_u8(reader); count > 0; count--) {
      add_segment(flow, 0x10);
    }
    break;
  case STEP_FLAGS:
    add_segment(flow, reader_u8(reader));
    break;
  case STEP_SIZE:
    world.flows[flow].size = reader_u16(reader) % 2000;
    break;
  case STEP_CHANGED:
  case STEP_CORRUPTED:
    place = reader_u8(reader);
    add_changed(flow, place, reader_u8(reader), choice % 8 == STEP_CHANGED);
    break;
  case STEP_RAW: {
    size_t size = reader_u8(reader);
    size = size < reader->rest.size ? size : reader->rest.size;
    struct span raw = reader_bytes(reader, size);
    if (size > 0) {
      add(raw.data, raw.size);
    }
    break;
  }
  default:
    flush();
    break;
  }
}

static void run(struct span steps, bool udp, bool copy) {
  memset(&world, 0, sizeof(world));
  world.copy = copy;
  for (size_t i = 0; i < FLOWS; i++) {
    world.flows[i] = (struct flow){.sequence = 0xfffff000, .identification = 0xfff0, .size = 90};
  }
  const struct join_config config = {.udp = udp, .copy = copy, .emit = emitted};
  check(join_new(&config, &world.join, NULL) == 0);
  struct reader reader = reader_init(steps.data, steps.size);
  while (reader.rest.size > 0 && world.count < PACKETS_MAX) {
    take_step(&reader);
  }
  flush();
  join_free(world.join);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct reader reader = reader_init(data, size);
  uint8_t choices = reader_u8(&reader);
  run(reader.rest, (choices & 1) == 0, false);
  run(reader.rest, (choices & 1) == 0, true);
  return 0;
}

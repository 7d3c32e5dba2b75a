/* What a peer's datagrams bring, and what our own host gives a tunnel: frames, fragments, IP
 * packets, and the ICMP that answers them. */
#include <stdlib.h>
#include <string.h>

#include "tunnel/fragment.h"
#include "tunnel/ip_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
  if (!holds) {
    abort();
  }
}

/* --- one IP packet --- */

static uint16_t sum(const uint8_t *data, size_t size, uint32_t start) {
  uint64_t total = start;
  for (size_t i = 0; i < size; i++) {
    total += (uint64_t)data[i] << (i % 2 == 0 ? 8 : 0);
  }
  return (uint16_t)(total % 65535);
}

static void check_answer(struct span packet, const uint8_t *reply, size_t size) {
  if (size == 0) {
    return;
  }
  struct ip_packet asked, answer;
  check(ip_packet_parse(packet, &asked) == 0);
  check(ip_packet_parse((struct span){reply, size}, &answer) == 0);
  check(ip_address_equal(&asked.source, &answer.destination));
  size_t header = answer.header_size;
  if (answer.source.family == 4) {
    check(size <= 576 && sum(reply, header, 0) == 0);
    check(sum(reply + header, size - header, 0) == 0);
  } else {
    check(size <= 1280);
    uint16_t pseudo = sum(reply + 8, 32, (uint32_t)(size - header) + 58);
    check(sum(reply + header, size - header, pseudo) == 0);
  }
  /* No answer is ever answered: two hosts cannot keep each other busy. */
  uint8_t again[ICMP_PACKET_MAX];
  check(icmp_unreachable((struct span){reply, size}, &asked.source, again) == 0);
  check(icmp_packet_too_big((struct span){reply, size}, &asked.source, 1280, again) == 0);
}

static void fuzz_packet(struct span packet) {
  struct ip_packet parsed;
  struct ip_address from = {.family = 4, .bytes = {10, 1, 0, 3}};
  if (packet.size > 0 && packet.data[0] >> 4 == 6) {
    from = (struct ip_address){.family = 6, .bytes = {0xfd, [15] = 3}};
  }
  uint8_t reply[ICMP_PACKET_MAX];
  if (ip_packet_parse(packet, &parsed) == 0) {
    check(parsed.header_size >= 20 && parsed.header_size <= packet.size);
    check(parsed.source.family == from.family && parsed.destination.family == from.family);
  }
  check_answer(packet, reply, icmp_packet_too_big(packet, &from, 1280, reply));
  check_answer(packet, reply, icmp_unreachable(packet, &from, reply));
}

/* --- a peer's datagrams, one after the other: a byte of time, two of length, the datagram --- */

static void fuzz_datagrams(struct span data) {
  struct reassembly *reassembly = reassembly_new();
  check(reassembly != NULL);
  uint64_t now = 0;
  struct reader reader = reader_init(data.data, data.size);
  while (reader.rest.size > 0 && !reader.failed) {
    now += (uint64_t)reader_u8(&reader) * (REASSEMBLY_TIMEOUT / 64);
    size_t size = reader_u16(&reader);
    struct span datagram = reader_bytes(&reader, size < reader.rest.size ? size : reader.rest.size);
    enum tunnel_frame frame;
    struct fragment fragment;
    if (tunnel_frame_parse(datagram, &frame, &fragment) != 0) {
      continue;
    }
    if (frame == TUNNEL_FRAME_PACKET) {
      fuzz_packet(datagram);
      continue;
    }
    struct span packet = {0};
    if (reassembly_add(reassembly, &fragment, now, &packet) == 1) {
      check(packet.size > 0 && packet.size <= FRAGMENT_PACKET_MAX);
      fuzz_packet(packet);
    }
  }
  reassembly_free(reassembly);
}

/* --- a packet of ours: what is cut comes back, whatever the order; two bytes of room, one that
 * chooses where to begin, the packet --- */

static void fuzz_cut(struct span data) {
  struct reader reader = reader_init(data.data, data.size);
  size_t room = reader_u16(&reader) % 2048;
  size_t begin = reader_u8(&reader);
  struct span packet = reader.rest;
  size_t count, each;
  if (reader.failed || fragment_plan(packet.size, room, &count, &each) != 0) {
    return;
  }
  check(count >= 1 && count <= FRAGMENTS_MAX && each + FRAGMENT_HEADER_SIZE <= room);
  check((count - 1) * each < packet.size && count * each >= packet.size);
  struct reassembly *reassembly = reassembly_new();
  check(reassembly != NULL);
  struct span whole = {0};
  for (size_t i = 0; i < count; i++) {
    size_t number = (begin + i) % count;
    size_t offset = number * each;
    size_t size = number + 1 == count ? packet.size - offset : each;
    uint8_t datagram[2048];
    fragment_header_write(datagram, 7, (uint8_t)number, number + 1 == count);
    memcpy(datagram + FRAGMENT_HEADER_SIZE, packet.data + offset, size);
    enum tunnel_frame frame;
    struct fragment fragment;
    struct span span = {datagram, FRAGMENT_HEADER_SIZE + size};
    check(tunnel_frame_parse(span, &frame, &fragment) == 0 && frame == TUNNEL_FRAME_FRAGMENT);
    check(reassembly_add(reassembly, &fragment, i, &whole) == (i + 1 == count ? 1 : 0));
  }
  check(whole.size == packet.size && memcmp(whole.data, packet.data, packet.size) == 0);
  reassembly_free(reassembly);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) {
    return 0;
  }
  struct span rest = {.data = data + 1, .size = size - 1};
  switch (data[0] % 3) {
  case 0:
    fuzz_packet(rest);
    break;
  case 1:
    fuzz_datagrams(rest);
    break;
  default:
    fuzz_cut(rest);
    break;
  }
  return 0;
}

#include "tunnel/segment.h"

#include <netinet/in.h>
#include <string.h>

#include "tunnel/checksum.h"
#include "tunnel/header_layout.h"
#include "tunnel/ip_packet.h"

enum { IPV6_EXTENSIONS_MAX = 8 };

/* --- a single packet --- */

/* Where the checksum goes. Not into the IP header, whose addresses have been judged by now. */
static int checksum_place(struct span packet, const struct tun_offload *offload, size_t *place) {
  struct ip_packet parsed;
  size_t start = offload->checksum_start;
  if (ip_packet_parse(packet, &parsed) != 0 || start < parsed.header_size) {
    return ERROR_INVALID;
  }
  *place = start + offload->checksum_offset;
  return *place + 2 <= packet.size ? 0 : ERROR_INVALID;
}

/* The field holds the pseudo-header's sum already. Zero would say "none" in UDP (RFC 768), and is
 * the same as 0xffff elsewhere. */
static uint16_t checksum_of_single(struct span packet, size_t start) {
  uint16_t checksum = checksum_finish(checksum_add(0, part(packet, start, packet.size - start)));
  return checksum == 0 ? 0xffff : checksum;
}

int segment_complete(uint8_t *data, size_t size, const struct tun_offload *offload) {
  struct span packet = {.data = data, .size = size};
  if (offload->kind != TUN_OFFLOAD_NONE) {
    return ERROR_INVALID;
  }
  if (!offload->needs_checksum) {
    return 0;
  }
  size_t place;
  int code = checksum_place(packet, offload, &place);
  if (code == 0) {
    put_u16(data + place, checksum_of_single(packet, offload->checksum_start));
  }
  return code;
}

static int begin_single(struct segment_cut *cut, const struct tun_offload *offload) {
  if (!offload->needs_checksum) {
    return 0;
  }
  size_t place;
  int code = checksum_place(cut->packet, offload, &place);
  if (code != 0 || place + 2 > SEGMENT_HEAD_MAX) {
    return ERROR_INVALID;
  }
  cut->transport = offload->checksum_start;
  cut->header_size = place + 2;
  return 0;
}

static void next_single(struct segment_cut *cut, uint8_t *buffer) {
  cut->done = true;
  if (cut->header_size > 0) {
    memcpy(buffer, cut->packet.data, cut->header_size);
    put_u16(buffer + cut->header_size - 2, checksum_of_single(cut->packet, cut->transport));
  }
}

/* --- the headers of a super-packet --- */

/* Over the extension headers that a sender may put before TCP or UDP. Not over a routing header,
 * which would change the pseudo-header's destination, nor over fragments. */
static int skip_extensions(struct span packet, uint8_t *protocol, size_t *transport) {
  struct reader reader = reader_init(packet.data, packet.size);
  (void)reader_bytes(&reader, *transport);
  for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
    if (*protocol != IPPROTO_HOPOPTS && *protocol != IPPROTO_DSTOPTS) {
      break;
    }
    *protocol = reader_u8(&reader);
    size_t length = reader_u8(&reader);
    (void)reader_bytes(&reader, 8 * length + 6);
  }
  *transport = packet.size - reader.rest.size;
  return reader.failed ? ERROR_INVALID : 0;
}

static bool version_fits(enum tun_offload_kind kind, uint8_t family) {
  return kind == TUN_OFFLOAD_UDP || family == (kind == TUN_OFFLOAD_TCP_IPV4 ? 4 : 6);
}

static int parse_ip(struct segment_cut *cut) {
  struct ip_packet parsed;
  if (ip_packet_parse(cut->packet, &parsed) != 0 ||
      !version_fits(cut->kind, parsed.source.family)) {
    return ERROR_INVALID;
  }
  uint8_t protocol = parsed.protocol;
  cut->transport = parsed.header_size;
  if (parsed.source.family == 4) {
    if ((get_u16(cut->packet.data + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK) != 0) {
      return ERROR_INVALID;
    }
    cut->identification = get_u16(cut->packet.data + IPV4_IDENTIFICATION);
  } else if (skip_extensions(cut->packet, &protocol, &cut->transport) != 0) {
    return ERROR_INVALID;
  }
  return protocol == (cut->kind == TUN_OFFLOAD_UDP ? IPPROTO_UDP : IPPROTO_TCP) ? 0 : ERROR_INVALID;
}

/* Urgent data, a connection's begin or its reset never come in a super-packet, and could not be cut
 * by repeating their header. */
static int parse_tcp(struct segment_cut *cut) {
  struct reader reader = reader_init(cut->packet.data, cut->packet.size);
  (void)reader_bytes(&reader, cut->transport + TCP_SEQUENCE);
  cut->sequence = reader_u32(&reader);
  (void)reader_u32(&reader); /* acknowledgement */
  cut->flags = reader_u16(&reader);
  size_t size = 4 * (size_t)(cut->flags >> 12);
  cut->header_size = cut->transport + size;
  if (reader.failed || size < TCP_HEADER || (cut->flags & (TCP_SYN | TCP_RST | TCP_URG)) != 0) {
    return ERROR_INVALID;
  }
  return 0;
}

static int parse_udp(struct segment_cut *cut) {
  struct reader reader = reader_init(cut->packet.data, cut->packet.size);
  (void)reader_bytes(&reader, cut->transport + UDP_LENGTH);
  uint16_t length = reader_u16(&reader);
  cut->header_size = cut->transport + UDP_HEADER;
  return reader.failed || length != cut->packet.size - cut->transport ? ERROR_INVALID : 0;
}

static bool is_ipv4(const struct segment_cut *cut) {
  return cut->header[0] >> 4 == 4;
}

/* The headers, and their sums, without what differs from packet to packet, so that each adds its
 * own. */
static void keep_headers(struct segment_cut *cut) {
  uint8_t *header = cut->header;
  memcpy(header, cut->packet.data, cut->header_size);
  uint8_t *transport = header + cut->transport;
  uint8_t protocol = IPPROTO_TCP;
  if (cut->kind == TUN_OFFLOAD_UDP) {
    protocol = IPPROTO_UDP;
    put_u16(transport + UDP_LENGTH, 0);
    put_u16(transport + UDP_CHECKSUM, 0);
  } else {
    put_u32(transport + TCP_SEQUENCE, 0);
    put_u16(transport + TCP_FLAGS, 0);
    put_u16(transport + TCP_CHECKSUM, 0);
  }
  struct span addresses = {.data = header + IPV6_ADDRESSES, .size = 32};
  if (is_ipv4(cut)) {
    addresses = (struct span){.data = header + IPV4_ADDRESSES, .size = 8};
    put_u32(header + IPV4_TOTAL_LENGTH, 0); /* with the identification */
    put_u16(header + IPV4_CHECKSUM, 0);
    cut->ip_sum = checksum_add(0, (struct span){.data = header, .size = cut->transport});
  }
  struct span rest = {.data = transport, .size = cut->header_size - cut->transport};
  cut->transport_sum = checksum_add(checksum_pseudo_header(addresses, protocol, 0), rest);
}

static int begin_super(struct segment_cut *cut, const struct tun_offload *offload) {
  if (parse_ip(cut) != 0 || (cut->kind == TUN_OFFLOAD_UDP ? parse_udp(cut) : parse_tcp(cut)) != 0) {
    return ERROR_INVALID;
  }
  if (offload->needs_checksum && offload->checksum_start != cut->transport) {
    return ERROR_INVALID;
  }
  cut->segment_size = offload->segment_size;
  if (cut->header_size > SEGMENT_HEAD_MAX || cut->header_size >= cut->packet.size ||
      cut->segment_size == 0 ||
      cut->packet.size - cut->header_size > cut->segment_size * SEGMENT_PIECES_MAX) {
    return ERROR_INVALID;
  }
  cut->each = cut->segment_size;
  keep_headers(cut);
  return 0;
}

int segment_limit(struct segment_cut *cut, size_t packet_max) {
  if (cut->kind == TUN_OFFLOAD_NONE) {
    return 0;
  }
  size_t rest = cut->packet.size - cut->header_size - cut->offset;
  size_t largest = rest < cut->segment_size ? rest : cut->segment_size;
  if (cut->header_size + largest <= packet_max) {
    cut->each = cut->segment_size;
    return 0;
  }
  if (cut->kind == TUN_OFFLOAD_UDP || packet_max <= cut->header_size) {
    return ERROR_LIMIT;
  }
  size_t each = packet_max - cut->header_size;
  if (rest > each * SEGMENT_PIECES_MAX) {
    return ERROR_LIMIT;
  }
  cut->each = each;
  return 0;
}

int segment_begin(struct segment_cut *cut, struct span packet, const struct tun_offload *offload,
                  size_t packet_max) {
  *cut = (struct segment_cut){.packet = packet, .kind = offload->kind};
  if (packet.size == 0) {
    return ERROR_INVALID;
  }
  int code =
      offload->kind == TUN_OFFLOAD_NONE ? begin_single(cut, offload) : begin_super(cut, offload);
  return code != 0 ? code : segment_limit(cut, packet_max);
}

void segment_leave_checksums(struct segment_cut *cut) {
  size_t plain = cut->packet.data[0] >> 4 == 4 ? IPV4_HEADER : IPV6_HEADER;
  cut->leave_checksums = (cut->kind == TUN_OFFLOAD_TCP_IPV4 || cut->kind == TUN_OFFLOAD_TCP_IPV6) &&
                         cut->transport == plain;
}

/* --- packet by packet --- */

static void write_ip(struct segment_cut *cut, uint8_t *header, size_t packet_size) {
  if (!is_ipv4(cut)) {
    put_u16(header + IPV6_PAYLOAD_LENGTH, (uint16_t)(packet_size - IPV6_HEADER));
    return;
  }
  uint64_t sum = checksum_add_u16(cut->ip_sum, (uint16_t)packet_size);
  sum = checksum_add_u16(sum, cut->identification);
  put_u16(header + IPV4_TOTAL_LENGTH, (uint16_t)packet_size);
  put_u16(header + IPV4_IDENTIFICATION, cut->identification);
  put_u16(header + IPV4_CHECKSUM, checksum_finish(sum));
  cut->identification++;
}

static void write_tcp(struct segment_cut *cut, uint8_t *header, struct span body, bool last) {
  uint16_t flags = cut->flags;
  if (cut->offset > 0) {
    flags = (uint16_t)(flags & ~TCP_CWR);
  }
  if (!last) {
    flags = (uint16_t)(flags & ~(TCP_FIN | TCP_PSH));
  }
  uint32_t sequence = cut->sequence + (uint32_t)cut->offset;
  put_u32(header + TCP_SEQUENCE, sequence);
  put_u16(header + TCP_FLAGS, flags);
  if (cut->leave_checksums) {
    put_u16(header + TCP_CHECKSUM, CHECKSUM_LEFT_OUT);
    return;
  }
  uint64_t sum = checksum_add(cut->transport_sum, body);
  sum = checksum_add_u32(sum, (uint32_t)(cut->header_size - cut->transport + body.size));
  sum = checksum_add_u32(sum, sequence);
  sum = checksum_add_u16(sum, flags);
  put_u16(header + TCP_CHECKSUM, checksum_finish(sum));
}

static void write_udp(const struct segment_cut *cut, uint8_t *header, struct span body) {
  uint16_t length = (uint16_t)(UDP_HEADER + body.size);
  uint64_t sum = checksum_add(cut->transport_sum, body);
  sum = checksum_add_u16(sum, length); /* in the pseudo-header */
  sum = checksum_add_u16(sum, length); /* in the header */
  uint16_t checksum = checksum_finish(sum);
  put_u16(header + UDP_LENGTH, length);
  put_u16(header + UDP_CHECKSUM, checksum == 0 ? 0xffff : checksum); /* zero says "none" */
}

bool segment_next(struct segment_cut *cut, uint8_t buffer[static SEGMENT_HEAD_MAX],
                  struct span *head, struct span *body) {
  if (cut->done) {
    return false;
  }
  size_t rest = cut->packet.size - cut->header_size - cut->offset;
  if (cut->kind == TUN_OFFLOAD_NONE) {
    next_single(cut, buffer);
  } else {
    cut->done = rest <= cut->each;
    rest = cut->done ? rest : cut->each;
  }
  *head = (struct span){.data = buffer, .size = cut->header_size};
  *body = part(cut->packet, cut->header_size + cut->offset, rest);
  if (cut->kind == TUN_OFFLOAD_NONE) {
    return true;
  }
  memcpy(buffer, cut->header, cut->header_size);
  write_ip(cut, buffer, cut->header_size + rest);
  if (cut->kind == TUN_OFFLOAD_UDP) {
    write_udp(cut, buffer + cut->transport, *body);
  } else {
    write_tcp(cut, buffer + cut->transport, *body, cut->done);
  }
  cut->offset += rest;
  return true;
}

#include "tunnel/join.h"

#include <stdlib.h>
#include <string.h>

#include "tunnel/checksum.h"
#include "tunnel/header_layout.h"
#include "tunnel/join_packet.h"

enum {
  HEAD_MAX = IPV6_HEADER + TCP_HEADER_MAX,
  ARENA_SIZE = JOIN_PACKET_MAX + 1, /* whole pages */
};

enum step { STEP_UNKNOWN, STEP_SAME, STEP_ONE };

struct run {
  size_t count;             /* packets; 0: the slot is free */
  uint64_t started;         /* order of the runs' beginnings */
  struct join_packet first; /* its data as `bytes` or the borrowed packet has it */
  uint8_t *bytes;           /* copying: the packet with all payloads; else only its headers */
  size_t size;              /* of the packet with all payloads */
  uint32_t sequence;        /* expected next */
  uint16_t identity;        /* the last one seen */
  enum step step;           /* from one identification to the next */
  uint16_t ending;          /* FIN and PSH of the last packet */
  struct span *payloads;    /* borrowed mode: of each packet */
};

struct join {
  struct join_config config;
  uint64_t started;
  size_t waiting; /* runs in use */
  struct run runs[JOIN_FLOWS];
  uint8_t *bytes;                                        /* of all runs */
  struct span payloads[JOIN_FLOWS][1 + JOIN_PIECES_MAX]; /* the first is for the head */
};

static struct span payload_of(const struct join_packet *packet) {
  return part(packet->data, packet->header_size, packet->payload);
}

/* --- comparing it with a run's first packet --- */

/* Where `size` is a constant the compiler compares words, and calls nobody. */
static inline bool same_bytes(const struct join_packet *a, const struct join_packet *b,
                              size_t offset, size_t size) {
  return memcmp(a->data.data + offset, b->data.data + offset, size) == 0;
}

static bool same_hosts(const struct join_packet *a, const struct join_packet *b) {
  if (a->ipv4 != b->ipv4) {
    return false;
  }
  return a->ipv4 ? same_bytes(a, b, IPV4_ADDRESSES, 8) : same_bytes(a, b, IPV6_ADDRESSES, 32);
}

static bool same_options(const struct join_packet *a, const struct join_packet *b) {
  size_t options = a->transport + TCP_HEADER, size = a->header_size - options;
  return size == TCP_TIMESTAMPS ? same_bytes(a, b, options, TCP_TIMESTAMPS)
                                : same_bytes(a, b, options, size);
}

static bool same_flow(const struct join_packet *a, const struct join_packet *b) {
  return a->ipv4 == b->ipv4 && a->udp == b->udp && same_bytes(a, b, a->transport, PORTS_SIZE) &&
         same_hosts(a, b);
}

/* Type of service or traffic class with ECN, flow label, hop limit, DF. */
static bool same_ip_header(const struct join_packet *a, const struct join_packet *b) {
  if (a->ipv4) {
    return same_bytes(a, b, 0, 2) && same_bytes(a, b, IPV4_FRAGMENT, 3);
  }
  return same_bytes(a, b, 0, 4) && same_bytes(a, b, IPV6_NEXT_HEADER, 2);
}
_Static_assert(IPV4_TTL == IPV4_FRAGMENT + 2, "compared together");

/* Acknowledgement, flags, window, options with their timestamps; the urgent pointer too, though it
 * says nothing without URG. CWR is for the first segment only; FIN and PSH for the last. */
static bool same_tcp_header(const struct join_packet *a, const struct join_packet *b) {
  size_t tcp = a->transport;
  const unsigned may_differ = TCP_FIN | TCP_PSH | TCP_CWR;
  return ((unsigned)(a->flags ^ b->flags) & ~may_differ) == 0 && (b->flags & TCP_CWR) == 0 &&
         same_bytes(a, b, tcp + TCP_ACKNOWLEDGEMENT, 4) && same_bytes(a, b, tcp + TCP_WINDOW, 2) &&
         same_bytes(a, b, tcp + TCP_URGENT, 2) && same_options(a, b);
}

/* The identification counts up from packet to packet; where it has no meaning, it may stand still
 * as well, from the beginning to the end. */
static bool identification_goes_on(const struct run *run, const struct join_packet *packet,
                                   enum step *step) {
  if (!packet->ipv4) {
    return true;
  }
  bool atomic =
      (get_u16(packet->data.data + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT) != 0; /* RFC 6864 */
  uint16_t distance = (uint16_t)(packet->identification - run->identity);
  if (distance > 1 || (distance == 0 && !atomic)) {
    return false;
  }
  *step = distance == 1 ? STEP_ONE : STEP_SAME;
  return run->step == STEP_UNKNOWN || run->step == *step;
}

static bool continues(const struct run *run, const struct join_packet *packet, enum step *step) {
  const struct join_packet *first = &run->first;
  return packet->payload <= first->payload && same_ip_header(first, packet) &&
         identification_goes_on(run, packet, step) &&
         (packet->udp || (packet->sequence == run->sequence && same_tcp_header(first, packet)));
}

/* --- emitting --- */

static void emit_single(struct join *join, struct span packet) {
  const struct tun_offload none = {0};
  join->config.emit(&packet, 1, &none, join->config.context);
}

/* A packet that is not joined, complete but for a checksum that its sender left out. */
static void emit_alone(struct join *join, const struct join_packet *packet) {
  if (!packet->left_out) {
    emit_single(join, packet->data);
    return;
  }
  uint8_t head[HEAD_MAX];
  memcpy(head, packet->data.data, packet->header_size);
  struct span spans[] = {{.data = head, .size = packet->header_size}, payload_of(packet)};
  struct tun_offload offload = {.needs_checksum = true,
                                .checksum_start = (uint16_t)packet->transport,
                                .checksum_offset = TCP_CHECKSUM};
  uint8_t *field = head + packet->transport + TCP_CHECKSUM;
  size_t size = packet->data.size - packet->transport;
  uint64_t sum = join_packet_pseudo_header(packet, size);
  if (join->config.single) {
    put_u16(field, 0);
    sum = checksum_add(sum,
                       part(spans[0], packet->transport, packet->header_size - packet->transport));
    put_u16(field, checksum_finish(checksum_add(sum, spans[1])));
    offload = (struct tun_offload){0};
  } else {
    put_u16(field, checksum_fold(sum));
  }
  join->config.emit(spans, 2, &offload, join->config.context);
}

static void write_lengths(struct run *run, uint8_t *header) {
  if (run->first.ipv4) {
    put_u16(header + IPV4_TOTAL_LENGTH, (uint16_t)run->size);
    put_u16(header + IPV4_CHECKSUM, 0);
    struct span ip = {.data = header, .size = IPV4_HEADER};
    put_u16(header + IPV4_CHECKSUM, checksum_finish(checksum_add(0, ip)));
  } else {
    put_u16(header + IPV6_PAYLOAD_LENGTH, (uint16_t)(run->size - IPV6_HEADER));
  }
}

/* The checksum's field gets the sum of the pseudo-header, which the kernel goes on from where it
 * has to cut the packet again. */
static struct tun_offload write_header(struct run *run) {
  const struct join_packet *first = &run->first;
  size_t transport_size = run->size - first->transport;
  uint16_t pseudo = checksum_fold(join_packet_pseudo_header(first, transport_size));
  struct tun_offload offload = {
      .segment_size = (uint16_t)first->payload,
      .header_size = (uint16_t)first->header_size,
      .needs_checksum = true,
      .checksum_start = (uint16_t)first->transport,
  };
  uint8_t *transport = run->bytes + first->transport;
  write_lengths(run, run->bytes);
  if (first->udp) {
    offload.kind = TUN_OFFLOAD_UDP;
    offload.checksum_offset = UDP_CHECKSUM;
    put_u16(transport + UDP_LENGTH, (uint16_t)transport_size);
  } else {
    offload.kind = first->ipv4 ? TUN_OFFLOAD_TCP_IPV4 : TUN_OFFLOAD_TCP_IPV6;
    offload.checksum_offset = TCP_CHECKSUM;
    offload.ecn = (first->flags & TCP_CWR) != 0;
    put_u16(transport + TCP_FLAGS, first->flags | run->ending);
  }
  put_u16(transport + offload.checksum_offset, pseudo);
  return offload;
}

static void emit_run(struct join *join, struct run *run) {
  size_t count = run->count;
  run->count = 0;
  join->waiting--;
  if (count == 1) {
    emit_alone(join, &run->first);
    return;
  }
  struct tun_offload offload = write_header(run);
  if (join->config.copy) {
    const struct span whole = {.data = run->bytes, .size = run->size};
    join->config.emit(&whole, 1, &offload, join->config.context);
    return;
  }
  run->payloads[0] = (struct span){.data = run->bytes, .size = run->first.header_size};
  join->config.emit(run->payloads, 1 + count, &offload, join->config.context);
}

static struct run *oldest(struct join *join) {
  struct run *found = NULL;
  for (size_t i = 0; i < JOIN_FLOWS; i++) {
    struct run *run = &join->runs[i];
    if (run->count > 0 && (found == NULL || run->started < found->started)) {
      found = run;
    }
  }
  return found;
}

static void emit_hosts(struct join *join, const struct join_packet *packet) {
  for (struct run *run = join->runs; run < join->runs + JOIN_FLOWS; run++) {
    if (run->count > 0 && same_hosts(&run->first, packet)) {
      emit_run(join, run);
    }
  }
}

/* --- the runs --- */

static struct run *find(struct join *join, const struct join_packet *packet) {
  size_t seen = 0;
  for (struct run *run = join->runs; seen < join->waiting; run++) {
    if (run->count > 0) {
      if (same_flow(&run->first, packet)) {
        return run;
      }
      seen++;
    }
  }
  return NULL;
}

/* Nothing can follow this packet in its run. */
static bool is_last(const struct join_packet *packet) {
  return (packet->flags & (TCP_FIN | TCP_PSH)) != 0;
}

/* The lowest free one, so that a single flow stays in the same 64 KiB of the cache. */
static struct run *take_slot(struct join *join) {
  if (join->waiting == JOIN_FLOWS) {
    emit_run(join, oldest(join));
  }
  struct run *run = join->runs;
  while (run->count > 0) {
    run++;
  }
  return run;
}

static void start(struct join *join, const struct join_packet *packet) {
  if (join->config.single || is_last(packet) ||
      packet->data.size + packet->payload > JOIN_PACKET_MAX) {
    emit_alone(join, packet);
    return;
  }
  struct run *run = take_slot(join);
  run->count = 1;
  run->started = join->started++;
  run->first = *packet;
  run->size = packet->data.size;
  run->sequence = packet->sequence + (uint32_t)packet->payload;
  run->identity = packet->identification;
  run->step = STEP_UNKNOWN;
  run->ending = 0;
  join->waiting++;
  memcpy(run->bytes, packet->data.data,
         join->config.copy ? packet->data.size : packet->header_size);
  if (join->config.copy) {
    run->first.data.data = run->bytes;
  } else {
    run->payloads[1] = payload_of(packet);
  }
}

static void append(struct join *join, struct run *run, const struct join_packet *packet,
                   enum step step) {
  struct span payload = payload_of(packet);
  run->count++;
  if (join->config.copy) {
    memcpy(run->bytes + run->size, payload.data, payload.size);
  } else {
    run->payloads[run->count] = payload;
  }
  run->size += payload.size;
  run->sequence += (uint32_t)payload.size;
  run->identity = packet->identification;
  run->step = step;
  run->ending = packet->flags & (TCP_FIN | TCP_PSH);
  if (is_last(packet) || payload.size < run->first.payload || run->count == JOIN_PIECES_MAX ||
      run->size + run->first.payload > JOIN_PACKET_MAX) {
    emit_run(join, run);
  }
}

/* The first packet's sum is left until there is something to join to it: most packets of a
 * conversation that is not in a hurry are alone. */
static void add_joinable(struct join *join, const struct join_packet *packet) {
  struct run *run = find(join, packet);
  if (run == NULL) {
    start(join, packet);
    return;
  }
  enum step step = STEP_UNKNOWN;
  bool fits =
      continues(run, packet, &step) && (run->count > 1 || join_packet_checksums_hold(&run->first));
  if (fits && join_packet_checksums_hold(packet)) {
    append(join, run, packet, step);
    return;
  }
  emit_run(join, run);
  start(join, packet);
}

void join_add(struct join *join, struct span data) {
  struct join_packet packet;
  enum join_kind kind = join_packet_parse(data, join->config.udp, &packet);
  if (kind == JOIN_KIND_JOINABLE) {
    add_joinable(join, &packet);
    return;
  }
  if (join->waiting > 0 && kind == JOIN_KIND_HOSTS_ONLY) {
    emit_hosts(join, &packet);
  } else if (join->waiting > 0 && kind == JOIN_KIND_FLOW) {
    struct run *run = find(join, &packet);
    if (run != NULL) {
      emit_run(join, run);
    }
  }
  emit_single(join, data);
}

void join_flush(struct join *join) {
  while (join->waiting > 0) {
    emit_run(join, oldest(join));
  }
}

bool join_pending(const struct join *join) {
  return join->waiting > 0;
}

/* --- the joiner itself --- */

int join_new(const struct join_config *config, struct join **out, struct error *error) {
  size_t each = config->copy ? ARENA_SIZE : HEAD_MAX;
  struct join *join = calloc(1, sizeof(*join));
  /* Not cleared, so that what is never used never becomes resident. */
  uint8_t *bytes = malloc(JOIN_FLOWS * each);
  if (join == NULL || bytes == NULL) {
    free(join);
    free(bytes);
    return error_set(error, ERROR_NO_MEMORY, "no memory to join packets in");
  }
  join->config = *config;
  join->bytes = bytes;
  for (size_t i = 0; i < JOIN_FLOWS; i++) {
    join->runs[i].bytes = bytes + i * each;
    join->runs[i].payloads = join->payloads[i];
  }
  *out = join;
  return 0;
}

void join_free(struct join *join) {
  if (join == NULL) {
    return;
  }
  free(join->bytes);
  free(join);
}

#include "tunnel/tunnel.h"

#include <stdlib.h>

#include "base/clock.h"
#include "tunnel/fragment.h"
#include "tunnel/send_queue.h"
#include "tunnel/unanswered.h"

_Static_assert((int)TUNNEL_QUEUE_PACKETS == (int)PACKET_QUEUE_PACKETS &&
                   (int)TUNNEL_QUEUE_BYTES == (int)PACKET_QUEUE_BYTES,
               "the bounds that tunnel.h promises");

/* How far the packet in hand has been sent in fragments. */
struct cut {
  size_t count; /* 0: no packet is cut */
  size_t each, next;
  uint16_t packet;
};

struct tunnel {
  struct quic_connection *connection;
  struct tunnel_config config;
  struct tunnel_counters counters;
  struct send_queue queue; /* whole packets; the first may be sent in part, as `cut` says */
  struct cut cut;
  uint16_t next_packet;          /* number of the next packet that is cut */
  bool blocked;                  /* the connection has promised `writable` */
  struct unanswered *unanswered; /* NULL: nothing is kept */
  struct reassembly *reassembly;
  unsigned busy; /* depth of our functions on the stack that go on after `deliver` */
  bool freed;
};

static void enter(struct tunnel *tunnel) {
  tunnel->busy++;
}

static void destroy(struct tunnel *tunnel) {
  send_queue_clear(&tunnel->queue);
  reassembly_free(tunnel->reassembly);
  free(tunnel->unanswered);
  free(tunnel);
}

static void leave(struct tunnel *tunnel) {
  if (--tunnel->busy == 0 && tunnel->freed) {
    destroy(tunnel);
  }
}

/* --- out --- */

enum sent {
  SENT_DONE,    /* sent, or lost with the connection */
  SENT_LATER,   /* keep it: `writable` will come, or the room */
  SENT_TOO_BIG, /* its sender must be told */
};

static bool ipv4_may_be_cut(struct span packet) {
  struct reader reader = reader_init(packet.data, packet.size);
  if (reader_u8(&reader) >> 4 != 4) {
    return false;
  }
  (void)reader_bytes(&reader, 5);
  return (reader_u16(&reader) & 0x4000) == 0 && !reader.failed; /* DF */
}

/* A packet larger than the room. Fragments cost a second datagram each, so a sender that can make
 * its packets smaller is told to; but not before the room is known to stay as it is. */
static enum sent cut_begin(struct tunnel *tunnel, struct span packet) {
  size_t room = quic_connection_datagram_room(tunnel->connection);
  if (room == 0) {
    return SENT_LATER;
  }
  bool may = packet.size <= IP_MINIMUM_MTU ||
             !quic_connection_path_mtu_settled(tunnel->connection) || ipv4_may_be_cut(packet);
  struct cut cut = {.packet = tunnel->next_packet};
  if (!may || fragment_plan(packet.size, room, &cut.count, &cut.each) != 0) {
    return SENT_TOO_BIG;
  }
  tunnel->cut = cut;
  tunnel->next_packet++;
  return SENT_DONE;
}

static int send_fragment(struct tunnel *tunnel, struct span packet) {
  struct cut *cut = &tunnel->cut;
  bool last = cut->next + 1 == cut->count;
  uint8_t header[FRAGMENT_HEADER_SIZE];
  fragment_header_write(header, cut->packet, (uint8_t)cut->next, last);
  struct reader reader = reader_init(packet.data, packet.size);
  (void)reader_bytes(&reader, cut->next * cut->each);
  struct span piece = last ? reader.rest : reader_bytes(&reader, cut->each);
  int code = quic_connection_send_datagram(
      tunnel->connection, (struct span){.data = header, .size = sizeof(header)}, piece);
  if (code == 0) {
    cut->next++;
  }
  return code;
}

static bool is_silent(const struct quic_connection *connection) {
  uint64_t silence = quic_connection_silence(connection, quic_connection_time(connection));
  return silence >= TUNNEL_SILENCE && silence >= 2 * quic_connection_probe_timeout(connection);
}

static void note_sent(struct tunnel *tunnel, struct span packet) {
  tunnel->counters.sent_packets++;
  tunnel->counters.sent_bytes += packet.size;
  if (!is_silent(tunnel->connection)) {
    return;
  }
  if (tunnel->unanswered == NULL) {
    tunnel->unanswered = calloc(1, sizeof(*tunnel->unanswered));
    if (tunnel->unanswered == NULL) {
      return;
    }
    quic_connection_await_answer(tunnel->connection);
  }
  unanswered_keep(tunnel->unanswered, packet);
}

static enum sent later(struct tunnel *tunnel) {
  tunnel->blocked = true;
  return SENT_LATER;
}

/* Goes on with the packet in hand: whole if it fits, else fragment by fragment. */
static enum sent send_packet(struct tunnel *tunnel, struct span packet) {
  struct cut *cut = &tunnel->cut;
  int code = 0;
  /* A room that shrinks while a packet goes out in fragments makes one new plan worth while; its
   * other fragments never become a packet. */
  for (int plans = 0; plans < 2; plans++) {
    if (cut->count == 0) {
      code = quic_connection_send_datagram(tunnel->connection, (struct span){0}, packet);
      if (code == 0) {
        note_sent(tunnel, packet);
        return SENT_DONE;
      }
      if (code != ERROR_LIMIT) {
        return code == ERROR_AGAIN ? later(tunnel) : SENT_DONE;
      }
      enum sent begun = cut_begin(tunnel, packet);
      if (begun != SENT_DONE) {
        return begun;
      }
    }
    while (cut->next < cut->count && (code = send_fragment(tunnel, packet)) == 0) {
    }
    if (code == ERROR_AGAIN) {
      return later(tunnel);
    }
    cut->count = 0;
    if (code == 0) {
      tunnel->counters.fragmented++;
      note_sent(tunnel, packet);
      return SENT_DONE;
    }
    if (code != ERROR_LIMIT) {
      return SENT_DONE;
    }
  }
  return SENT_TOO_BIG;
}

/* Returns the size of the answer in `reply`; 0: none may be given. */
static size_t complain(struct tunnel *tunnel, struct span packet,
                       uint8_t reply[static ICMP_PACKET_MAX]) {
  size_t room = quic_connection_datagram_room(tunnel->connection);
  struct reader reader = reader_init(packet.data, packet.size);
  const struct ip_address *from =
      reader_u8(&reader) >> 4 == 4 ? &tunnel->config.peer_ipv4 : &tunnel->config.peer_ipv6;
  size_t size = icmp_packet_too_big(packet, from,
                                    room < IP_MINIMUM_MTU ? IP_MINIMUM_MTU : (uint32_t)room, reply);
  if (size > 0) {
    tunnel->counters.too_big++;
  } else {
    tunnel->counters.dropped_invalid++;
  }
  return size;
}

static void deliver(struct tunnel *tunnel, const uint8_t *data, size_t size) {
  if (size > 0) {
    tunnel->config.deliver((struct span){.data = data, .size = size}, tunnel->config.context);
  }
}

static void queue_push(struct tunnel *tunnel, struct span packet) {
  bool first = send_queue_count(&tunnel->queue) == 0;
  uint64_t now = quic_connection_time(tunnel->connection);
  int gone = send_queue_push(&tunnel->queue, packet, now);
  tunnel->counters.dropped_full += gone < 0 ? 1 : (uint64_t)gone;
  if (first) { /* it may be sent in part already */
    (void)send_queue_front(&tunnel->queue, now, &tunnel->counters.dropped_late);
  }
  if (tunnel->queue.chosen == NULL) { /* who was sent in part is gone */
    tunnel->cut = (struct cut){0};
  }
}

/* Everything that `deliver` could change is settled before it is called. */
static void drain(struct tunnel *tunnel) {
  enter(tunnel);
  while (!tunnel->freed) {
    struct span packet = send_queue_front(&tunnel->queue, quic_connection_time(tunnel->connection),
                                          &tunnel->counters.dropped_late);
    if (packet.size == 0) {
      break;
    }
    enum sent sent = send_packet(tunnel, packet);
    if (sent == SENT_LATER) {
      break;
    }
    uint8_t reply[ICMP_PACKET_MAX];
    size_t size = sent == SENT_TOO_BIG ? complain(tunnel, packet, reply) : 0;
    send_queue_pop(&tunnel->queue);
    deliver(tunnel, reply, size);
  }
  leave(tunnel);
}

void tunnel_send(struct tunnel *tunnel, struct span packet) {
  struct reader reader = reader_init(packet.data, packet.size);
  uint8_t version = reader_u8(&reader) >> 4;
  if (version != 4 && version != 6) { /* would read as a frame of another kind at the peer */
    tunnel->counters.dropped_invalid++;
    return;
  }
  enter(tunnel);
  if (send_queue_count(&tunnel->queue) > 0 && !tunnel->blocked) {
    drain(tunnel);
  }
  if (tunnel->freed) {
    leave(tunnel);
    return;
  }
  enum sent sent = send_queue_count(&tunnel->queue) > 0 ? SENT_LATER : send_packet(tunnel, packet);
  if (sent == SENT_LATER) {
    queue_push(tunnel, packet);
  } else if (sent == SENT_TOO_BIG) {
    uint8_t reply[ICMP_PACKET_MAX];
    deliver(tunnel, reply, complain(tunnel, packet, reply));
  }
  leave(tunnel);
}

static void writable(struct quic_connection *connection UNUSED, void *context) {
  struct tunnel *tunnel = context;
  tunnel->blocked = false;
  drain(tunnel);
}

static void hand_over(struct unanswered *unanswered,
                      void (*take)(struct span packet, void *context), void *context) {
  for (size_t i = 0; unanswered != NULL && i < unanswered->count; i++) {
    const struct unanswered_packet *packet = &unanswered->packet[i];
    take((struct span){.data = packet->data, .size = packet->size}, context);
  }
  free(unanswered);
}

static void repeat(struct span packet, void *context) {
  struct tunnel *tunnel = context;
  if (!tunnel->freed) {
    tunnel->counters.repeated++;
    tunnel_send(tunnel, packet);
  }
}

static void answered(struct quic_connection *connection UNUSED, void *context) {
  struct tunnel *tunnel = context;
  struct unanswered *unanswered = tunnel->unanswered;
  tunnel->unanswered = NULL;
  enter(tunnel);
  hand_over(unanswered, repeat, tunnel);
  leave(tunnel);
}

void tunnel_salvage(struct tunnel *tunnel, void (*take)(struct span packet, void *context),
                    void *context) {
  struct unanswered *unanswered = tunnel->unanswered;
  tunnel->unanswered = NULL;
  hand_over(unanswered, take, context);
  tunnel->cut = (struct cut){0};
  uint64_t now = quic_connection_time(tunnel->connection);
  for (struct span packet;
       (packet = send_queue_front(&tunnel->queue, now, &tunnel->counters.dropped_late)).size > 0;) {
    take(packet, context);
    send_queue_pop(&tunnel->queue);
  }
}

/* --- in --- */

/* The check that makes a virtual address worth trusting: a peer speaks for its own alone. */
static bool addresses_allowed(const struct tunnel *tunnel, const struct ip_packet *packet) {
  const struct tunnel_config *config = &tunnel->config;
  if (packet->source.family == 4) {
    return ip_address_equal(&packet->source, &config->peer_ipv4) &&
           ip_address_equal(&packet->destination, &config->local_ipv4);
  }
  return ip_address_equal(&packet->source, &config->peer_ipv6) &&
         ip_address_equal(&packet->destination, &config->local_ipv6);
}

static void receive_packet(struct tunnel *tunnel, struct span data) {
  struct ip_packet packet;
  if (ip_packet_parse(data, &packet) != 0) {
    tunnel->counters.dropped_invalid++;
    return;
  }
  if (!addresses_allowed(tunnel, &packet)) {
    tunnel->counters.dropped_spoofed++;
    return;
  }
  tunnel->counters.received_packets++;
  tunnel->counters.received_bytes += data.size;
  deliver(tunnel, data.data, data.size);
}

static void receive_fragment(struct tunnel *tunnel, const struct fragment *fragment) {
  if (tunnel->reassembly == NULL && (tunnel->reassembly = reassembly_new()) == NULL) {
    tunnel->counters.dropped_full++;
    return;
  }
  struct span packet;
  int code = reassembly_add(tunnel->reassembly, fragment, clock_now(), &packet);
  if (code > 0) {
    enter(tunnel); /* the packet lies in the reassembly's memory: it stays until it is delivered */
    receive_packet(tunnel, packet);
    leave(tunnel);
  } else if (code < 0) {
    tunnel->counters.dropped_invalid++;
  }
}

static void received(struct quic_connection *connection UNUSED, struct span datagram,
                     void *context) {
  struct tunnel *tunnel = context;
  enum tunnel_frame frame;
  struct fragment fragment;
  if (tunnel_frame_parse(datagram, &frame, &fragment) != 0) {
    tunnel->counters.dropped_invalid++;
  } else if (frame == TUNNEL_FRAME_PACKET) {
    receive_packet(tunnel, datagram);
  } else {
    receive_fragment(tunnel, &fragment);
  }
}

/* --- the tunnel itself --- */

static const struct quic_datagram_handler datagram_handler = {
    .received = received,
    .writable = writable,
    .answered = answered,
};

int tunnel_new(struct quic_connection *connection, const struct tunnel_config *config,
               struct tunnel **out, struct error *error) {
  struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
  if (tunnel == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a tunnel");
  }
  tunnel->connection = connection;
  tunnel->config = *config;
  quic_connection_set_datagram_handler(connection, &datagram_handler, tunnel);
  *out = tunnel;
  return 0;
}

void tunnel_free(struct tunnel *tunnel) {
  if (tunnel == NULL || tunnel->freed) {
    return;
  }
  quic_connection_set_datagram_handler(tunnel->connection, NULL, NULL);
  tunnel->freed = true;
  if (tunnel->busy == 0) {
    destroy(tunnel);
  }
}

void tunnel_counters(const struct tunnel *tunnel, struct tunnel_counters *counters) {
  *counters = tunnel->counters;
  counters->marked_late = tunnel->queue.marked;
}

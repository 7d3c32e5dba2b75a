#include "node/lanes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/ring.h"
#include "net/udp.h"
#include "node/peer_table.h"

enum {
  PLACES = LANES_THREADS_MAX + 1, /* the main thread is place 0 */
  RING_SIZE = 256 << 10,          /* bytes; each is made when it is first needed */
  ARRIVALS_MAX = 192, /* packets from each other place a turn, so that all get their time */
};

/* A packet on its way to another place; its bytes follow. */
struct crossing {
  bool inner; /* for the applications of a peer; else a packet from the network */
  uint8_t ecn;
  unsigned interface;
  struct address remote;
  struct ip_address local; /* of an inner packet: its destination */
  size_t size;
  uint8_t data[];
};

/* Where inner packets of a destination go by. */
struct way {
  struct peer_entry entry; /* first: the table's entry is the way */
  struct link *link;
};

struct place {
  struct lanes *lanes;
  unsigned number;
  struct lane *lane; /* NULL: the main thread */
  struct quic_endpoint *endpoint;
  uv_async_t arrivals;
  _Atomic(struct ring *) from[PLACES]; /* by place; made by whoever hands over */
  struct peer_table *ways;
  struct packet_path *path; /* NULL: there is no device */
  bool open;                /* `arrivals` */
  bool silent;              /* it is being closed */
};

struct lanes {
  unsigned count; /* places */
  struct packet_path_config attached;
  unsigned attachment; /* counts them, so that what a former one says is not heard */
  bool gone;
  void (*outbound)(const struct ip_address *destination, struct span packet, void *context);
  void *outbound_context;
  struct place place[PLACES];
};

/* --- from place to place --- */

static struct ring *ring_to(struct place *place, unsigned from) {
  struct ring *ring = atomic_load_explicit(&place->from[from], memory_order_relaxed);
  if (!ring && !ring_new(RING_SIZE, &ring))
    atomic_store_explicit(&place->from[from], ring, memory_order_release);
  return ring;
}

/* What does not fit is lost, as on a wire. */
static void cross(const struct place *from, struct place *to, const struct crossing *header,
                  struct span data) {
  struct ring *ring = ring_to(to, from->number);
  struct crossing *crossing = ring ? ring_reserve(ring, sizeof *crossing + data.size) : NULL;
  if (!crossing)
    return;
  *crossing = *header;
  crossing->size = data.size;
  memcpy(crossing->data, data.data, data.size);
  ring_commit(ring);
  uv_async_send(&to->arrivals);
}

static void send_inner(struct place *place, const struct ip_address *destination,
                       struct span packet, bool crossed) {
  struct lanes *lanes = place->lanes;
  if (place->number == 0) {
    if (lanes->outbound)
      lanes->outbound(destination, packet, lanes->outbound_context);
    return;
  }
  const struct way *way = (struct way *)peer_table_find_address(place->ways, destination);
  struct lane *lane = way ? link_lane(way->link) : NULL;
  if (lane == place->lane) {
    link_send(way->link, packet);
    return;
  }
  /* One that has crossed once meets a way that has just changed: the main thread knows. */
  unsigned to = 0;
  for (unsigned i = 1; i < lanes->count && lane && !crossed; i++)
    if (lanes->place[i].lane == lane)
      to = i;
  const struct crossing header = {.inner = true, .local = *destination};
  cross(place, &lanes->place[to], &header, packet);
}

static void take(struct place *place, struct span record) {
  const struct crossing *crossing = (const struct crossing *)(const void *)record.data;
  if (crossing->inner) {
    send_inner(place, &crossing->local, (struct span){crossing->data, crossing->size}, true);
    return;
  }
  const struct udp_packet packet = {
      .remote = crossing->remote,
      .local = crossing->local,
      .interface = crossing->interface,
      .ecn = crossing->ecn,
      .data = crossing->data,
      .size = crossing->size,
  };
  quic_endpoint_take(place->endpoint, &packet);
}

static void arrived(uv_async_t *arrivals) {
  struct place *place = arrivals->data;
  for (unsigned i = 0; i < place->lanes->count && !place->silent; i++) {
    struct ring *ring = atomic_load_explicit(&place->from[i], memory_order_acquire);
    struct span record;
    unsigned taken = 0;
    while (ring && taken < ARRIVALS_MAX && ring_next(ring, &record)) {
      take(place, record);
      ring_release(ring);
      taken++;
    }
    if (taken == ARRIVALS_MAX)
      uv_async_send(arrivals);
  }
}

static void outbound(const struct ip_address *destination, struct span packet, void *context) {
  send_inner(context, destination, packet, false);
}

static void foreign(unsigned lane, const struct udp_packet *packet, void *context) {
  struct place *place = context;
  const struct crossing header = {
      .ecn = packet->ecn,
      .interface = packet->interface,
      .remote = packet->remote,
      .local = packet->local,
  };
  cross(place, &place->lanes->place[lane], &header, (struct span){packet->data, packet->size});
}

/* --- connections that end --- */

struct ending {
  struct lane_event event; /* first: what is handled is this */
  struct place *place;
  struct quic_connection *connection;
};

static void finish(struct lane_event *event) {
  struct ending *ending = (struct ending *)event;
  struct place *place = ending->place;
  lane_enter(place->lane);
  if (place->endpoint) /* else it ended with that */
    quic_connection_finish(ending->connection);
  lane_leave(place->lane);
  free(ending);
}

static void on_ending(struct quic_connection *connection, void *context) {
  struct place *place = context;
  struct ending *ending = malloc(sizeof *ending);
  if (!ending)
    return; /* it ends with the endpoint */
  *ending = (struct ending){.event.handle = finish, .place = place, .connection = connection};
  lane_post(place->lane, &ending->event);
}

/* --- the device --- */

struct loss {
  struct lane_event event; /* first: what is handled is this */
  struct lanes *lanes;
  unsigned attachment;
};

static void tell_gone(struct lane_event *event) {
  struct loss *loss = (struct loss *)event;
  struct lanes *lanes = loss->lanes;
  bool news = loss->attachment == lanes->attachment && !lanes->gone;
  free(loss);
  if (news) {
    lanes->gone = true;
    lanes->attached.gone(lanes->attached.context);
  }
}

static void on_gone(void *context) {
  struct place *place = context;
  struct loss *loss = malloc(sizeof *loss);
  if (!loss)
    return; /* another lane will tell */
  /* Another attachment begins only when no lane has a path of this one. */
  *loss = (struct loss){
      .event.handle = tell_gone, .lanes = place->lanes, .attachment = place->lanes->attachment};
  lane_post(place->lane, &loss->event);
}

static int attach_one(struct place *place, struct tun *tun, struct error *error) {
  struct packet_path_config config = place->lanes->attached;
  config.loop = lane_loop(place->lane);
  config.outbound = outbound;
  config.gone = on_gone;
  config.context = place;
  lane_enter(place->lane);
  int code = packet_path_new(&config, tun, &place->path, error);
  if (code)
    place->path = NULL;
  lane_leave(place->lane);
  return code;
}

int lanes_attach(struct lanes *lanes, const struct packet_path_config *config, struct tun *tun,
                 struct error *error) {
  lanes_detach(lanes);
  lanes->attached = *config;
  lanes->gone = false;
  int code = 0;
  struct tun *queues[PLACES] = {[1] = tun};
  for (unsigned i = 2; i < lanes->count && !code; i++) {
    code = tun_queue_open(tun, &queues[i], error);
    if (code)
      queues[i] = NULL;
  }
  for (unsigned i = 1; i < lanes->count; i++)
    if (code)
      tun_close(queues[i]);
    else
      code = attach_one(&lanes->place[i], queues[i], error);
  if (code)
    lanes_detach(lanes);
  return code;
}

void lanes_detach(struct lanes *lanes) {
  for (unsigned i = 1; i < lanes->count; i++) {
    struct place *place = &lanes->place[i];
    lane_enter(place->lane);
    packet_path_close(place->path);
    place->path = NULL;
    lane_leave(place->lane);
  }
  lanes->attachment++;
}

static void deliver(struct span packet, void *context) {
  struct place *place = context;
  if (place->path)
    packet_path_deliver(place->path, packet);
}

void lanes_deliver(struct lanes *lanes, struct span packet) {
  struct place *place = &lanes->place[1];
  lane_enter(place->lane);
  deliver(packet, place);
  lane_leave(place->lane);
}

/* --- what the main thread tells --- */

struct quic_endpoint *lanes_main_endpoint(const struct lanes *lanes) {
  return lanes->place[0].endpoint;
}

unsigned lanes_count(const struct lanes *lanes) {
  return lanes->count - 1;
}

void lanes_share(struct lanes *lanes, unsigned number, struct link_shared *shared) {
  struct place *place = &lanes->place[number + 1];
  shared->lane = place->lane;
  shared->loop = lane_loop(place->lane);
  shared->endpoint = place->endpoint;
  shared->deliver = deliver;
  shared->deliver_context = place;
}

void lanes_follow(struct lanes *lanes, const struct ip_prefix *ipv4, const struct ip_prefix *ipv6) {
  uint32_t route_id = quic_endpoint_route_id(lanes->place[0].endpoint);
  for (unsigned i = 1; i < lanes->count; i++) {
    struct place *place = &lanes->place[i];
    lane_enter(place->lane);
    quic_endpoint_set_route_id(place->endpoint, route_id);
    quic_endpoint_set_overlay(place->endpoint, ipv4, ipv6);
    lane_leave(place->lane);
  }
}

void lanes_set_outbound(struct lanes *lanes,
                        void (*function)(const struct ip_address *destination, struct span packet,
                                         void *context),
                        void *context) {
  lanes->outbound = function;
  lanes->outbound_context = context;
}

static void remove_way(struct place *place, const struct link *link) {
  struct way *way = (struct way *)peer_table_find_address(place->ways, &link_identity(link)->ipv4);
  if (way && way->link == link) {
    peer_table_remove(place->ways, &way->entry);
    free(way);
  }
}

static void add_way(struct place *place, struct link *link) {
  const struct pki_identity *peer = link_identity(link);
  struct way *way = calloc(1, sizeof *way);
  if (!way)
    return; /* the main thread knows it */
  way->link = link;
  way->entry.ipv4 = peer->ipv4;
  way->entry.ipv6 = peer->ipv6;
  if (peer_table_add(place->ways, &way->entry))
    free(way);
}

void lanes_set_link(struct lanes *lanes, const struct link *before, struct link *link) {
  for (unsigned i = 1; i < lanes->count; i++) {
    struct place *place = &lanes->place[i];
    lane_enter(place->lane);
    if (before)
      remove_way(place, before);
    if (link)
      add_way(place, link);
    lane_leave(place->lane);
  }
}

/* --- life --- */

static int open_place(struct place *place, const struct quic_endpoint_config *config, uint16_t port,
                      struct error *error) {
  struct quic_endpoint_config own = *config;
  if (place->number > 0) {
    own.loop = lane_loop(place->lane);
    own.port = port;
    place->ways = peer_table_new();
    if (!place->ways)
      return error_set(error, ERROR_NO_MEMORY, "no memory for a thread's peers");
  }
  own.lane = place->number;
  own.lanes = place->lanes->count;
  own.foreign = foreign;
  own.ending = place->number > 0 ? on_ending : NULL;
  own.context = place;
  lane_enter(place->lane);
  int code = quic_endpoint_new(&own, &place->endpoint, error);
  if (code)
    place->endpoint = NULL;
  int status = code ? 0 : uv_async_init(own.loop, &place->arrivals, arrived);
  place->open = !code && !status;
  lane_leave(place->lane);
  if (status)
    code = error_set(error, ERROR_SYSTEM, "a thread cannot be woken: %s", uv_strerror(status));
  return code;
}

int lanes_new(unsigned count, const struct quic_endpoint_config *endpoint, struct lanes **out,
              struct error *error) {
  struct lanes *lanes = calloc(1, sizeof *lanes);
  if (!lanes)
    return error_set(error, ERROR_NO_MEMORY, "no memory for threads");
  lanes->count = count + 1;
  int code = 0;
  uint16_t port = 0;
  for (unsigned i = 0; i < lanes->count && !code; i++) {
    struct place *place = &lanes->place[i];
    place->lanes = lanes;
    place->number = i;
    place->arrivals.data = place;
    if (i > 0)
      code = lane_new(endpoint->loop, i, &place->lane, error);
    if (!code)
      code = open_place(place, endpoint, port, error);
    if (i == 0 && !code) {
      port = quic_endpoint_port(place->endpoint, 4);
      port = port != 0 ? port : quic_endpoint_port(place->endpoint, 6);
    }
  }
  if (code) {
    struct quic_endpoint *opened = lanes->place[0].endpoint;
    lanes_close(lanes);
    if (opened)
      quic_endpoint_close(opened, NULL, NULL);
    return code;
  }
  *out = lanes;
  return 0;
}

/* Nothing comes from it any more. */
static void silence(struct place *place) {
  lane_enter(place->lane);
  place->silent = true;
  packet_path_close(place->path);
  place->path = NULL;
  if (place->endpoint)
    quic_endpoint_close(place->endpoint, NULL, NULL);
  place->endpoint = NULL;
  for (struct peer_entry *entry; place->ways && (entry = peer_table_first(place->ways));) {
    peer_table_remove(place->ways, entry);
    free(entry);
  }
  peer_table_free(place->ways);
  place->ways = NULL;
  lane_leave(place->lane);
}

static void end(struct place *place) {
  lane_enter(place->lane);
  if (place->open)
    uv_close((uv_handle_t *)&place->arrivals, NULL);
  lane_leave(place->lane);
  lane_free(place->lane);
}

static void free_all(struct lanes *lanes) {
  for (unsigned i = 0; i < lanes->count; i++)
    for (unsigned j = 0; j < lanes->count; j++)
      ring_free(atomic_load(&lanes->place[i].from[j]));
  free(lanes);
}

static void arrivals_closed(uv_handle_t *handle) {
  struct place *place = handle->data;
  free_all(place->lanes);
}

void lanes_close(struct lanes *lanes) {
  if (!lanes)
    return;
  struct place *main = &lanes->place[0];
  main->silent = true;
  /* Each may hand over to any other until all are silent. */
  for (unsigned i = 1; i < lanes->count; i++)
    if (lanes->place[i].lane)
      silence(&lanes->place[i]);
  for (unsigned i = 1; i < lanes->count; i++)
    if (lanes->place[i].lane)
      end(&lanes->place[i]);
  if (main->open)
    uv_close((uv_handle_t *)&main->arrivals, arrivals_closed);
  else
    free_all(lanes);
}

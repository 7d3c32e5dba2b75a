#include "node/packet_path.h"

#include <stdlib.h>
#include <string.h>

#include "tunnel/join.h"
#include "tunnel/segment.h"

enum {
  ANSWERED_MAX = 4, /* packets delivered in a turn, up to which their answers are read at once */
};

struct packet_path {
  struct packet_path_config config;
  struct tun *tun;
  uv_poll_t poll;
  uv_check_t check;
  uv_idle_t idle; /* active while joined packets wait: the loop does not */
  unsigned open_handles;
  unsigned delivered; /* in this turn of the loop */
  struct join *join;
  uint8_t packet[TUN_PACKET_MAX];
};

/* From the destination itself: the kernel drops what arrives with one of its own addresses as
 * source.
 */
static void reject(struct packet_path *path, struct span packet,
                   const struct ip_address *destination) {
  uint8_t reply[ICMP_PACKET_MAX];
  size_t size = icmp_unreachable(packet, destination, reply);
  if (size > 0)
    packet_path_deliver(path, (struct span){.data = reply, .size = size});
}

/* Each header is written in front of its payload, where the payload before was, which has been
 * sent or copied by then. Returns how many packets it made. */
static unsigned send_segments(struct packet_path *path, const struct ip_address *destination,
                              struct span super, const struct tun_offload *offload) {
  struct segment_cut cut;
  if (segment_begin(&cut, super, offload, TUN_PACKET_MAX))
    return 1;
  segment_leave_checksums(&cut);
  unsigned count = 0;
  uint8_t header[SEGMENT_HEAD_MAX];
  struct span head, body;
  while (path->tun && segment_next(&cut, header, &head, &body)) {
    uint8_t *packet = path->packet + (body.data - path->packet) - head.size;
    memcpy(packet, header, head.size);
    path->config.outbound(destination, (struct span){packet, head.size + body.size},
                          path->config.context);
    count++;
  }
  return count;
}

static unsigned take(struct packet_path *path, struct span data,
                     const struct tun_offload *offload) {
  struct ip_packet packet;
  if (ip_packet_parse(data, &packet))
    return 1;
  switch (packet_verdict(&path->config.scope, &packet)) {
  case PACKET_FORWARD:
    return send_segments(path, &packet.destination, data, offload);
  case PACKET_REJECT:
    reject(path, data, &packet.destination);
    break;
  case PACKET_DROP:
    break;
  }
  return 1;
}

static void read_some(struct packet_path *path) {
  for (unsigned packets = 0; packets < PACKET_PATH_BATCH && path->tun;) {
    size_t size;
    struct tun_offload offload;
    int code = tun_read_super(path->tun, path->packet, sizeof path->packet, &size, &offload);
    if (code == ERROR_AGAIN)
      return;
    if (code == ERROR_INVALID || code == ERROR_NO_MEMORY) { /* lost, as on a wire */
      packets++;
    } else if (code) {
      uv_poll_stop(&path->poll);
      uv_check_stop(&path->check);
      log_error(path->config.log, "interface-gone", "name=%s error=%s", tun_name(path->tun),
                error_name(code));
      path->config.gone(path->config.context);
      return;
    } else {
      packets += take(path, (struct span){.data = path->packet, .size = size}, &offload);
    }
  }
}

static void readable(uv_poll_t *poll, UNUSED int status, UNUSED int events) {
  read_some(poll->data);
}

/* What the kernel answers by itself, an echo or an acknowledgement, is there as soon as a packet is
 * delivered. Read now, before the endpoint sends, it goes out a turn earlier and in one packet with
 * the endpoint's own acknowledgement. In a longer run there is nobody to wait for just one answer.
 */
static void turned(uv_check_t *check) {
  struct packet_path *path = check->data;
  uv_idle_stop(&path->idle);
  join_flush(path->join);
  unsigned delivered = path->delivered;
  path->delivered = 0;
  if (delivered > 0 && delivered <= ANSWERED_MAX)
    read_some(path);
}

static void handle_closed(uv_handle_t *handle) {
  struct packet_path *path = handle->data;
  if (--path->open_handles == 0) {
    join_free(path->join);
    free(path);
  }
}

static void turn_again(UNUSED uv_idle_t *idle) {
}

static void emit(const struct span *spans, size_t count, const struct tun_offload *offload,
                 void *context) {
  struct packet_path *path = context;
  if (path->tun && !tun_write_super(path->tun, spans, count, offload))
    path->delivered++;
}

static int prepare_join(struct packet_path *path, struct error *error) {
  unsigned offloads = tun_offloads(path->tun);
  if (!(offloads & TUN_OFFLOADS_TCP)) {
    log_info(path->config.log, "interface-slow",
             "name=%s text=\"this kernel cuts and joins no packets: throughput is lower\"",
             tun_name(path->tun));
  }
  const struct join_config join = {
      .single = !(offloads & TUN_OFFLOADS_TCP),
      .udp = (offloads & TUN_OFFLOADS_UDP) != 0,
      .copy = true, /* a packet lies where the connection decrypts the next */
      .emit = emit,
      .context = path,
  };
  return join_new(&join, &path->join, error);
}

int packet_path_new(const struct packet_path_config *config, struct tun *tun,
                    struct packet_path **out, struct error *error) {
  struct packet_path *path = calloc(1, sizeof *path);
  if (!path) {
    tun_close(tun);
    return error_set(error, ERROR_NO_MEMORY, "no memory for the packet path");
  }
  path->config = *config;
  path->tun = tun;
  path->poll.data = path;
  int code = prepare_join(path, error);
  if (code) {
    tun_close(tun);
    free(path);
    return code;
  }
  int status = uv_poll_init(config->loop, &path->poll, tun_descriptor(tun));
  if (status) {
    join_free(path->join);
    tun_close(tun);
    free(path);
    return error_set(error, ERROR_SYSTEM, "the interface cannot be polled: %s",
                     uv_strerror(status));
  }
  path->check.data = path->idle.data = path;
  uv_check_init(config->loop, &path->check);
  uv_idle_init(config->loop, &path->idle);
  path->open_handles = 3;
  uv_poll_start(&path->poll, UV_READABLE, readable);
  uv_check_start(&path->check, turned);
  *out = path;
  return 0;
}

void packet_path_close(struct packet_path *path) {
  if (!path)
    return;
  uv_poll_stop(&path->poll);
  tun_close(path->tun);
  path->tun = NULL;
  uv_close((uv_handle_t *)&path->poll, handle_closed);
  uv_close((uv_handle_t *)&path->check, handle_closed);
  uv_close((uv_handle_t *)&path->idle, handle_closed);
}

void packet_path_deliver(struct packet_path *path, struct span packet) {
  if (!path->tun)
    return;
  join_add(path->join, packet);
  if (join_pending(path->join))
    uv_idle_start(&path->idle, turn_again);
}

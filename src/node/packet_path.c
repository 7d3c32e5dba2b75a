#include "node/packet_path.h"

#include <stdlib.h>

enum {
  PACKET_MAX = 65535, /* whatever MTU an administrator gives the device */
  ANSWERED_MAX = 4,   /* packets delivered in a turn, up to which their answers are read at once */
};

struct packet_path {
  struct packet_path_config config;
  struct tun *tun;
  uv_poll_t poll;
  uv_check_t check;
  unsigned open_handles;
  unsigned delivered; /* in this turn of the loop */
  struct packet_path_counters counters;
  uint8_t packet[PACKET_MAX];
};

/* From the destination itself: the kernel drops what arrives with one of its own addresses as
 * source.
 */
static void reject(struct packet_path *path, struct span packet,
                   const struct ip_address *destination) {
  uint8_t reply[ICMP_PACKET_MAX];
  size_t size = icmp_unreachable(packet, destination, reply);
  path->counters.rejected++;
  if (size > 0)
    packet_path_deliver(path, (struct span){.data = reply, .size = size});
}

static void take(struct packet_path *path, struct span data) {
  struct ip_packet packet;
  if (ip_packet_parse(data, &packet)) {
    path->counters.dropped++;
    return;
  }
  switch (packet_verdict(&path->config.scope, &packet)) {
  case PACKET_FORWARD:
    path->counters.forwarded++;
    path->config.outbound(&packet.destination, data, path->config.context);
    return;
  case PACKET_REJECT:
    reject(path, data, &packet.destination);
    return;
  case PACKET_DROP:
    path->counters.dropped++;
    return;
  }
}

static void read_some(struct packet_path *path) {
  for (int i = 0; i < PACKET_PATH_BATCH && path->tun; i++) {
    size_t size;
    int code = tun_read(path->tun, path->packet, sizeof path->packet, &size);
    if (code == ERROR_AGAIN)
      return;
    if (code) {
      uv_poll_stop(&path->poll);
      uv_check_stop(&path->check);
      log_error(path->config.log, "interface-gone", "name=%s error=%s", tun_name(path->tun),
                error_name(code));
      path->config.gone(path->config.context);
      return;
    }
    take(path, (struct span){.data = path->packet, .size = size});
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
  unsigned delivered = path->delivered;
  path->delivered = 0;
  if (delivered > 0 && delivered <= ANSWERED_MAX)
    read_some(path);
}

static void handle_closed(uv_handle_t *handle) {
  struct packet_path *path = handle->data;
  if (--path->open_handles == 0)
    free(path);
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
  int status = uv_poll_init(config->loop, &path->poll, tun_descriptor(tun));
  if (status) {
    tun_close(tun);
    free(path);
    return error_set(error, ERROR_SYSTEM, "the interface cannot be polled: %s",
                     uv_strerror(status));
  }
  path->check.data = path;
  uv_check_init(config->loop, &path->check);
  path->open_handles = 2;
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
}

void packet_path_deliver(struct packet_path *path, struct span packet) {
  if (!path->tun || tun_write(path->tun, packet.data, packet.size))
    path->counters.undelivered++;
  else
    path->delivered++;
}

const struct tun *packet_path_tun(const struct packet_path *path) {
  return path->tun;
}

void packet_path_counters(const struct packet_path *path, struct packet_path_counters *counters) {
  *counters = path->counters;
}

#include "node/plane.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "node/backoff.h"
#include "node/host_addresses.h"
#include "node/interface.h"

enum { RETRY_FIRST = 1000, RETRY_LIMIT = 60000 /* milliseconds */, DNS_PORT = 53 };

struct plane {
  struct plane_config config;
  struct ip_prefix ipv4_prefix, ipv6_prefix; /* length 0: not known yet */
  unsigned index;                            /* of the device; 0: there is none */
  char name[IFNAMSIZ];                       /* its own */
  struct packet_path *path;                  /* NULL: the lanes have it */
  struct resolver *resolver;
  struct backoff backoff;
  bool impaired;    /* the interface was set down, or lacks an address */
  uv_timer_t timer; /* until the next attempt at the interface */
};

static void build(struct plane *plane);

static void take_down(struct plane *plane) {
  plane->impaired = false;
  resolver_close(plane->resolver);
  plane->resolver = NULL;
  if (plane->config.lanes) {
    lanes_set_outbound(plane->config.lanes, NULL, NULL);
    lanes_detach(plane->config.lanes);
  }
  packet_path_close(plane->path);
  plane->path = NULL;
  plane->index = 0;
  network_watch_except(plane->config.watch, 0);
}

static void retry_over(uv_timer_t *timer) {
  build(timer->data);
}

static void retry_later(struct plane *plane) {
  uint32_t random;
  random_bytes(&random, sizeof random);
  uv_timer_start(&plane->timer, retry_over, backoff_next(&plane->backoff, random), 0);
}

static void path_outbound(const struct ip_address *destination, struct span packet, void *context) {
  struct plane *plane = context;
  plane->config.outbound(destination, packet, plane->config.context);
}

static void path_gone(void *context) {
  struct plane *plane = context;
  warnings_set(plane->config.warnings, WARNING_INTERFACE,
               "interface %s was taken away or down; it will be made again",
               plane->config.interface_name);
  take_down(plane);
  retry_later(plane);
}

/* --- the resolver --- */

static void ask(struct resolver_query *query, const struct dns_question *question, void *context) {
  struct plane *plane = context;
  names_answer(plane->config.names, query, question);
}

static int resolver_build(struct plane *plane, struct error *error) {
  const struct plane_config *config = &plane->config;
  struct address listen = config->resolver;
  if (!ip_address_is_set(&listen.ip))
    listen = (struct address){.ip = config->names->with_ipv4 ? config->ipv4 : config->ipv6,
                              .port = DNS_PORT};
  struct resolver_config resolver = {
      .loop = config->loop,
      .log = config->log,
      .listen = listen,
      .domain = config->domain,
      .ipv4_prefix = plane->ipv4_prefix,
      .ipv6_prefix = plane->ipv6_prefix,
      .ask = ask,
      .context = plane,
  };
  int code = resolver_new(&resolver, &plane->resolver, error);
  if (code) {
    plane->resolver = NULL;
    return code;
  }
  if (!config->resolver_setup)
    return 0;
  code = resolver_setup_resolved(plane->index, &listen, config->domain, error);
  if (code != ERROR_NOT_FOUND)
    return code;
  char text[ADDRESS_TEXT_SIZE];
  log_info(config->log, "resolver-manual",
           "text=\"systemd-resolved does not run: ask %s for names of %s yourself\"",
           address_text(&listen, text), config->domain);
  return 0;
}

/* --- the interface --- */

static bool overlaps(struct plane *plane) {
  struct ip_prefix network;
  struct error error = {0};
  if (host_overlap_find(network_watch_netlink(plane->config.watch),
                        network_watch_excepted(plane->config.watch), &plane->ipv4_prefix, &network,
                        &error)) {
    log_warning(plane->config.log, "overlap-unknown", "error=\"%s\"", error.message);
    return false;
  }
  if (network.length == 0) {
    warnings_clear(plane->config.warnings, WARNING_OVERLAP);
    return false;
  }
  char local[ADDRESS_TEXT_SIZE], virtual[ADDRESS_TEXT_SIZE];
  warnings_set(plane->config.warnings, WARNING_OVERLAP,
               "the local network %s overlaps the virtual IPv4 range %s: IPv4 is off in this "
               "place, IPv6 goes on",
               ip_prefix_text(&network, local), ip_prefix_text(&plane->ipv4_prefix, virtual));
  return true;
}

static struct interface_config interface_of(const struct plane *plane) {
  const struct plane_config *config = &plane->config;
  return (struct interface_config){
      .name = config->interface_name,
      .ipv4 = config->ipv4,
      .ipv6 = config->ipv6,
      .ipv4_prefix = plane->ipv4_prefix,
      .ipv6_prefix = plane->ipv6_prefix,
      .with_queues = config->lanes,
      .with_ipv4 = config->names->with_ipv4,
  };
}

/* Takes the device over. */
static int take_packets(struct plane *plane, const struct packet_path_config *path, struct tun *tun,
                        struct error *error) {
  struct lanes *lanes = plane->config.lanes;
  if (lanes) {
    lanes_set_outbound(lanes, path_outbound, plane);
    return lanes_attach(lanes, path, tun, error);
  }
  int code = packet_path_new(path, tun, &plane->path, error);
  if (code)
    plane->path = NULL;
  return code;
}

static int interface_build(struct plane *plane, struct error *error) {
  const struct plane_config *config = &plane->config;
  struct interface_config interface = interface_of(plane);
  struct tun *tun;
  int code = interface_open(network_watch_netlink(config->watch), &interface, &tun, error);
  if (code)
    return code;
  struct packet_path_config path = {
      .loop = config->loop,
      .log = config->log,
      .scope = {.ipv4 = config->ipv4,
                .ipv6 = config->ipv6,
                .ipv4_prefix = plane->ipv4_prefix,
                .ipv6_prefix = plane->ipv6_prefix},
      .outbound = path_outbound,
      .gone = path_gone,
      .context = plane,
  };
  unsigned index = tun_index(tun);
  snprintf(plane->name, sizeof plane->name, "%s", tun_name(tun));
  code = take_packets(plane, &path, tun, error);
  if (!code) {
    plane->index = index;
    network_watch_except(config->watch, index);
  }
  return code;
}

static void build(struct plane *plane) {
  struct plane_config *config = &plane->config;
  take_down(plane);
  uv_timer_stop(&plane->timer);
  config->names->with_ipv4 = !overlaps(plane);
  struct error error = {0};
  if (interface_build(plane, &error)) {
    warnings_set(config->warnings, WARNING_INTERFACE, "no interface: %s", error.message);
    retry_later(plane);
    return;
  }
  warnings_clear(config->warnings, WARNING_INTERFACE);
  backoff_reset(&plane->backoff);
  log_info(config->log, "interface-up", "name=%s", config->interface_name);
  if (resolver_build(plane, &error))
    warnings_set(config->warnings, WARNING_RESOLVER, "names cannot be resolved: %s", error.message);
  else
    warnings_clear(config->warnings, WARNING_RESOLVER);
}

/* --- the owner's side --- */

int plane_new(const struct plane_config *config, struct plane **out, struct error *error) {
  struct plane *plane = calloc(1, sizeof *plane);
  if (!plane)
    return error_set(error, ERROR_NO_MEMORY, "no memory for the interface");
  plane->config = *config;
  plane->backoff = (struct backoff){.first = RETRY_FIRST, .limit = RETRY_LIMIT};
  uv_timer_init(config->loop, &plane->timer);
  plane->timer.data = plane;
  *out = plane;
  return 0;
}

static void timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

void plane_close(struct plane *plane) {
  if (!plane)
    return;
  take_down(plane);
  uv_close((uv_handle_t *)&plane->timer, timer_closed);
}

static bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b) {
  return a->length == b->length && ip_address_equal(&a->address, &b->address);
}

void plane_set_overlay(struct plane *plane, const struct ip_prefix *ipv4,
                       const struct ip_prefix *ipv6) {
  if (prefix_equal(ipv4, &plane->ipv4_prefix) && prefix_equal(ipv6, &plane->ipv6_prefix))
    return;
  plane->ipv4_prefix = *ipv4;
  plane->ipv6_prefix = *ipv6;
  build(plane);
}

void plane_network_changed(struct plane *plane) {
  if (plane->ipv4_prefix.length == 0)
    return;
  bool with_ipv4 = !overlaps(plane);
  if (plane->index != 0 && with_ipv4 != plane->config.names->with_ipv4)
    build(plane);
}

void plane_interface_changed(struct plane *plane, bool up) {
  const struct plane_config *config = &plane->config;
  if (plane->index == 0)
    return;
  if (!up) {
    plane->impaired = true;
    warnings_set(config->warnings, WARNING_INTERFACE,
                 "interface %s was set down: ip link set %s up, or restart cyphonicd",
                 config->interface_name, config->interface_name);
    return;
  }
  struct interface_config interface = interface_of(plane);
  struct error error = {0};
  if (interface_restore(network_watch_netlink(config->watch), &interface, plane->index, &error)) {
    plane->impaired = true;
    warnings_set(config->warnings, WARNING_INTERFACE, "%s", error.message);
  } else if (plane->impaired) {
    plane->impaired = false;
    warnings_clear(config->warnings, WARNING_INTERFACE);
    log_info(config->log, "interface-up", "name=%s", config->interface_name);
  }
}

void plane_deliver(struct plane *plane, struct span packet) {
  if (plane->path)
    packet_path_deliver(plane->path, packet);
  else if (plane->config.lanes && plane->index != 0)
    lanes_deliver(plane->config.lanes, packet);
}

const char *plane_interface(const struct plane *plane) {
  return plane->index != 0 ? plane->name : NULL;
}

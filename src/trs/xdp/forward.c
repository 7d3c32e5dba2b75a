#include "trs/xdp/forward.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "quic/limits.h"
#include "trs/xdp/flow.h"
#include "trs/xdp/interfaces.h"
#include "trs/xdp/object.h"

static_assert(XDP_PAYLOAD_MAX == UDP_PAYLOAD_MAX, "the kernel forwards what user space does");
static_assert(sizeof(struct xdp_flow_key) == 24, "padding in the key");

struct xdp_forward {
  struct bpf_object *object;
  int program, flows, interfaces, totals; /* the object's descriptors */
  int links[XDP_INTERFACES_MAX];          /* the kernel detaches with the last descriptor */
  size_t link_count;
  struct xdp_totals *totals_read; /* one a processor, as the kernel writes them */
  size_t processors;
  char names[XDP_INTERFACES_MAX * (IF_NAMESIZE + 1)];
};

/* --- flows --- */

static struct xdp_flow_key key_of(const struct address *source, uint32_t route_id) {
  struct xdp_flow_key key = {
      .route_id = htonl(route_id), .source_port = htons(source->port), .family = source->ip.family};
  memcpy(key.source, source->ip.bytes, sizeof(key.source));
  return key;
}

/* The kernel's way to a link-local address needs an interface that nobody here knows. */
static bool can_be_routed(const struct ip_address *ip) {
  return ip_address_is_set(ip) && !ip_address_is_link_local(ip) && !ip_address_is_loopback(ip);
}

static bool is_simple(const struct relay_flow *flow) {
  const struct ip_address *ips[] = {&flow->from.remote.ip, &flow->from.local, &flow->to.remote.ip,
                                    &flow->to.local};
  for (size_t i = 0; i < sizeof(ips) / sizeof(ips[0]); i++) {
    if (!can_be_routed(ips[i]) || ips[i]->family != ips[0]->family) {
      return false;
    }
  }
  return flow->seconds > 0;
}

static uint64_t deadline_of(int64_t seconds) {
  uint64_t now = clock_now(), most = (UINT64_MAX - now) / NANOSECONDS_PER_SECOND;
  uint64_t left = (uint64_t)seconds < most ? (uint64_t)seconds : most;
  return now + left * NANOSECONDS_PER_SECOND;
}

/* A key that is there already (binding_table_enter tells when) leads to the same node; it stays,
 * and the second one's part is user space when the first has left. */
static bool flow_enter(const struct relay_flow *flow, void *context) {
  struct xdp_forward *forward = context;
  if (!is_simple(flow)) {
    return false;
  }
  struct xdp_flow_key key = key_of(&flow->from.remote, flow->route_id);
  struct xdp_flow value = {.deadline = deadline_of(flow->seconds),
                           .port = htons(flow->to.remote.port)};
  memcpy(value.local, flow->from.local.bytes, sizeof(value.local));
  memcpy(value.from, flow->to.local.bytes, sizeof(value.from));
  memcpy(value.to, flow->to.remote.ip.bytes, sizeof(value.to));
  return bpf_map_update_elem(forward->flows, &key, &value, BPF_NOEXIST) == 0;
}

static void flow_leave(const struct address *source, uint32_t route_id,
                       struct relay_traffic *traffic, void *context) {
  struct xdp_forward *forward = context;
  struct xdp_flow_key key = key_of(source, route_id);
  struct xdp_flow value = {0};
  if (bpf_map_lookup_and_delete_elem(forward->flows, &key, &value) != 0) {
    /* Kernels before 5.14 cannot do both at once. */
    (void)bpf_map_lookup_elem(forward->flows, &key, &value);
    (void)bpf_map_delete_elem(forward->flows, &key);
  }
  *traffic = (struct relay_traffic){.packets = value.packets, .bytes = value.bytes};
}

static void flows_total(struct relay_traffic *traffic, void *context) {
  struct xdp_forward *forward = context;
  uint32_t zero = 0;
  *traffic = (struct relay_traffic){0};
  if (bpf_map_lookup_elem(forward->totals, &zero, forward->totals_read) != 0) {
    return;
  }
  for (size_t i = 0; i < forward->processors; i++) {
    traffic->packets += forward->totals_read[i].packets;
    traffic->bytes += forward->totals_read[i].bytes;
  }
}

struct relay_offload xdp_forward_offload(struct xdp_forward *forward) {
  return (struct relay_offload){
      .enter = flow_enter, .leave = flow_leave, .total = flows_total, .context = forward};
}

/* --- loading --- */

static int refused(struct error *error, int errno_value, const char *what, const char *name) {
  if (errno_value == EPERM || errno_value == EACCES) {
    return error_set_errno(error, errno_value,
                           "%s%s; it takes the capabilities CAP_BPF and CAP_NET_ADMIN", what, name);
  }
  return error_set_errno(error, errno_value, "%s%s", what, name);
}

static bool forwards(const char *path) {
  FILE *file = fopen(path, "re");
  int digit = file != NULL ? fgetc(file) : EOF;
  if (file != NULL) {
    fclose(file);
  }
  return digit != EOF && digit != '0';
}

/* The program asks for the way of packets as if they came from `lo`, which must be a router's for
 * that. It makes the host none: nothing comes from there but its own packets. */
static int settings_check(struct error *error) {
  if (forwards("/proc/sys/net/ipv4/conf/lo/forwarding") ||
      forwards("/proc/sys/net/ipv6/conf/lo/forwarding")) {
    return ERROR_NONE;
  }
  return error_set(error, ERROR_CONFIG,
                   "the kernel tells no ways to lo; run sysctl net.ipv4.conf.lo.forwarding=1 "
                   "net.ipv6.conf.lo.forwarding=1");
}

static int processors_prepare(struct xdp_forward *forward, struct error *error) {
  int processors = libbpf_num_possible_cpus();
  if (processors < 1) {
    return error_set(error, ERROR_SYSTEM, "cannot tell how many processors there are");
  }
  forward->processors = (size_t)processors;
  forward->totals_read = calloc(forward->processors, sizeof(*forward->totals_read));
  return forward->totals_read != NULL ? ERROR_NONE
                                      : error_set(error, ERROR_NO_MEMORY, "out of memory for XDP");
}

static int program_load(struct xdp_forward *forward, uint16_t port, struct error *error) {
  libbpf_set_print(NULL); /* what we have to say, we say ourselves */
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "cyphonic");
  forward->object = bpf_object__open_mem(xdp_object, sizeof(xdp_object), &options);
  if (forward->object == NULL) {
    return error_set_errno(error, errno, "cannot read the XDP program");
  }
  uint16_t network_port = htons(port);
  struct bpf_map *constants = bpf_object__find_map_by_name(forward->object, ".rodata");
  if (constants == NULL ||
      bpf_map__set_initial_value(constants, &network_port, sizeof(network_port)) != 0) {
    return error_set(error, ERROR_SYSTEM, "the XDP program is not as it was built");
  }
  int code = bpf_object__load(forward->object);
  if (code != 0) {
    return refused(error, -code, "the kernel does not load the XDP program", "");
  }
  forward->program =
      bpf_program__fd(bpf_object__find_program_by_name(forward->object, "forward_bound"));
  forward->flows = bpf_object__find_map_fd_by_name(forward->object, "flows");
  forward->interfaces = bpf_object__find_map_fd_by_name(forward->object, "interfaces");
  forward->totals = bpf_object__find_map_fd_by_name(forward->object, "totals");
  return ERROR_NONE;
}

/* --- attaching --- */

static int attach(struct xdp_forward *forward, const struct xdp_candidate *candidate,
                  struct error *error) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
  int link = bpf_link_create(forward->program, (int)candidate->index, BPF_XDP, &options);
  if (link < 0) {
    return refused(error, -link, "cannot attach the XDP program to ", candidate->name);
  }
  forward->links[forward->link_count++] = link;
  struct xdp_interface interface = {0};
  memcpy(interface.mac, candidate->mac, sizeof(interface.mac));
  uint32_t index = candidate->index;
  int code = bpf_map_update_elem(forward->interfaces, &index, &interface, BPF_ANY);
  if (code != 0) {
    return error_set_errno(error, -code, "cannot enter %s for the XDP program", candidate->name);
  }
  size_t used = strlen(forward->names);
  snprintf(forward->names + used, sizeof(forward->names) - used, "%s%s", used > 0 ? "," : "",
           candidate->name);
  return ERROR_NONE;
}

/* One is enough; the last refusal is told if there is none. */
static int attach_all(struct xdp_forward *forward, const struct xdp_candidate *candidates,
                      size_t count, struct error *error) {
  int code = ERROR_NONE;
  for (size_t i = 0; i < count; i++) {
    code = attach(forward, &candidates[i], error);
  }
  return forward->names[0] != '\0' ? ERROR_NONE : code;
}

int xdp_forward_new(const struct xdp_forward_config *config, struct xdp_forward **out,
                    struct error *error) {
  *out = NULL;
  struct xdp_candidate candidates[XDP_INTERFACES_MAX];
  size_t count;
  int code = xdp_interfaces_find(config, candidates, &count, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct xdp_forward *forward = calloc(1, sizeof(*forward));
  if (forward == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for XDP");
  }
  code = settings_check(error);
  if (code == ERROR_NONE) {
    code = processors_prepare(forward, error);
  }
  if (code == ERROR_NONE) {
    code = program_load(forward, config->port, error);
  }
  if (code == ERROR_NONE) {
    code = attach_all(forward, candidates, count, error);
  }
  if (code != ERROR_NONE) {
    xdp_forward_free(forward);
    return code;
  }
  *out = forward;
  return ERROR_NONE;
}

void xdp_forward_free(struct xdp_forward *forward) {
  if (forward == NULL) {
    return;
  }
  for (size_t i = 0; i < forward->link_count; i++) {
    close(forward->links[i]);
  }
  bpf_object__close(forward->object);
  free(forward->totals_read);
  free(forward);
}

const char *xdp_forward_interfaces(const struct xdp_forward *forward) {
  return forward->names;
}

int xdp_forward_program(const struct xdp_forward *forward) {
  return forward->program;
}

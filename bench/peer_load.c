/* Very many peers of one node (bench/scale) in one process: each signs up, registers with NMS and
 * has an endpoint, a session and tunnels of its own, all of src/node as a daemon has them. What
 * they lack is a TUN device: echo requests that come through a tunnel are answered in memory,
 * anything else is dropped. They do not survey the relays either.
 *
 *   peer-load FOLDER INVITATION PEER NODES AT-ONCE BEHIND-NAT
 *     FOLDER keeps the nodes' state, so that a later run needs no sign-up;
 *     INVITATION lets in all of them; PEER is the FQDN of the node under test;
 *     AT-ONCE so many tunnels are opened at a time;
 *     BEHIND-NAT yes: the nodes keep their tunnels alive as if they were behind NATs, which NMS is
 *     not told; no: they do not.
 *
 * Prints `registered=N` when all are registered; SIGUSR1 opens all tunnels, and `tunnels=N` with
 * the seconds it took and the failed attempts follows; SIGUSR2 prints `up=N`, how many stand.
 * SIGTERM ends it. */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "node/peers.h"
#include "node/session.h"
#include "node/sign_up.h"
#include "node/state.h"
#include "tunnel/checksum.h"

enum {
  NODES_MAX = 4000,    /* below the bounds of a node's table of peers */
  PACKET_MAX = 2048,   /* an echo request is no larger than the tunnel's MTU */
  BEGIN = 32,          /* nodes that sign up or register at a time: AS needs its time for each */
  RETRY = 200,         /* milliseconds after a failed tunnel */
  TUNNEL_IDLE = 86400, /* seconds: none closes meanwhile */
  KEEP_ALIVE = 25,     /* seconds, as a node's default */
};

struct load;

struct member {
  struct load *load;
  char folder[256], name[LABEL_SIZE];
  struct node_state state;
  struct node_identity identity;
  struct quic_endpoint *endpoint;
  struct sign_up *sign_up;
  struct session *session;
  struct peers *peers;
  uv_timer_t timer;
  bool registered, up;
};

struct load {
  uv_loop_t loop;
  uv_signal_t signals[3];
  struct log log;
  const char *folder, *peer;
  struct invitation invitation;
  struct host_addresses addresses;
  size_t count, at_once;
  bool behind_nat;
  size_t begun, registered; /* nodes */
  size_t opened, up;        /* tunnels */
  unsigned long failures;
  uint64_t since; /* nanoseconds */
  bool ending;
  struct member *member;
};

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "peer-load: %s: %s\n", what, why);
  exit(1);
}

static void must(int code, const struct error *error) {
  if (code != 0)
    fail(error_name(code), error->message);
}

static double seconds_since(uint64_t since) {
  return (double)(clock_now() - since) / (double)NANOSECONDS_PER_SECOND;
}

/* --- inner packets --- */

/* Turns an echo request round; false: it is none. */
static bool turn_echo(uint8_t *packet, size_t size, const struct ip_packet *parsed) {
  uint8_t *message = packet + parsed->header_size;
  size_t length = size - parsed->header_size;
  bool is_ipv4 = parsed->source.family == 4;
  if (length < sizeof(struct icmphdr) ||
      parsed->protocol != (is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) ||
      message[0] != (is_ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST))
    return false;
  size_t at = is_ipv4 ? offsetof(struct iphdr, saddr) : offsetof(struct ip6_hdr, ip6_src);
  size_t address_size = ip_address_size(&parsed->source);
  memcpy(packet + at, parsed->destination.bytes, address_size);
  memcpy(packet + at + address_size, parsed->source.bytes, address_size);
  message[0] = is_ipv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
  message[2] = message[3] = 0;
  struct span addresses = {packet + at, 2 * address_size};
  uint64_t sum = is_ipv4 ? 0 : checksum_pseudo_header(addresses, IPPROTO_ICMPV6, (uint32_t)length);
  uint16_t checksum = checksum_finish(checksum_add(sum, (struct span){message, length}));
  message[2] = (uint8_t)(checksum >> 8);
  message[3] = (uint8_t)checksum;
  return true;
}

static void deliver(struct span packet, void *context) {
  struct member *member = context;
  uint8_t reply[PACKET_MAX];
  struct ip_packet parsed;
  if (packet.size > sizeof reply || ip_packet_parse(packet, &parsed))
    return;
  memcpy(reply, packet.data, packet.size);
  if (turn_echo(reply, packet.size, &parsed))
    peers_send(member->peers, &parsed.source, (struct span){reply, packet.size});
}

/* --- tunnels --- */

static void open_next(struct load *load);

static void open_again(uv_timer_t *timer);

static void found(int code, struct peer *peer UNUSED, const struct error *error, void *context) {
  struct member *member = context;
  struct load *load = member->load;
  if (load->ending)
    return;
  if (code) {
    if (load->failures++ == 0)
      fprintf(stderr, "peer-load: %s: %s\n", member->name, error->message);
    uv_timer_start(&member->timer, open_again, RETRY, 0);
    return;
  }
  if (member->up)
    return;
  member->up = true;
  if (++load->up == load->count)
    printf("tunnels=%zu seconds=%.3f failures=%lu\n", load->up, seconds_since(load->since),
           load->failures);
  else
    open_next(load);
}

static void open_again(uv_timer_t *timer) {
  struct member *member = timer->data;
  peers_find(member->peers, member->load->peer, NULL, PEER_WAIT_UP, found, member);
}

static void open_next(struct load *load) {
  if (load->opened < load->count)
    open_again(&load->member[load->opened++].timer);
}

static void open_all(struct load *load) {
  if (load->registered < load->count || load->opened > 0)
    fail("SIGUSR1", "not all are registered, or the tunnels were opened already");
  load->since = clock_now();
  for (size_t i = 0; i < load->at_once; i++)
    open_next(load);
}

static void count_up(const struct load *load) {
  size_t up = 0;
  for (size_t i = 0; i < load->count; i++)
    for (const struct peer *peer = peers_first(load->member[i].peers); peer;
         peer = (const struct peer *)peer->entry.next)
      up += peer->state == PEER_UP;
  printf("up=%zu\n", up);
}

/* --- what the parts of a node ask of each other --- */

static int ask(const control_message *message, control_reply_callback callback, void *asker,
               struct error *error, void *context) {
  struct member *member = context;
  return session_ask(member->session, message, callback, asker, error);
}

static uint64_t keep_alive(int family UNUSED, void *context) {
  struct member *member = context;
  return member->load->behind_nat ? KEEP_ALIVE * NANOSECONDS_PER_SECOND : 0;
}

static void own(struct path_own *addresses, void *context) {
  struct member *member = context;
  session_own(member->session, addresses);
}

/* --- the session's events --- */

static void begin_next(struct load *load);

static void registered(const struct session_registration *registration UNUSED, void *context) {
  struct member *member = context;
  struct load *load = member->load;
  peers_hurry(member->peers);
  if (member->registered)
    return;
  member->registered = true;
  if (++load->registered == load->count)
    printf("registered=%zu seconds=%.3f\n", load->registered, seconds_since(load->since));
  else
    begin_next(load);
}

static void failed(const struct error *error, bool permanent, void *context) {
  const struct member *member = context;
  if (permanent)
    fail(member->name, error->message);
}

static void nms_learned(const struct service_addresses *nms, void *context) {
  struct member *member = context;
  member->state.nms = *nms;
}

static void keep_alive_changed(void *context UNUSED) {
}

static void clock_compared(int64_t difference UNUSED, void *context UNUSED) {
}

static void directed(struct control_exchange *exchange, const Cyphonic__RouteDirection *direction,
                     void *context) {
  struct member *member = context;
  struct error error = {0};
  must(peers_direct(member->peers, direction, &error), &error);
  Cyphonic__RouteDirectionConfirmation confirmation = CYPHONIC__ROUTE_DIRECTION_CONFIRMATION__INIT;
  confirmation.direction_id = direction->direction_id;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_ROUTE_DIRECTION_CONFIRMATION;
  reply.route_direction_confirmation = &confirmation;
  control_reply(exchange, &reply);
}

static const struct session_handler session_handler = {
    .registered = registered,
    .failed = failed,
    .nms_learned = nms_learned,
    .keep_alive_changed = keep_alive_changed,
    .clock_compared = clock_compared,
    .directed = directed,
};

/* --- life of a node --- */

static void bring_up(struct member *member) {
  struct load *load = member->load;
  const struct node_state *state = &member->state;
  struct error error = {0};
  must(state_identity_load(member->folder, state, clock_wall(), &member->identity, &error), &error);
  const struct session_config session = {
      .target = {.loop = &load->loop,
                 .log = &load->log,
                 .endpoint = member->endpoint,
                 .credentials = member->identity.credentials,
                 .trust = member->identity.trust},
      .fqdn = state->fqdn,
      .domain = state->domain,
      .ipv4 = state->ipv4,
      .ipv6 = state->ipv6,
      .as = state->as,
      .nms = state->nms,
      .keep_alive = KEEP_ALIVE * NANOSECONDS_PER_SECOND,
  };
  must(session_new(&session, &session_handler, member, &member->session, &error), &error);
  const struct peers_config peers = {
      .loop = &load->loop,
      .log = &load->log,
      .endpoint = member->endpoint,
      .credentials = member->identity.credentials,
      .trust = member->identity.trust,
      .fqdn = state->fqdn,
      .domain = state->domain,
      .ipv4 = state->ipv4,
      .ipv6 = state->ipv6,
      .tunnel_idle = TUNNEL_IDLE * NANOSECONDS_PER_SECOND,
      .ask = ask,
      .keep_alive = keep_alive,
      .own = own,
      .deliver = deliver,
      .context = member,
  };
  must(peers_new(&peers, &member->peers, &error), &error);
  session_start(member->session, &load->addresses);
}

static void signed_up(int code, const struct error *error, void *context) {
  struct member *member = context;
  struct error fault = {0};
  member->sign_up = NULL;
  must(code, error);
  must(state_load(member->folder, &member->state, &fault), &fault);
  bring_up(member);
}

static void begin_next(struct load *load) {
  if (load->begun == load->count)
    return;
  struct member *member = &load->member[load->begun++];
  uint8_t secret[STATE_SECRET_SIZE];
  struct error error = {0};
  must(file_make_folder(member->folder, 0700, &error), &error);
  must(state_secret(member->folder, secret, &error), &error);
  const struct quic_endpoint_config endpoint = {
      .loop = &load->loop, .log = &load->log, .secret = secret};
  must(quic_endpoint_new(&endpoint, &member->endpoint, &error), &error);
  int code = state_load(member->folder, &member->state, &error);
  if (code == 0) {
    bring_up(member);
    return;
  }
  if (code != ERROR_NOT_FOUND)
    fail(member->folder, error.message);
  const struct sign_up_config config = {
      .loop = &load->loop,
      .log = &load->log,
      .endpoint = member->endpoint,
      .state_folder = member->folder,
      .invitation = &load->invitation,
      .name = member->name,
  };
  must(sign_up_start(&config, signed_up, member, &member->sign_up, &error), &error);
}

static void member_close(struct member *member) {
  struct peers *peers = member->peers;
  if (member->sign_up)
    sign_up_cancel(member->sign_up);
  session_close(member->session);
  member->peers = NULL;
  peers_close(peers);
  if (member->endpoint)
    quic_endpoint_close(member->endpoint, NULL, NULL);
  uv_close((uv_handle_t *)&member->timer, NULL);
}

/* --- all of them --- */

static void signalled(uv_signal_t *handle, int signal) {
  struct load *load = handle->data;
  if (signal == SIGUSR1) {
    open_all(load);
  } else if (signal == SIGUSR2) {
    count_up(load);
  } else if (!load->ending) {
    load->ending = true;
    for (size_t i = 0; i < load->count; i++)
      member_close(&load->member[i]);
    for (size_t i = 0; i < sizeof load->signals / sizeof *load->signals; i++)
      uv_close((uv_handle_t *)&load->signals[i], NULL);
  }
}

static void prepare(struct load *load) {
  static const int signals[] = {SIGUSR1, SIGUSR2, SIGTERM};
  struct error error = {0};
  struct netlink *netlink;
  const struct host_filter filter = {0};
  must(netlink_open(&netlink, &error), &error);
  must(host_addresses_read(netlink, &filter, &load->addresses, &error), &error);
  netlink_close(netlink);
  /* Two sockets a node, and more than most shells allow. */
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
  uv_loop_init(&load->loop);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    uv_signal_init(&load->loop, &load->signals[i]);
    load->signals[i].data = load;
    uv_signal_start(&load->signals[i], signalled, signals[i]);
  }
  load->member = calloc(load->count, sizeof *load->member);
  if (load->member == NULL)
    fail("nodes", strerror(errno));
  for (size_t i = 0; i < load->count; i++) {
    struct member *member = &load->member[i];
    member->load = load;
    snprintf(member->name, sizeof member->name, "load-%zu", i + 1);
    snprintf(member->folder, sizeof member->folder, "%.190s/%s", load->folder, member->name);
    uv_timer_init(&load->loop, &member->timer);
    member->timer.data = member;
  }
}

static bool read_arguments(struct load *load, char **arguments) {
  struct error error = {0};
  load->folder = arguments[1];
  must(invitation_parse(arguments[2], &load->invitation, &error), &error);
  load->peer = arguments[3];
  load->count = strtoul(arguments[4], NULL, 10);
  load->at_once = strtoul(arguments[5], NULL, 10);
  load->behind_nat = strcmp(arguments[6], "yes") == 0;
  return load->count >= 1 && load->count <= NODES_MAX && load->at_once >= 1 &&
         (load->behind_nat || strcmp(arguments[6], "no") == 0);
}

int main(int count, char **arguments) {
  struct load load = {.log = {.stream = stderr, .level = LOG_LEVEL_WARNING}};
  if (count != 7 || !read_arguments(&load, arguments)) {
    fprintf(stderr,
            "usage: peer-load FOLDER INVITATION PEER NODES AT-ONCE yes|no\n"
            "with 1 to %d nodes\n",
            NODES_MAX);
    return 2;
  }
  setlinebuf(stdout);
  prepare(&load);
  load.since = clock_now();
  for (size_t i = 0; i < BEGIN; i++)
    begin_next(&load);
  uv_run(&load.loop, UV_RUN_DEFAULT);
  uv_loop_close(&load.loop);
  for (size_t i = 0; i < load.count; i++)
    state_identity_clear(&load.member[i].identity);
  free(load.member);
  return 0;
}

#include "node/netcheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "node/login.h"
#include "node/message.h"
#include "node/netcheck_report.h"
#include "node/session.h"

#define TRS_ALPN "cyphonic-trs/1"

enum {
  ANSWER_TIMEOUT = 3000, /* milliseconds; made from memory */
  /* The handshake's round trips hold the time of its computations too; these hold none. */
  QUESTIONS = 3,
};

/* One address of one service over one IP version. */
struct probe {
  struct netcheck *netcheck;
  struct netcheck_result *result;
  struct dial *dial;
  struct quic_connection *connection;
  struct control *control;
  unsigned questions;        /* answered */
  uint16_t observation_port; /* that NMS told of; 0: none */
  bool done;                 /* the result is known */
};

struct netcheck {
  struct dial_target target;
  netcheck_callback callback; /* NULL: has come, or is not wanted any more */
  void *context;
  size_t count, undone, open; /* probes; open: not yet off the endpoint */
  uv_timer_t start;           /* so that the callback comes from the loop if nothing can be tried */
  bool start_open;
  bool second_ports; /* have been looked at, where it was worth it */
  size_t relay_count;
  char relay_name[NETCHECK_RELAYS_MAX][PKI_NAME_SIZE];
  struct probe probe[NETCHECK_RESULTS_MAX];
  struct netcheck_result result[NETCHECK_RESULTS_MAX];
};

static void release(struct netcheck *netcheck) {
  if (netcheck->callback == NULL && netcheck->open == 0 && !netcheck->start_open)
    free(netcheck);
}

static void start_closed(uv_handle_t *handle) {
  struct netcheck *netcheck = handle->data;
  netcheck->start_open = false;
  release(netcheck);
}

static uint16_t own_port(const struct netcheck *netcheck) {
  uint16_t port = quic_endpoint_port(netcheck->target.endpoint, 6);
  return port != 0 ? port : quic_endpoint_port(netcheck->target.endpoint, 4);
}

static void add_second_ports(struct netcheck *netcheck);

static void finish_if_done(struct netcheck *netcheck) {
  if (netcheck->undone > 0 || netcheck->callback == NULL)
    return;
  if (!netcheck->second_ports) {
    netcheck->second_ports = true;
    add_second_ports(netcheck);
    if (netcheck->undone > 0)
      return;
  }
  netcheck_callback callback = netcheck->callback;
  netcheck->callback = NULL;
  callback(netcheck_report(netcheck->result, netcheck->count, own_port(netcheck)),
           netcheck->context);
}

static void done(struct probe *probe, const char *message) {
  if (probe->done)
    return;
  probe->done = true;
  struct netcheck_result *result = probe->result;
  if (message != NULL)
    snprintf(result->message, sizeof result->message, "%s", message);
  if (probe->connection) {
    struct quic_connection_counters counters;
    quic_connection_counters(probe->connection, &counters);
    result->round_trip = counters.minimum_rtt;
    result->remote = quic_connection_remote(probe->connection);
    result->local = quic_connection_local(probe->connection);
  }
  probe->netcheck->undone--;
  finish_if_done(probe->netcheck);
}

/* --- the conversation --- */

static void closed(UNUSED struct quic_connection *connection, const struct quic_close *close,
                   void *context) {
  struct probe *probe = context;
  struct netcheck *netcheck = probe->netcheck;
  if (probe->control)
    control_free(probe->control);
  probe->control = NULL;
  done(probe, close->message);
  probe->connection = NULL;
  netcheck->open--;
  release(netcheck);
}

static const struct quic_handler handler = {.closed = closed};

static int ask(struct probe *probe, struct error *error);

/* AS knows no such question, and a refusal measures the round trip as well. */
static void answered(UNUSED struct control *control, int code, const control_message *reply,
                     const struct error *error, void *context) {
  struct probe *probe = context;
  struct address observed;
  if (reply == NULL) {
    done(probe, error->message);
  } else {
    if (!code && reply->body_case == CYPHONIC__MESSAGE__BODY_OBSERVATION_RESPONSE &&
        !message_endpoint(reply->observation_response->observed, &observed)) {
      uint32_t port = reply->observation_response->observation_port;
      probe->result->observed = observed;
      probe->observation_port = port <= UINT16_MAX ? (uint16_t)port : 0;
    }
    struct error fault = {0};
    if (++probe->questions < QUESTIONS && ask(probe, &fault) == 0)
      return;
    done(probe, NULL);
  }
  if (probe->connection)
    quic_connection_close(probe->connection, 0, "done");
}

static int ask(struct probe *probe, struct error *error) {
  Cyphonic__ObservationRequest request = CYPHONIC__OBSERVATION_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_OBSERVATION_REQUEST;
  message.observation_request = &request;
  return control_request(probe->control, &message, ANSWER_TIMEOUT, answered, probe, error);
}

static void dialled(int code, struct quic_connection *connection, const struct error *error,
                    void *context) {
  struct probe *probe = context;
  struct netcheck *netcheck = probe->netcheck;
  probe->dial = NULL;
  if (code) {
    done(probe, error->message);
    netcheck->open--;
    release(netcheck);
    return;
  }
  probe->connection = connection;
  probe->result->reachable = true;
  quic_connection_set_handler(connection, &handler, probe);
  struct error fault = {0};
  probe->control = control_new(connection, NULL, NULL);
  if (probe->control && ask(probe, &fault) == 0)
    return;
  done(probe, fault.message[0] != '\0' ? fault.message : NULL);
  quic_connection_close(connection, 0, "done");
}

static void dial_gone(void *context) {
  struct probe *probe = context;
  probe->netcheck->open--;
  release(probe->netcheck);
}

/* --- what is tried --- */

/* An address has one IP version, and is not tried over the other; a name may have both. */
static bool may_have(const char *host, int family) {
  struct ip_address ip;
  return ip_address_parse(host, &ip) || ip.family == family;
}

static void add(struct netcheck *netcheck, const char *service, const char *alpn,
                enum pki_purpose purpose, const struct service_address *where, int family) {
  if (netcheck->count == NETCHECK_RESULTS_MAX)
    return;
  struct probe *probe = &netcheck->probe[netcheck->count];
  struct netcheck_result *result = &netcheck->result[netcheck->count];
  netcheck->count++;
  *result = (struct netcheck_result){.service = service, .where = *where, .family = family};
  *probe = (struct probe){.netcheck = netcheck, .result = result};
  struct dial_target target = netcheck->target;
  target.alpn = alpn;
  target.purpose = purpose;
  target.family = family;
  target.parameters = (struct quic_parameters){.idle_timeout = 10 * NANOSECONDS_PER_SECOND};
  struct service_addresses only = {.count = 1, .item = {*where}};
  struct error error = {0};
  if (dial_start(&target, &only, dialled, probe, &probe->dial, &error)) {
    probe->dial = NULL;
    probe->done = true;
    snprintf(result->message, sizeof result->message, "%.255s", error.message);
    return;
  }
  netcheck->undone++;
  netcheck->open++;
}

static void add_service(struct netcheck *netcheck, const char *service, const char *alpn,
                        enum pki_purpose purpose, const struct service_addresses *addresses) {
  static const int families[] = {4, 6};
  for (size_t i = 0; i < addresses->count; i++)
    for (size_t j = 0; j < sizeof families / sizeof *families; j++)
      if (may_have(addresses->item[i].host, families[j]))
        add(netcheck, service, alpn, purpose, &addresses->item[i], families[j]);
}

static bool is_behind_nat(const struct netcheck_result *result) {
  return ip_address_is_set(&result->observed.ip) &&
         !ip_address_equal(&result->local.ip, &result->observed.ip);
}

/* One for each IP version: only where a NAT is in between, and only if other servers do not tell
 * already how it maps, since this port may be closed and is not missed then. */
static void add_second_ports(struct netcheck *netcheck) {
  static const int families[] = {4, 6};
  size_t count = netcheck->count;
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    if (netcheck_mapping(netcheck->result, count, families[i]) != NETCHECK_MAPPING_UNKNOWN)
      continue;
    for (size_t j = 0; j < count; j++) {
      const struct netcheck_result *told = &netcheck->result[j];
      if (told->family != families[i] || netcheck->probe[j].observation_port == 0 ||
          !is_behind_nat(told))
        continue;
      struct service_address where = {.port = netcheck->probe[j].observation_port};
      char host[ADDRESS_TEXT_SIZE];
      snprintf(where.host, sizeof where.host, "%s", ip_address_text(&told->remote.ip, host));
      add(netcheck, "NMS", NMS_ALPN, PKI_NMS, &where, families[i]);
      break;
    }
  }
}

static void started(uv_timer_t *timer) {
  struct netcheck *netcheck = timer->data;
  uv_close((uv_handle_t *)timer, start_closed);
  finish_if_done(netcheck);
}

int netcheck_start(const struct netcheck_config *config, netcheck_callback callback, void *context,
                   struct netcheck **out, struct error *error) {
  struct netcheck *netcheck = calloc(1, sizeof *netcheck);
  if (!netcheck)
    return error_set(error, ERROR_NO_MEMORY, "no memory to check the network");
  netcheck->target = config->target;
  netcheck->callback = callback;
  netcheck->context = context;
  uv_timer_init(config->target.loop, &netcheck->start);
  netcheck->start.data = netcheck;
  netcheck->start_open = true;
  uv_timer_start(&netcheck->start, started, 0, 0);
  add_service(netcheck, "AS", LOGIN_ALPN, PKI_AS, &config->as);
  add_service(netcheck, "NMS", NMS_ALPN, PKI_NMS, &config->nms);
  for (size_t i = 0; i < config->relay_count && i < NETCHECK_RELAYS_MAX; i++) {
    char *name = netcheck->relay_name[netcheck->relay_count++];
    snprintf(name, PKI_NAME_SIZE, "%s", config->relays[i].name);
    add_service(netcheck, name, TRS_ALPN, PKI_TRS, &config->relays[i].addresses);
  }
  *out = netcheck;
  return 0;
}

void netcheck_cancel(struct netcheck *netcheck) {
  netcheck->callback = NULL;
  for (size_t i = 0; i < netcheck->count; i++) {
    struct probe *probe = &netcheck->probe[i];
    probe->done = true;
    if (probe->dial) {
      struct dial *dial = probe->dial;
      probe->dial = NULL;
      dial_cancel(dial, dial_gone, probe);
    } else if (probe->connection) {
      quic_connection_close(probe->connection, 0, "no longer wanted");
    }
  }
  if (!uv_is_closing((uv_handle_t *)&netcheck->start))
    uv_close((uv_handle_t *)&netcheck->start, start_closed);
}

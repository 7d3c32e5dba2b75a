#include "node/mapping_lifetime.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "control/control.h"

/* One mapping, of a socket of its own. */
struct probe {
  struct mapping_lifetime *lifetime; /* NULL: not wanted any more */
  struct quic_endpoint *endpoint;
  struct dial *dial;
  struct quic_connection *connection;
  struct control *control;
  uint64_t silence; /* seconds, the one that is kept */
  uv_timer_t last;  /* an endpoint is not closed from its own callbacks */
};

struct mapping_lifetime {
  struct mapping_lifetime_config config;
  struct address nms;  /* family 0: there is nothing to learn */
  uint64_t survived;   /* seconds, the longest silence that was answered */
  bool known;          /* a longer one was not, or need not be */
  struct probe *probe; /* NULL: none is under way */
};

/* --- the end of a probe --- */

static void timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void endpoint_gone(void *context) {
  struct probe *probe = context;
  uv_close((uv_handle_t *)&probe->last, timer_closed);
}

static void disown(struct probe *probe) {
  if (probe->lifetime)
    probe->lifetime->probe = NULL;
  probe->lifetime = NULL;
}

/* Not from inside a callback of its endpoint. */
static void release(struct probe *probe) {
  disown(probe);
  uv_timer_stop(&probe->last);
  if (probe->dial)
    dial_cancel(probe->dial, NULL, NULL);
  quic_endpoint_close(probe->endpoint, endpoint_gone, probe);
}

static void last(uv_timer_t *timer) {
  release(timer->data);
}

static void finish(struct probe *probe) {
  disown(probe);
  uv_timer_start(&probe->last, last, 0, 0);
}

/* --- silences --- */

/* Half as long again each time: what is learned is at least two thirds of the truth, after a few
 * minutes. */
static uint64_t longer(uint64_t silence, uint64_t longest) {
  uint64_t next = silence + (silence > 1 ? silence / 2 : 1);
  return next < longest ? next : longest;
}

static uint64_t longest(const struct mapping_lifetime *lifetime) {
  return lifetime->config.longest / NANOSECONDS_PER_SECOND;
}

static void answered(struct control *control, int code, const control_message *reply,
                     const struct error *error, void *context);

static int ask(struct probe *probe, struct error *error) {
  Cyphonic__MappingLifetimeRequest request = CYPHONIC__MAPPING_LIFETIME_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  request.silence = (uint32_t)probe->silence;
  message.body_case = CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_REQUEST;
  message.mapping_lifetime_request = &request;
  return control_request(probe->control, &message,
                         UINT64_C(1000) * (probe->silence + MAPPING_LIFETIME_GRACE), answered,
                         probe, error);
}

/* What it shows of the NAT, if anything: that NMS went away shows nothing. */
static void give_up(struct probe *probe, int code, const struct error *error) {
  struct mapping_lifetime *lifetime = probe->lifetime;
  lifetime->known = code != ERROR_CLOSED;
  log_debug(lifetime->config.target.log, "mapping-silence-unanswered",
            "seconds=%llu survived=%llu error=\"%s\"", (unsigned long long)probe->silence,
            (unsigned long long)lifetime->survived, error->message);
  if (probe->connection)
    quic_connection_close(probe->connection, 0, "done");
  else
    finish(probe);
}

static void survive(struct probe *probe) {
  struct mapping_lifetime *lifetime = probe->lifetime;
  if (probe->silence > lifetime->survived)
    lifetime->survived = probe->silence;
  struct error error = {0};
  if (probe->silence >= longest(lifetime)) {
    lifetime->known = true;
    quic_connection_close(probe->connection, 0, "done");
  } else {
    probe->silence = longer(probe->silence, longest(lifetime));
    int code = ask(probe, &error);
    if (code)
      give_up(probe, code, &error);
  }
  lifetime->config.changed(lifetime->config.context);
}

static void answered(UNUSED struct control *control, int code, const control_message *reply,
                     const struct error *error, void *context) {
  struct probe *probe = context;
  struct error fault = {0};
  if (!probe->lifetime)
    return;
  if (code == 0 && reply->body_case != CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_RESPONSE) {
    code = error_set(&fault, ERROR_PROTOCOL, "NMS answered a silence with another message");
    error = &fault;
  }
  if (code)
    give_up(probe, code, error);
  else
    survive(probe);
}

/* --- the connection --- */

static void closed(UNUSED struct quic_connection *connection, UNUSED const struct quic_close *close,
                   void *context) {
  struct probe *probe = context;
  if (probe->control)
    control_free(probe->control);
  if (probe->lifetime)
    finish(probe);
}

static const struct quic_handler handler = {.closed = closed};

static void dialled(int code, struct quic_connection *connection, const struct error *error,
                    void *context) {
  struct probe *probe = context;
  struct error fault = {0};
  probe->dial = NULL;
  if (code == 0) {
    probe->connection = connection;
    quic_connection_set_handler(connection, &handler, probe);
    probe->control = control_new(connection, NULL, NULL);
    code = probe->control ? ask(probe, &fault)
                          : error_set(&fault, ERROR_NO_MEMORY, "no memory to ask NMS");
    error = &fault;
  }
  if (code)
    give_up(probe, code, error);
}

static int probe_open(struct probe *probe, struct mapping_lifetime *lifetime, struct error *error) {
  const struct mapping_lifetime_config *config = &lifetime->config;
  struct dial_target target = config->target;
  uint8_t secret[QUIC_SECRET_SIZE];
  random_bytes(secret, sizeof secret);
  const struct quic_endpoint_config endpoint = {
      .loop = target.loop, .log = target.log, .secret = secret};
  int code = quic_endpoint_new(&endpoint, &probe->endpoint, error);
  explicit_bzero(secret, sizeof secret);
  if (code)
    return code;
  char host[ADDRESS_TEXT_SIZE];
  struct service_addresses places = {0};
  (void)service_addresses_add(&places, ip_address_text(&lifetime->nms.ip, host),
                              lifetime->nms.port);
  target.endpoint = probe->endpoint;
  target.family = lifetime->nms.ip.family;
  target.parameters = (struct quic_parameters){
      .idle_timeout = config->longest + 2 * MAPPING_LIFETIME_GRACE * NANOSECONDS_PER_SECOND};
  code = dial_start(&target, &places, dialled, probe, &probe->dial, error);
  if (code)
    quic_endpoint_close(probe->endpoint, NULL, NULL);
  return code;
}

/* Best effort: without it the shortest silence holds. A mapping is begun with that one, since NATs
 * trust a flow only when it has gone both ways for a while (Linux: two seconds). */
static void start(struct mapping_lifetime *lifetime) {
  const struct mapping_lifetime_config *config = &lifetime->config;
  struct error error = {0};
  struct probe *probe = calloc(1, sizeof *probe);
  if (!probe)
    return;
  probe->lifetime = lifetime;
  probe->silence = config->shortest / NANOSECONDS_PER_SECOND;
  if (probe_open(probe, lifetime, &error)) {
    log_debug(config->target.log, "mapping-silence-skipped", "error=\"%s\"", error.message);
    free(probe);
    return;
  }
  uv_timer_init(config->target.loop, &probe->last);
  probe->last.data = probe;
  lifetime->probe = probe;
}

/* --- the owner's side --- */

struct mapping_lifetime *mapping_lifetime_new(const struct mapping_lifetime_config *config) {
  struct mapping_lifetime *lifetime = calloc(1, sizeof *lifetime);
  if (lifetime)
    lifetime->config = *config;
  return lifetime;
}

static void stop(struct mapping_lifetime *lifetime) {
  if (lifetime->probe)
    release(lifetime->probe);
}

void mapping_lifetime_free(struct mapping_lifetime *lifetime) {
  if (lifetime)
    stop(lifetime);
  free(lifetime);
}

void mapping_lifetime_forget(struct mapping_lifetime *lifetime) {
  stop(lifetime);
  bool changed = lifetime->survived != 0;
  lifetime->nms = (struct address){0};
  lifetime->survived = 0;
  lifetime->known = false;
  if (changed)
    lifetime->config.changed(lifetime->config.context);
}

void mapping_lifetime_learn(struct mapping_lifetime *lifetime, const struct address *nms) {
  mapping_lifetime_forget(lifetime);
  if (lifetime->config.longest <= lifetime->config.shortest)
    return;
  lifetime->nms = *nms;
  start(lifetime);
}

void mapping_lifetime_retry(struct mapping_lifetime *lifetime) {
  if (!ip_address_is_set(&lifetime->nms.ip) || lifetime->known)
    return;
  stop(lifetime);
  start(lifetime);
}

uint64_t mapping_lifetime_keep_alive(const struct mapping_lifetime *lifetime) {
  /* A fifth less than what was seen to be survived: some NATs only look for old mappings now and
   * then. */
  uint64_t learned = lifetime->survived * NANOSECONDS_PER_SECOND / 5 * 4;
  uint64_t shortest = lifetime->config.shortest;
  return learned > shortest ? learned : shortest;
}

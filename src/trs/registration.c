#include "trs/registration.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "control/control.h"

enum {
  ADDRESSES_MAX = 8, /* of one name that are tried */
  ATTEMPTS_MAX = 6,  /* until the pause is the longest */
  /* NMS calls a TRS dead that is silent for as long. */
  IDLE_TIMEOUT_SECONDS = 15,
  KEEP_ALIVE_SECONDS = 5,
  HANDSHAKE_TIMEOUT_SECONDS = 5,
  ANSWER_MILLISECONDS = 5000,
  LOAD_STEP = 16,                /* pairs, and a quarter of them, that make a difference to NMS */
  NMS_CLOSE_REPLACED = 1,        /* docs/protocol.md: registered over a newer connection */
  COVERED_MILLISECONDS = 900000, /* until we look whether two hosts are still one NMS */
};

enum link_state {
  LINK_RESTING,    /* until the timer fires */
  LINK_RESOLVING,  /* the NMS's name */
  LINK_CONNECTING, /* to one address after the other */
  LINK_TELLING,    /* connected, the first answer is awaited */
  LINK_REGISTERED,
  LINK_COVERED, /* another link leads to the same NMS and stands */
};

/* To one NMS. */
struct link {
  struct trs_registration *registration;
  char *host;
  uint16_t port;
  enum link_state state;
  uv_timer_t timer;
  uv_getaddrinfo_t request;
  struct address addresses[ADDRESSES_MAX];
  size_t address_count, next;
  struct quic_connection *connection;
  struct control *control;
  unsigned attempts; /* that failed since it was registered */
  bool asking;       /* an answer is awaited */
  size_t told;       /* pairs */
  bool warned;       /* of this failure; the next ones are for debugging */
};

struct trs_registration {
  struct trs_config config;
  char *public_hosts[TRS_PUBLIC_MAX];
  struct link links[TRS_NMS_MAX];
  size_t pairs;
  bool closing;
  size_t open; /* handles and requests that the loop still has */
  void (*done)(void *context);
  void *context;
};

static void link_begin(struct link *link);
static void link_next(struct link *link, const char *cause);

/* --- rest --- */

static void rest_over(uv_timer_t *timer) {
  link_begin(timer->data);
}

static void link_rest(struct link *link, uint64_t milliseconds, enum link_state state) {
  link->state = state;
  uv_timer_start(&link->timer, rest_over, milliseconds, 0);
}

/* The pause is half certain and half random, so that the TRSs of a network whose NMS was started
 * again do not all come at the same time. */
static void link_retry(struct link *link, const char *cause) {
  uint32_t step = TRS_RETRY_MAX;
  if (link->attempts < ATTEMPTS_MAX) {
    step = (uint32_t)TRS_RETRY_FIRST << link->attempts;
    link->attempts++;
  }
  uint32_t pause = step / 2 + random_below(step / 2 + 1);
  log_write(link->registration->config.log, link->warned ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
            "nms-unreachable", "nms=%s port=%u retry_ms=%u cause=\"%s\"", link->host, link->port,
            pause, cause);
  link->warned = true;
  link_rest(link, pause, LINK_RESTING);
}

/* --- what we say --- */

static void answered(struct control *control, int code, const control_message *reply,
                     const struct error *error, void *context);

static void link_tell(struct link *link) {
  const struct trs_registration *registration = link->registration;
  Cyphonic__ServiceAddress address[TRS_PUBLIC_MAX], *addresses[TRS_PUBLIC_MAX];
  for (size_t i = 0; i < registration->config.public_count; i++) {
    address[i] = (Cyphonic__ServiceAddress)CYPHONIC__SERVICE_ADDRESS__INIT;
    address[i].host = registration->public_hosts[i];
    address[i].port = registration->config.public[i].port;
    addresses[i] = &address[i];
  }
  Cyphonic__RelayRegistrationRequest request = CYPHONIC__RELAY_REGISTRATION_REQUEST__INIT;
  request.n_addresses = registration->config.public_count;
  request.addresses = addresses;
  request.pairs = (uint32_t)registration->pairs;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_RELAY_REGISTRATION_REQUEST;
  message.relay_registration_request = &request;
  struct error error = {0};
  link->told = registration->pairs;
  if (control_request(link->control, &message, ANSWER_MILLISECONDS, answered, link, &error) != 0) {
    quic_connection_close(link->connection, 0, "cannot register");
    return;
  }
  link->asking = true;
}

static bool load_differs(const struct link *link) {
  size_t pairs = link->registration->pairs;
  size_t difference = pairs > link->told ? pairs - link->told : link->told - pairs;
  return difference >= LOAD_STEP + link->told / 4;
}

static void answered(struct control *control UNUSED, int code, const control_message *reply UNUSED,
                     const struct error *error, void *context) {
  struct link *link = context;
  link->asking = false;
  if (code == ERROR_CLOSED) {
    return; /* `closed` of the connection says more */
  }
  if (code != 0) {
    log_warning(link->registration->config.log, "nms-refused", "nms=%s cause=\"%s\"", link->host,
                error->message);
    link->warned = true;
    quic_connection_close(link->connection, 0, "cannot register");
    return;
  }
  if (link->state == LINK_TELLING) {
    link->state = LINK_REGISTERED;
    link->attempts = 0;
    link->warned = false;
    log_info(link->registration->config.log, "nms-registered", "nms=%s port=%u", link->host,
             link->port);
  }
  if (load_differs(link)) {
    link_tell(link);
  }
}

/* --- connections --- */

static bool another_stands(const struct link *link) {
  const struct trs_registration *registration = link->registration;
  for (size_t i = 0; i < registration->config.nms_count; i++) {
    const struct link *other = &registration->links[i];
    if (other != link && (other->state == LINK_REGISTERED || other->state == LINK_TELLING)) {
      return true;
    }
  }
  return false;
}

static void wake_covered(struct trs_registration *registration) {
  for (size_t i = 0; i < registration->config.nms_count; i++) {
    if (registration->links[i].state == LINK_COVERED) {
      link_rest(&registration->links[i], 0, LINK_RESTING);
    }
  }
}

static void established(struct quic_connection *connection UNUSED, void *context) {
  struct link *link = context;
  link->state = LINK_TELLING;
  link_tell(link);
}

static void closed(struct quic_connection *connection UNUSED, const struct quic_close *close,
                   void *context) {
  struct link *link = context;
  enum link_state was = link->state;
  struct control *control = link->control;
  link->connection = NULL;
  link->control = NULL;
  control_free(control);
  if (was == LINK_CONNECTING) {
    link_next(link, close->message);
    return;
  }
  bool replaced = close->code == ERROR_CLOSED && close->by_peer &&
                  close->application_code == NMS_CLOSE_REPLACED;
  /* To insist would only make the two replace each other for ever. */
  if (replaced && another_stands(link)) {
    log_debug(link->registration->config.log, "nms-covered", "nms=%s port=%u", link->host,
              link->port);
    link_rest(link, COVERED_MILLISECONDS, LINK_COVERED);
    return;
  }
  if (replaced) { /* by another TRS that has our name */
    link->attempts = ATTEMPTS_MAX;
  }
  link_retry(link, close->message);
  wake_covered(link->registration);
}

static const struct quic_handler connection_handler = {.established = established,
                                                       .closed = closed};

static int link_connect(struct link *link, const struct address *remote, struct error *error) {
  const struct trs_config *config = &link->registration->config;
  const struct quic_target target = {
      .alpn = TRS_REGISTRATION_ALPN,
      .remote = *remote,
      .credentials = config->credentials,
      .trust = config->trust,
      .peer_purpose = PKI_NMS,
      .parameters = {.idle_timeout = IDLE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND,
                     .keep_alive = KEEP_ALIVE_SECONDS * NANOSECONDS_PER_SECOND,
                     .handshake_timeout = HANDSHAKE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND},
      .handler = &connection_handler,
      .context = link,
  };
  int code = quic_connect(config->endpoint, &target, &link->connection, error);
  if (code != 0) {
    link->connection = NULL;
    return code;
  }
  link->control = control_new(link->connection, NULL, NULL);
  if (link->control == NULL) {
    quic_connection_set_handler(link->connection, NULL, NULL);
    quic_connection_close(link->connection, 0, "out of memory");
    link->connection = NULL;
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a connection to NMS");
  }
  return 0;
}

/* The next address that can be tried; without one, a rest. */
static void link_next(struct link *link, const char *cause) {
  link->state = LINK_CONNECTING;
  struct error error = {0};
  while (link->next < link->address_count) {
    if (link_connect(link, &link->addresses[link->next++], &error) == 0) {
      return;
    }
    cause = error.message;
  }
  link_retry(link, cause);
}

/* --- names --- */

static void let_go(struct trs_registration *registration);

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  struct link *link = request->data;
  struct trs_registration *registration = link->registration;
  if (registration->closing) {
    uv_freeaddrinfo(list);
    let_go(registration);
    return;
  }
  registration->open--;
  for (const struct addrinfo *item = status == 0 ? list : NULL;
       item != NULL && link->address_count < ADDRESSES_MAX; item = item->ai_next) {
    struct address *address = &link->addresses[link->address_count];
    if (address_from_sockaddr(item->ai_addr, address) == 0) {
      address->port = link->port;
      link->address_count++;
    }
  }
  uv_freeaddrinfo(list);
  link_next(link, status == 0 ? "the name has no IP address" : uv_strerror(status));
}

static void link_begin(struct link *link) {
  struct trs_registration *registration = link->registration;
  link->address_count = link->next = 0;
  struct address *address = &link->addresses[0];
  if (ip_address_parse(link->host, &address->ip) == 0) {
    address->port = link->port;
    link->address_count = 1;
    link_next(link, "");
    return;
  }
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
  link->state = LINK_RESOLVING;
  link->request.data = link;
  int status =
      uv_getaddrinfo(registration->config.loop, &link->request, resolved, link->host, NULL, &hints);
  if (status != 0) {
    link_retry(link, uv_strerror(status));
    return;
  }
  registration->open++;
}

/* --- the owner's side --- */

void trs_registration_set_load(struct trs_registration *registration, size_t pairs) {
  registration->pairs = pairs;
  for (size_t i = 0; i < registration->config.nms_count; i++) {
    struct link *link = &registration->links[i];
    if (link->state == LINK_REGISTERED && !link->asking && load_differs(link)) {
      link_tell(link);
    }
  }
}

size_t trs_registration_count(const struct trs_registration *registration) {
  size_t count = 0;
  for (size_t i = 0; i < registration->config.nms_count; i++) {
    count += registration->links[i].state == LINK_REGISTERED;
  }
  return count;
}

static void release(struct trs_registration *registration) {
  for (size_t i = 0; i < TRS_NMS_MAX; i++) {
    free(registration->links[i].host);
  }
  for (size_t i = 0; i < TRS_PUBLIC_MAX; i++) {
    free(registration->public_hosts[i]);
  }
  free(registration);
}

static bool copy(struct trs_registration *registration, const struct trs_config *config) {
  for (size_t i = 0; i < config->public_count; i++) {
    registration->public_hosts[i] = strdup(config->public[i].host);
    if (registration->public_hosts[i] == NULL) {
      return false;
    }
  }
  for (size_t i = 0; i < config->nms_count; i++) {
    struct link *link = &registration->links[i];
    link->registration = registration;
    link->port = config->nms[i].port;
    link->host = strdup(config->nms[i].host);
    if (link->host == NULL) {
      return false;
    }
  }
  return true;
}

int trs_registration_new(const struct trs_config *config, struct trs_registration **out,
                         struct error *error) {
  *out = NULL;
  if (config->nms_count > TRS_NMS_MAX || config->public_count > TRS_PUBLIC_MAX) {
    return error_set(error, ERROR_LIMIT, "a TRS has at most %d NMSs and %d public addresses",
                     TRS_NMS_MAX, TRS_PUBLIC_MAX);
  }
  struct trs_registration *registration = calloc(1, sizeof(*registration));
  if (registration == NULL || !copy(registration, config)) {
    if (registration != NULL) {
      release(registration);
    }
    return error_set(error, ERROR_NO_MEMORY, "out of memory to register at NMS");
  }
  registration->config = *config;
  for (size_t i = 0; i < config->nms_count; i++) {
    struct link *link = &registration->links[i];
    uv_timer_init(config->loop, &link->timer);
    link->timer.data = link;
    registration->open++;
    /* From the loop: what runs in this process is served by then. */
    link_rest(link, 0, LINK_RESTING);
  }
  *out = registration;
  return 0;
}

static void let_go(struct trs_registration *registration) {
  if (--registration->open > 0) {
    return;
  }
  void (*done)(void *) = registration->done;
  void *context = registration->context;
  release(registration);
  if (done != NULL) {
    done(context);
  }
}

static void timer_closed(uv_handle_t *handle) {
  struct link *link = handle->data;
  let_go(link->registration);
}

void trs_registration_free(struct trs_registration *registration, void (*done)(void *context),
                           void *context) {
  registration->closing = true;
  registration->done = done;
  registration->context = context;
  registration->open++; /* this function's, so that nothing is freed under it */
  for (size_t i = 0; i < registration->config.nms_count; i++) {
    struct link *link = &registration->links[i];
    if (link->state == LINK_RESOLVING) {
      uv_cancel((uv_req_t *)&link->request);
    }
    if (link->connection != NULL) {
      quic_connection_set_handler(link->connection, NULL, NULL);
      quic_connection_close(link->connection, 0, "the TRS ends");
      control_free(link->control);
    }
    uv_close((uv_handle_t *)&link->timer, timer_closed);
  }
  let_go(registration);
}

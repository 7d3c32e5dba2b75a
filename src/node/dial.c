#include "node/dial.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
  uv_getaddrinfo_t request;
  struct dial *dial;
  struct service_address address;
};

struct dial {
  struct dial_target target;
  dial_callback callback;
  void *context;
  struct lookup lookups[SERVICE_ADDRESSES_MAX];
  size_t lookups_under_way;
  struct address found[DIAL_ADDRESSES_MAX];
  size_t found_count, next;
  size_t first; /* of those in the race */
  uv_timer_t timer;
  struct quic_connection *connection; /* in its handshake */
  bool cancelled;
  void (*ended)(void *context); /* after cancelling */
  struct error error;           /* of the last attempt */
};

static void found_add(struct dial *dial, const struct address *address) {
  if (dial->target.family != 0 && address->ip.family != dial->target.family)
    return;
  for (size_t i = 0; i < dial->found_count; i++)
    if (address_equal(&dial->found[i], address))
      return;
  if (dial->found_count < DIAL_ADDRESSES_MAX)
    dial->found[dial->found_count++] = *address;
}

/* A stable partition: within a family the operator's order holds. */
static void ipv6_first(struct dial *dial) {
  struct address sorted[DIAL_ADDRESSES_MAX];
  size_t count = 0;
  for (int family = 6; family >= 4; family -= 2)
    for (size_t i = 0; i < dial->found_count; i++)
      if (dial->found[i].ip.family == family)
        sorted[count++] = dial->found[i];
  memcpy(dial->found, sorted, count * sizeof *sorted);
}

/* --- attempts --- */

static void attempt_established(struct quic_connection *connection, void *context);
static void attempt_closed(struct quic_connection *connection, const struct quic_close *close,
                           void *context);

static const struct quic_handler attempt_handler = {
    .established = attempt_established,
    .closed = attempt_closed,
};

static void dial_freed(uv_handle_t *handle) {
  free(handle->data);
}

static void dial_free(struct dial *dial) {
  uv_close((uv_handle_t *)&dial->timer, dial_freed);
}

static void race_next(uv_timer_t *timer) {
  struct dial *dial = timer->data;
  if (dial->connection && !dial->cancelled && dial->next < dial->found_count)
    quic_connection_add_candidate(dial->connection, &dial->found[dial->next++]);
  else
    uv_timer_stop(timer);
}

/* Begins with the next address that can be tried; an error when there is none left. */
static int try_next(struct dial *dial) {
  while (dial->next < dial->found_count) {
    dial->first = dial->next;
    const struct address *remote = &dial->found[dial->next++];
    struct quic_target target = {
        .alpn = dial->target.alpn,
        .remote = *remote,
        .credentials = dial->target.credentials,
        .trust = dial->target.trust,
        .peer_purpose = dial->target.purpose,
        .peer_name = dial->target.peer_name,
        .parameters = dial->target.parameters,
        .handler = &attempt_handler,
        .context = dial,
    };
    target.parameters.handshake_timeout = DIAL_HANDSHAKE_TIMEOUT;
    struct error fault = {0};
    if (!quic_connect(dial->target.endpoint, &target, &dial->connection, &fault)) {
      uv_timer_start(&dial->timer, race_next, DIAL_STEP, DIAL_STEP);
      return 0;
    }
    dial->connection = NULL;
    log_debug(dial->target.log, "dial-skipped", "alpn=%s error=\"%s\"", dial->target.alpn,
              fault.message);
    /* That a family has no route says less than what a real attempt met. */
    if (dial->error.code == ERROR_NONE)
      dial->error = fault;
  }
  if (dial->error.code == ERROR_NONE)
    error_set(&dial->error, ERROR_UNREACHABLE, "the service has no address%s to try",
              dial->target.family == 4   ? " of IPv4"
              : dial->target.family == 6 ? " of IPv6"
                                         : "");
  return dial->error.code;
}

static void end_cancelled(struct dial *dial) {
  if (dial->ended)
    dial->ended(dial->context);
  dial_free(dial);
}

static void give_up(struct dial *dial) {
  dial->callback(dial->error.code, NULL, &dial->error, dial->context);
  dial_free(dial);
}

static void attempt_established(struct quic_connection *connection, void *context) {
  struct dial *dial = context;
  if (dial->cancelled)
    return;
  dial->callback(0, connection, NULL, dial->context);
  dial_free(dial);
}

/* Who answered there is not the service, or does not want us; the others in the race, which he
 * ended, get another chance. */
static void forget_address(struct dial *dial, const struct address *address) {
  for (size_t i = dial->first; i < dial->next; i++) {
    if (!address_equal(&dial->found[i], address))
      continue;
    dial->found_count--;
    memmove(&dial->found[i], &dial->found[i + 1], (dial->found_count - i) * sizeof *dial->found);
    dial->next = dial->first;
    return;
  }
}

static void attempt_closed(struct quic_connection *connection, const struct quic_close *close,
                           void *context) {
  struct dial *dial = context;
  if (dial->cancelled) {
    end_cancelled(dial);
    return;
  }
  struct address remote = quic_connection_remote(connection);
  char text[ADDRESS_TEXT_SIZE];
  address_text(&remote, text);
  bool named = strstr(close->message, text);
  error_set(&dial->error, close->code == ERROR_CLOSED ? ERROR_UNREACHABLE : close->code, "%s%s%s",
            named ? "" : text, named ? "" : ": ", close->message);
  dial->connection = NULL;
  if (close->code != ERROR_TIMEOUT)
    forget_address(dial, &remote);
  if (try_next(dial))
    give_up(dial);
}

/* --- names --- */

static void lookup_done(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  struct lookup *lookup = request->data;
  struct dial *dial = lookup->dial;
  dial->lookups_under_way--;
  if (status == 0) {
    for (const struct addrinfo *item = list; item; item = item->ai_next) {
      struct address address;
      if (address_from_sockaddr(item->ai_addr, &address))
        continue;
      address.port = lookup->address.port;
      found_add(dial, &address);
    }
  } else if (!dial->cancelled) {
    error_set(&dial->error, ERROR_UNREACHABLE, "%s: the name cannot be resolved: %s",
              lookup->address.host, uv_strerror(status));
  }
  uv_freeaddrinfo(list);
  if (dial->lookups_under_way > 0)
    return;
  if (dial->cancelled) {
    end_cancelled(dial);
    return;
  }
  ipv6_first(dial);
  if (try_next(dial))
    give_up(dial);
}

static void lookup_start(struct dial *dial, struct lookup *lookup,
                         const struct service_address *address) {
  lookup->dial = dial;
  lookup->address = *address;
  lookup->request.data = lookup;
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
  int status =
      uv_getaddrinfo(dial->target.loop, &lookup->request, lookup_done, address->host, NULL, &hints);
  if (status) {
    lookup->dial = NULL; /* nothing to cancel */
    error_set(&dial->error, ERROR_UNREACHABLE, "%s: the name cannot be resolved: %s", address->host,
              uv_strerror(status));
    return;
  }
  dial->lookups_under_way++;
}

int dial_start(const struct dial_target *target, const struct service_addresses *addresses,
               dial_callback callback, void *context, struct dial **out, struct error *error) {
  struct dial *dial = calloc(1, sizeof *dial);
  if (!dial)
    return error_set(error, ERROR_NO_MEMORY, "no memory to connect to a service");
  dial->target = *target;
  dial->callback = callback;
  dial->context = context;
  uv_timer_init(target->loop, &dial->timer);
  dial->timer.data = dial;
  for (size_t i = 0; i < addresses->count; i++) {
    const struct service_address *item = &addresses->item[i];
    struct address address = {.port = item->port};
    if (!ip_address_parse(item->host, &address.ip))
      found_add(dial, &address);
    else
      lookup_start(dial, &dial->lookups[i], item);
  }
  if (dial->lookups_under_way == 0) {
    ipv6_first(dial);
    int code = try_next(dial);
    if (code) {
      if (error)
        *error = dial->error;
      dial_free(dial);
      return code;
    }
  }
  *out = dial;
  return 0;
}

void dial_cancel(struct dial *dial, void (*ended)(void *context), void *context) {
  dial->cancelled = true;
  dial->ended = ended;
  dial->context = context;
  /* The last to come back frees it: the look-ups, which run in other threads and may be past
   * stopping, or the connection. */
  for (size_t i = 0; i < SERVICE_ADDRESSES_MAX; i++)
    if (dial->lookups[i].dial)
      uv_cancel((uv_req_t *)&dial->lookups[i].request);
  if (dial->connection)
    quic_connection_close(dial->connection, 0, "no longer wanted");
}

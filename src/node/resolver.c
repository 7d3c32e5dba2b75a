#include "node/resolver.h"

#include <stdlib.h>
#include <string.h>

/* Keeps the whole question, since the reply echoes it. */
struct resolver_query {
  struct resolver *resolver; /* NULL once the resolver is closed: the query is void */
  struct resolver_query *previous, *next;
  struct dns_question question;
  struct sockaddr_storage client;
  size_t size;
  uint8_t message[DNS_MESSAGE_MAX];
};

struct resolver {
  uv_udp_t socket;
  const struct log *log;
  void (*ask)(struct resolver_query *query, const struct dns_question *question, void *context);
  void *context;
  struct ip_prefix ipv4_prefix, ipv6_prefix;
  char domain[DNS_NAME_SIZE];
  struct resolver_query *queries; /* that await an answer */
  size_t query_count;
  /* One message more than we take, so that a longer one is seen to be longer. */
  uint8_t incoming[DNS_MESSAGE_MAX + 1];
};

static void query_link(struct resolver *resolver, struct resolver_query *query) {
  query->resolver = resolver;
  query->next = resolver->queries;
  if (query->next != NULL) {
    query->next->previous = query;
  }
  resolver->queries = query;
  resolver->query_count++;
}

static void query_unlink(struct resolver_query *query) {
  if (query->previous != NULL) {
    query->previous->next = query->next;
  } else {
    query->resolver->queries = query->next;
  }
  if (query->next != NULL) {
    query->next->previous = query->previous;
  }
  query->resolver->query_count--;
  query->resolver = NULL;
}

/* A reply that the socket does not take is lost as on a wire: the client asks again. */
static void reply_send(struct resolver *resolver, const struct sockaddr *client,
                       const uint8_t *reply, size_t size) {
  if (size == 0) {
    return;
  }
  uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)reply, (unsigned)size);
  int result = uv_udp_try_send(&resolver->socket, &buffer, 1, client);
  if (result < 0) {
    log_debug(resolver->log, "dns-reply-lost", "reason=\"%s\"", uv_strerror(result));
  }
}

static void reply_empty(struct resolver *resolver, const struct sockaddr *client,
                        struct span message, int rcode) {
  uint8_t reply[DNS_MESSAGE_MAX];
  reply_send(resolver, client, reply, dns_answer_empty(message, rcode, reply));
}

static bool in_domain(const char *name, const char *domain) {
  size_t name_size = strlen(name);
  size_t domain_size = strlen(domain);
  if (name_size < domain_size || strcmp(name + name_size - domain_size, domain) != 0) {
    return false;
  }
  return name_size == domain_size || name[name_size - domain_size - 1] == '.';
}

/* The zone of a name in the reverse tree if it lies in one of the overlay's. */
static bool in_reverse_zone(const struct resolver *resolver, const char *name) {
  struct ip_prefix zone;
  if (dns_reverse_parse(name, &zone) != ERROR_NONE) {
    return false;
  }
  const struct ip_prefix *own =
      zone.address.family == 4 ? &resolver->ipv4_prefix : &resolver->ipv6_prefix;
  return own->address.family == zone.address.family && zone.length >= own->length &&
         ip_prefix_contains(own, &zone.address);
}

static void query_ask(struct resolver *resolver, const struct sockaddr *client, struct span message,
                      const struct dns_question *question) {
  if (resolver->query_count >= RESOLVER_QUERIES_MAX) {
    log_debug(resolver->log, "dns-query-dropped", "waiting=%zu", resolver->query_count);
    return;
  }
  struct resolver_query *query = calloc(1, sizeof(*query));
  if (query == NULL) {
    return;
  }
  query->question = *question;
  memcpy(&query->client, client,
         client->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
  query->size = message.size;
  memcpy(query->message, message.data, message.size);
  query_link(resolver, query);
  resolver->ask(query, &query->question, resolver->context);
}

static void query_received(struct resolver *resolver, const struct sockaddr *client,
                           struct span message) {
  struct dns_question question;
  bool answerable;
  int rcode;
  if (dns_query_parse(message, &question, &answerable, &rcode) != ERROR_NONE) {
    if (answerable) {
      reply_empty(resolver, client, message, rcode);
    }
    return;
  }
  if (in_domain(question.name, resolver->domain)) {
    query_ask(resolver, client, message, &question);
  } else if (!in_reverse_zone(resolver, question.name)) {
    reply_empty(resolver, client, message, DNS_RCODE_REFUSED);
  } else if (question.kind == DNS_REVERSE) {
    query_ask(resolver, client, message, &question);
  } else {
    /* Another type, or a name above the addresses: it exists and has no such data. */
    reply_empty(resolver, client, message, DNS_RCODE_OK);
  }
}

static void on_allocate(uv_handle_t *handle, size_t suggested UNUSED, uv_buf_t *buffer) {
  struct resolver *resolver = handle->data;
  *buffer = uv_buf_init((char *)resolver->incoming, sizeof(resolver->incoming));
}

static void on_receive(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                       const struct sockaddr *client, unsigned flags) {
  struct resolver *resolver = socket->data;
  if (size < 0) {
    log_debug(resolver->log, "dns-receive-failed", "reason=\"%s\"", uv_strerror((int)size));
    return;
  }
  if (client == NULL || (flags & UV_UDP_PARTIAL) != 0 || size > DNS_MESSAGE_MAX) {
    return;
  }
  query_received(resolver, client,
                 (struct span){.data = (const uint8_t *)buffer->base, .size = (size_t)size});
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static int domain_copy(struct resolver *resolver, const char *domain, struct error *error) {
  size_t size = strlen(domain);
  if (size == 0 || size >= sizeof(resolver->domain)) {
    return error_set(error, ERROR_INVALID, "the resolver cannot serve the domain '%s'", domain);
  }
  for (size_t i = 0; i < size; i++) {
    char letter = domain[i];
    resolver->domain[i] = letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
  }
  return ERROR_NONE;
}

int resolver_new(const struct resolver_config *config, struct resolver **resolver,
                 struct error *error) {
  *resolver = NULL;
  struct resolver *made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for the resolver");
  }
  made->log = config->log;
  made->ask = config->ask;
  made->context = config->context;
  made->ipv4_prefix = config->ipv4_prefix;
  made->ipv6_prefix = config->ipv6_prefix;
  int code = domain_copy(made, config->domain, error);
  if (code != ERROR_NONE) {
    free(made);
    return code;
  }
  int result = uv_udp_init(config->loop, &made->socket);
  if (result < 0) {
    free(made);
    return error_set_errno(error, -result, "cannot make the resolver's socket");
  }
  made->socket.data = made;
  struct sockaddr_storage listen;
  address_to_sockaddr(&config->listen, &listen);
  result = uv_udp_bind(&made->socket, (const struct sockaddr *)&listen,
                       config->listen.ip.family == 6 ? UV_UDP_IPV6ONLY : 0);
  if (result == 0) {
    result = uv_udp_recv_start(&made->socket, on_allocate, on_receive);
  }
  if (result < 0) {
    char text[ADDRESS_TEXT_SIZE];
    code = error_set_errno(error, -result,
                           "the resolver cannot listen on %s (UDP); another address can be set as "
                           "'listen' in section [dns] of the configuration",
                           address_text(&config->listen, text));
    uv_close((uv_handle_t *)&made->socket, on_closed);
    return code;
  }
  *resolver = made;
  return ERROR_NONE;
}

void resolver_close(struct resolver *resolver) {
  if (resolver == NULL) {
    return;
  }
  while (resolver->queries != NULL) {
    query_unlink(resolver->queries);
  }
  uv_close((uv_handle_t *)&resolver->socket, on_closed);
}

/* The size of the reply, 0 if there is none to give. */
static size_t answer_build(const struct resolver_query *query, int code, const char *fqdn,
                           const struct ip_address *ipv4, const struct ip_address *ipv6,
                           uint8_t reply[static DNS_MESSAGE_MAX]) {
  struct span message = {.data = query->message, .size = query->size};
  if (code != ERROR_NONE) {
    return dns_answer_empty(message,
                            code == ERROR_NOT_FOUND ? DNS_RCODE_NO_NAME : DNS_RCODE_FAILURE, reply);
  }
  if (query->question.kind == DNS_A && ipv4 != NULL && ip_address_is_set(ipv4)) {
    return dns_answer_address(message, ipv4, reply);
  }
  if (query->question.kind == DNS_AAAA && ipv6 != NULL && ip_address_is_set(ipv6)) {
    return dns_answer_address(message, ipv6, reply);
  }
  if (query->question.kind == DNS_REVERSE && fqdn != NULL && fqdn[0] != '\0') {
    size_t size = dns_answer_name(message, fqdn, reply);
    return size > 0 ? size : dns_answer_empty(message, DNS_RCODE_FAILURE, reply);
  }
  return dns_answer_empty(message, DNS_RCODE_OK, reply);
}

void resolver_answer(struct resolver_query *query, int code, const char *fqdn,
                     const struct ip_address *ipv4, const struct ip_address *ipv6) {
  struct resolver *resolver = query->resolver;
  if (resolver != NULL) {
    uint8_t reply[DNS_MESSAGE_MAX];
    size_t size = answer_build(query, code, fqdn, ipv4, ipv6, reply);
    reply_send(resolver, (const struct sockaddr *)&query->client, reply, size);
    query_unlink(query);
  }
  free(query);
}

#include "node/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "node/message.h"

struct node_name names_of(const struct peer *peer) {
  struct node_name name = {.ipv4 = peer->entry.ipv4, .ipv6 = peer->entry.ipv6};
  snprintf(name.fqdn, sizeof name.fqdn, "%s", peer->entry.fqdn);
  return name;
}

static struct node_name own_name(const struct names *names) {
  struct node_name name = {.ipv4 = names->ipv4, .ipv6 = names->ipv6};
  snprintf(name.fqdn, sizeof name.fqdn, "%s", names->fqdn);
  return name;
}

static bool is_own_address(const struct names *names, const struct ip_address *address) {
  return ip_address_equal(address, &names->ipv4) || ip_address_equal(address, &names->ipv6);
}

int names_parse(const struct names *names, const char *text, struct names_subject *subject,
                struct error *error) {
  *subject = (struct names_subject){0};
  if (!ip_address_parse(text, &subject->address)) {
    subject->own = is_own_address(names, &subject->address);
    return 0;
  }
  subject->address = (struct ip_address){0};
  int code = fqdn_from_text(text, names->domain, subject->fqdn, error);
  if (!code)
    subject->own = strcmp(subject->fqdn, names->fqdn) == 0;
  return code;
}

static uint64_t time_now(const struct names *names) {
  return names->now ? names->now(names->context) : clock_now();
}

/* --- looking only --- */

/* Either a person or the resolver awaits the answer. */
struct look_up {
  node_resolve_callback callback;
  void *context;
  struct resolver_query *query;
  struct look_up *next;
};

/* A question under way to NMS, for all who ask the same meanwhile. */
struct names_request {
  struct names *names;
  struct names_subject subject;
  struct look_up *look_ups;
  struct names_request *next;
};

static void answer_query(bool with_ipv4, struct resolver_query *query, int code,
                         const struct node_name *name) {
  if (code)
    resolver_answer(query, code, NULL, NULL, NULL);
  else
    resolver_answer(query, 0, name->fqdn, with_ipv4 ? &name->ipv4 : NULL, &name->ipv6);
}

/* The last act of whoever does it: whom we tell may ask again, or take the node down. */
static void request_end(struct names_request *request, int code, const struct node_name *name,
                        const struct error *error) {
  bool with_ipv4 = request->names->with_ipv4;
  struct look_up *due = request->look_ups;
  LL_DELETE(request->names->requests, request);
  free(request);
  while (due) {
    struct look_up *look_up = due;
    due = due->next;
    if (look_up->query)
      answer_query(with_ipv4, look_up->query, code, name);
    else
      look_up->callback(code, code ? NULL : name, code ? error : NULL, look_up->context);
    free(look_up);
  }
}

static const char *subject_fqdn(const struct names_subject *subject) {
  return subject->fqdn[0] != '\0' ? subject->fqdn : NULL;
}

/* NMS cannot say just now: what we know serves. */
static void request_failed(struct names_request *request, int code, const struct error *error) {
  struct names *names = request->names;
  const char *fqdn = subject_fqdn(&request->subject);
  const struct ip_address *address = &request->subject.address;
  const struct peer *peer = names->peers ? peers_known(names->peers, fqdn, address) : NULL;
  struct node_name name = {0};
  if (peer)
    name = names_of(peer);
  bool found = peer || name_cache_find(&names->cache, fqdn, address, time_now(names), &name) ==
                           NAME_CACHE_FOUND;
  request_end(request, found ? 0 : code, &name, error);
}

static int read_response(const struct names_request *request, const control_message *reply,
                         struct node_name *name, struct error *error) {
  *name = (struct node_name){0};
  if (reply->body_case != CYPHONIC__MESSAGE__BODY_NAME_RESPONSE)
    return error_set(error, ERROR_PROTOCOL, "NMS answered the NameRequest with another message");
  const Cyphonic__NameResponse *response = reply->name_response;
  const struct names_subject *subject = &request->subject;
  if (!fqdn_is_valid(response->fqdn, request->names->domain) ||
      message_ip(&response->ipv4, 4, &name->ipv4) || message_ip(&response->ipv6, 6, &name->ipv6))
    return error_set(error, ERROR_PROTOCOL, "NMS answered without a name or addresses");
  snprintf(name->fqdn, sizeof name->fqdn, "%s", response->fqdn);
  bool asked_for = subject->fqdn[0] != '\0' ? strcmp(subject->fqdn, name->fqdn) == 0
                                            : ip_address_equal(&subject->address, &name->ipv4) ||
                                                  ip_address_equal(&subject->address, &name->ipv6);
  if (!asked_for)
    return error_set(error, ERROR_PROTOCOL, "NMS answered with '%s', who was not asked for",
                     name->fqdn);
  return 0;
}

static void answered(UNUSED struct control *control, int code, const control_message *reply,
                     const struct error *error, void *context) {
  struct names_request *request = context;
  struct names *names = request->names;
  struct error fault = {0};
  struct node_name name = {0};
  if (code) {
    fault = *error;
    if (message_refusal(reply) != CYPHONIC__ERROR__CODE__NAME_UNKNOWN) {
      request_failed(request, code, &fault);
      return;
    }
    name_cache_put_absent(&names->cache, subject_fqdn(&request->subject), &request->subject.address,
                          time_now(names));
    request_end(request, ERROR_NOT_FOUND, NULL, &fault);
    return;
  }
  code = read_response(request, reply, &name, &fault);
  if (!code)
    name_cache_put(&names->cache, &name, time_now(names));
  request_end(request, code, &name, &fault);
}

static void request_send(struct names_request *request) {
  struct names *names = request->names;
  Cyphonic__NameRequest body = CYPHONIC__NAME_REQUEST__INIT;
  if (request->subject.fqdn[0] != '\0') {
    body.what_case = CYPHONIC__NAME_REQUEST__WHAT_FQDN;
    body.fqdn = request->subject.fqdn;
  } else {
    body.what_case = CYPHONIC__NAME_REQUEST__WHAT_ADDRESS;
    body.address = message_bytes(&request->subject.address);
  }
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_NAME_REQUEST;
  message.name_request = &body;
  struct error error = {0};
  int code = names->ask(&message, answered, request, &error, names->context);
  if (code)
    request_failed(request, code, &error);
}

static struct names_request *request_find(const struct names *names,
                                          const struct names_subject *subject) {
  struct names_request *request;
  LL_FOREACH(names->requests, request) {
    if (strcmp(request->subject.fqdn, subject->fqdn) == 0 &&
        ip_address_equal(&request->subject.address, &subject->address))
      return request;
  }
  return NULL;
}

/* ERROR_NO_MEMORY: nobody is told. */
static int look_up_start(struct names *names, const struct names_subject *subject,
                         const struct look_up *as) {
  struct names_request *request = request_find(names, subject);
  struct look_up *look_up = calloc(1, sizeof *look_up);
  if (!look_up)
    return ERROR_NO_MEMORY;
  *look_up = *as;
  if (request) {
    LL_APPEND(request->look_ups, look_up);
    return 0;
  }
  request = calloc(1, sizeof *request);
  if (!request) {
    free(look_up);
    return ERROR_NO_MEMORY;
  }
  *request = (struct names_request){.names = names, .subject = *subject, .look_ups = look_up};
  LL_PREPEND(names->requests, request);
  request_send(request);
  return 0;
}

void names_resolve(struct names *names, const char *text, node_resolve_callback callback,
                   void *context) {
  struct error error = {0};
  struct names_subject subject;
  int code = names_parse(names, text, &subject, &error);
  if (!code && subject.own) {
    struct node_name name = own_name(names);
    callback(0, &name, NULL, context);
    return;
  }
  struct look_up look_up = {.callback = callback, .context = context};
  if (!code && look_up_start(names, &subject, &look_up))
    code = error_set(&error, ERROR_NO_MEMORY, "no memory to resolve a name");
  if (code)
    callback(code, NULL, &error, context);
}

/* --- the resolver's questions --- */

/* A peer's certificate proves its name and addresses; what NMS said holds for a while. */
static const struct peer *peer_fresh(struct names *names, const struct names_subject *subject) {
  const struct peer *peer = peers_known(names->peers, subject_fqdn(subject), &subject->address);
  bool fresh =
      peer && (peer->state == PEER_UP || peer_now(peer) - peer->named <= PEERS_NAME_LIFETIME);
  return fresh ? peer : NULL;
}

static enum name_cache_result find_known(struct names *names, const struct names_subject *subject,
                                         struct node_name *name) {
  const struct peer *peer = peer_fresh(names, subject);
  if (peer) {
    *name = names_of(peer);
    return NAME_CACHE_FOUND;
  }
  return name_cache_find(&names->cache, subject_fqdn(subject), &subject->address, time_now(names),
                         name);
}

static void query_look_up(struct names *names, struct resolver_query *query,
                          const struct dns_question *question) {
  struct names_subject subject = {0};
  if (question->kind == DNS_REVERSE)
    subject.address = question->address;
  else
    snprintf(subject.fqdn, sizeof subject.fqdn, "%s", question->name);
  struct node_name name;
  struct look_up look_up = {.query = query};
  switch (find_known(names, &subject, &name)) {
  case NAME_CACHE_FOUND:
    answer_query(names->with_ipv4, query, 0, &name);
    return;
  case NAME_CACHE_ABSENT:
    answer_query(names->with_ipv4, query, ERROR_NOT_FOUND, NULL);
    return;
  case NAME_CACHE_UNKNOWN:
    if (look_up_start(names, &subject, &look_up))
      answer_query(names->with_ipv4, query, ERROR_NO_MEMORY, NULL);
    return;
  }
}

struct path_query {
  struct names *names;
  struct resolver_query *query;
};

static void path_found(int code, struct peer *peer, UNUSED const struct error *error,
                       void *context) {
  struct path_query *path_query = context;
  struct node_name name = code ? (struct node_name){0} : names_of(peer);
  answer_query(path_query->names->with_ipv4, path_query->query, code, &name);
  free(path_query);
}

/* The peers remember for themselves what NMS said, that there is no such name as well, and share
 * one question. */
static void query_path(struct names *names, struct resolver_query *query,
                       const struct dns_question *question) {
  struct path_query *path_query = calloc(1, sizeof *path_query);
  if (!path_query) {
    resolver_answer(query, ERROR_NO_MEMORY, NULL, NULL, NULL);
    return;
  }
  *path_query = (struct path_query){.names = names, .query = query};
  peers_find(names->peers, question->name, NULL, PEER_WAIT_NAME, path_found, path_query);
}

void names_answer(struct names *names, struct resolver_query *query,
                  const struct dns_question *question) {
  bool reverse = question->kind == DNS_REVERSE && ip_address_is_set(&question->address);
  if (!names->peers) {
    resolver_answer(query, ERROR_CLOSED, NULL, NULL, NULL);
  } else if (reverse ? is_own_address(names, &question->address)
                     : strcmp(question->name, names->fqdn) == 0) {
    struct node_name name = own_name(names);
    answer_query(names->with_ipv4, query, 0, &name);
  } else if (reverse) {
    query_look_up(names, query, question);
  } else if (strcmp(question->name, names->domain) == 0) {
    resolver_answer(query, 0, NULL, NULL, NULL); /* the domain is there, and has no addresses */
  } else if (!fqdn_is_valid(question->name, names->domain)) {
    resolver_answer(query, ERROR_NOT_FOUND, NULL, NULL, NULL);
  } else if (question->kind == DNS_A || question->kind == DNS_AAAA) {
    query_path(names, query, question);
  } else {
    query_look_up(names, query, question);
  }
}

#include "node/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* --- looking only --- */

/* Either a person or the resolver awaits the answer. */
struct look_up {
  struct names *names;
  struct names_subject subject;
  node_resolve_callback callback;
  void *context;
  struct resolver_query *query;
};

static void answer_query(const struct names *names, struct resolver_query *query, int code,
                         const struct node_name *name) {
  if (code)
    resolver_answer(query, code, NULL, NULL, NULL);
  else
    resolver_answer(query, 0, name->fqdn, names->with_ipv4 ? &name->ipv4 : NULL, &name->ipv6);
}

static void look_up_end(struct look_up *look_up, int code, const struct node_name *name,
                        const struct error *error) {
  if (look_up->query)
    answer_query(look_up->names, look_up->query, code, name);
  else
    look_up->callback(code, code ? NULL : name, code ? error : NULL, look_up->context);
  free(look_up);
}

static const char *subject_fqdn(const struct names_subject *subject) {
  return subject->fqdn[0] != '\0' ? subject->fqdn : NULL;
}

/* NMS cannot say just now: what we know serves. */
static void look_up_known(struct look_up *look_up, int code, const struct error *error) {
  struct names *names = look_up->names;
  const struct peer *peer =
      names->peers
          ? peers_known(names->peers, subject_fqdn(&look_up->subject), &look_up->subject.address)
          : NULL;
  if (peer) {
    struct node_name name = names_of(peer);
    look_up_end(look_up, 0, &name, NULL);
  } else {
    look_up_end(look_up, code, NULL, error);
  }
}

static int read_response(const struct look_up *look_up, const control_message *reply,
                         struct node_name *name, struct error *error) {
  *name = (struct node_name){0};
  if (reply->body_case != CYPHONIC__MESSAGE__BODY_NAME_RESPONSE)
    return error_set(error, ERROR_PROTOCOL, "NMS answered the NameRequest with another message");
  const Cyphonic__NameResponse *response = reply->name_response;
  const struct names_subject *subject = &look_up->subject;
  if (!fqdn_is_valid(response->fqdn, look_up->names->domain) ||
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

static void looked_up(UNUSED struct control *control, int code, const control_message *reply,
                      const struct error *error, void *context) {
  struct look_up *look_up = context;
  struct error fault = {0};
  struct node_name name = {0};
  if (code) {
    fault = *error;
    if (message_refusal(reply) == CYPHONIC__ERROR__CODE__NAME_UNKNOWN) {
      look_up_end(look_up, ERROR_NOT_FOUND, NULL, &fault);
      return;
    }
    look_up_known(look_up, code, &fault);
    return;
  }
  code = read_response(look_up, reply, &name, &fault);
  look_up_end(look_up, code, &name, &fault);
}

static void look_up_start(struct look_up *look_up) {
  struct names *names = look_up->names;
  Cyphonic__NameRequest request = CYPHONIC__NAME_REQUEST__INIT;
  if (look_up->subject.fqdn[0] != '\0') {
    request.what_case = CYPHONIC__NAME_REQUEST__WHAT_FQDN;
    request.fqdn = look_up->subject.fqdn;
  } else {
    request.what_case = CYPHONIC__NAME_REQUEST__WHAT_ADDRESS;
    request.address = message_bytes(&look_up->subject.address);
  }
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_NAME_REQUEST;
  message.name_request = &request;
  struct error error = {0};
  int code = names->ask(&message, looked_up, look_up, &error, names->context);
  if (code)
    look_up_known(look_up, code, &error);
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
  struct look_up *look_up = code ? NULL : calloc(1, sizeof *look_up);
  if (!code && !look_up)
    code = error_set(&error, ERROR_NO_MEMORY, "no memory to resolve a name");
  if (code) {
    callback(code, NULL, &error, context);
    return;
  }
  *look_up = (struct look_up){
      .names = names, .subject = subject, .callback = callback, .context = context};
  look_up_start(look_up);
}

/* --- the resolver's questions --- */

static void query_look_up(struct names *names, struct resolver_query *query,
                          const struct dns_question *question) {
  struct look_up *look_up = calloc(1, sizeof *look_up);
  if (!look_up) {
    resolver_answer(query, ERROR_NO_MEMORY, NULL, NULL, NULL);
    return;
  }
  *look_up = (struct look_up){.names = names, .query = query};
  if (question->kind == DNS_REVERSE)
    look_up->subject.address = question->address;
  else
    snprintf(look_up->subject.fqdn, sizeof look_up->subject.fqdn, "%s", question->name);
  look_up_start(look_up);
}

struct path_query {
  struct names *names;
  struct resolver_query *query;
};

static void path_found(int code, struct peer *peer, UNUSED const struct error *error,
                       void *context) {
  struct path_query *path_query = context;
  struct node_name name = code ? (struct node_name){0} : names_of(peer);
  answer_query(path_query->names, path_query->query, code, &name);
  free(path_query);
}

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
    answer_query(names, query, 0, &name);
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

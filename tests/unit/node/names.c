#include "node/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/message.h"
#include "pair.h"

enum { ASKED_MAX = 8 };

/* Alice's names, with the test as NMS, as clock, and as the applications that ask. */
struct scene {
  struct pair pair;
  struct names names;
  uint64_t now;
  bool nms_away;
  size_t asked; /* questions about names so far */
  struct {
    control_reply_callback callback;
    void *asker;
    char fqdn[FQDN_SIZE];
    struct ip_address address;
  } questions[ASKED_MAX];
  /* What was told last. */
  size_t told;
  int code;
  struct node_name name;
};

/* --- in the place of the resolver --- */

struct resolver_query {
  struct scene *scene;
};

void resolver_answer(struct resolver_query *query, int code, const char *fqdn,
                     const struct ip_address *ipv4, const struct ip_address *ipv6) {
  struct scene *scene = query->scene;
  free(query);
  scene->told++;
  scene->code = code;
  scene->name = (struct node_name){.ipv4 = ipv4 ? *ipv4 : (struct ip_address){0},
                                   .ipv6 = ipv6 ? *ipv6 : (struct ip_address){0}};
  snprintf(scene->name.fqdn, sizeof scene->name.fqdn, "%s", fqdn ? fqdn : "");
}

static void query(struct scene *scene, enum dns_kind kind, const char *fqdn,
                  const struct ip_address *address) {
  struct resolver_query *made = calloc(1, sizeof *made);
  assert_non_null(made);
  made->scene = scene;
  struct dns_question question = {.kind = kind};
  if (address)
    question.address = *address;
  snprintf(question.name, sizeof question.name, "%s", fqdn ? fqdn : "x.arpa");
  names_answer(&scene->names, made, &question);
}

static void query_name(struct scene *scene, const char *fqdn) {
  query(scene, DNS_OTHER, fqdn, NULL);
}

static void query_address(struct scene *scene, const struct ip_address *address) {
  query(scene, DNS_REVERSE, NULL, address);
}

/* --- in the place of NMS --- */

static int ask(const control_message *message, control_reply_callback callback, void *asker,
               struct error *error, void *context) {
  struct scene *scene = context;
  if (scene->nms_away)
    return error_set(error, ERROR_UNREACHABLE, "NMS is away");
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY_NAME_REQUEST);
  assert_true(scene->asked < ASKED_MAX);
  const Cyphonic__NameRequest *request = message->name_request;
  bool by_name = request->what_case == CYPHONIC__NAME_REQUEST__WHAT_FQDN;
  size_t at = scene->asked++;
  scene->questions[at].callback = callback;
  scene->questions[at].asker = asker;
  if (by_name)
    snprintf(scene->questions[at].fqdn, FQDN_SIZE, "%s", request->fqdn);
  else
    assert_int_equal(message_ip(&request->address, 0, &scene->questions[at].address), 0);
  return 0;
}

static uint64_t now(void *context) {
  return ((struct scene *)context)->now;
}

static void answer_with(struct scene *scene, size_t question, int code,
                        const control_message *reply) {
  struct error error = {0};
  if (code)
    error_set(&error, (enum error_code)code, "says the test");
  control_reply_callback callback = scene->questions[question].callback;
  assert_non_null(callback);
  scene->questions[question].callback = NULL;
  callback(NULL, code, reply, &error, scene->questions[question].asker);
}

static void answer(struct scene *scene, size_t question, const struct pki_identity *about) {
  struct pki_identity identity = *about;
  Cyphonic__NameResponse response = CYPHONIC__NAME_RESPONSE__INIT;
  response.fqdn = identity.name;
  response.ipv4 = message_bytes(&identity.ipv4);
  response.ipv6 = message_bytes(&identity.ipv6);
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_NAME_RESPONSE;
  reply.name_response = &response;
  answer_with(scene, question, 0, &reply);
}

static void answer_error(struct scene *scene, size_t question, Cyphonic__Error__Code code) {
  char text[] = "says NMS";
  Cyphonic__Error body = CYPHONIC__ERROR__INIT;
  body.code = code;
  body.message = text;
  control_message reply = CYPHONIC__MESSAGE__INIT;
  reply.body_case = CYPHONIC__MESSAGE__BODY_ERROR;
  reply.error = &body;
  answer_with(scene, question, control_error_code(code), &reply);
}

/* --- the scene --- */

static const struct pki_identity *bob(const struct scene *scene) {
  return &scene->pair.world.bob.identity;
}

static int open_scene(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  if (!scene)
    return -1;
  pair_open(&scene->pair);
  const struct pki_identity *own = &scene->pair.world.alice.identity;
  scene->now = 1000 * NANOSECONDS_PER_SECOND;
  scene->names.fqdn = own->name;
  scene->names.domain = DOMAIN;
  scene->names.ipv4 = own->ipv4;
  scene->names.ipv6 = own->ipv6;
  scene->names.with_ipv4 = true;
  scene->names.peers = scene->pair.alice.peers;
  scene->names.ask = ask;
  scene->names.now = now;
  scene->names.context = scene;
  *state = scene;
  return 0;
}

static int close_scene(void **state) {
  struct scene *scene = *state;
  pair_close(&scene->pair);
  free(scene);
  return 0;
}

static void assert_told_of_bob(const struct scene *scene, size_t told) {
  assert_int_equal(scene->told, told);
  assert_int_equal(scene->code, 0);
  assert_string_equal(scene->name.fqdn, bob(scene)->name);
  assert_true(ip_address_equal(&scene->name.ipv4, &bob(scene)->ipv4));
  assert_true(ip_address_equal(&scene->name.ipv6, &bob(scene)->ipv6));
}

static void tell_person(int code, const struct node_name *name, const struct error *error,
                        void *context) {
  struct scene *scene = context;
  scene->told++;
  scene->code = code;
  scene->name = code ? (struct node_name){0} : *name;
  assert_true((error != NULL) == (code != 0));
}

/* --- tests --- */

static void a_name_is_asked_for_once_and_found_by_address_as_well(void **state) {
  struct scene *scene = *state;
  query_name(scene, bob(scene)->name);
  assert_string_equal(scene->questions[0].fqdn, bob(scene)->name);
  answer(scene, 0, bob(scene));
  assert_told_of_bob(scene, 1);
  query_address(scene, &bob(scene)->ipv4);
  assert_told_of_bob(scene, 2);
  query_address(scene, &bob(scene)->ipv6);
  assert_told_of_bob(scene, 3);
  query_name(scene, bob(scene)->name);
  assert_told_of_bob(scene, 4);
  assert_int_equal(scene->asked, 1);
}

static void an_address_is_asked_for_once(void **state) {
  struct scene *scene = *state;
  query_address(scene, &bob(scene)->ipv6);
  assert_true(ip_address_equal(&scene->questions[0].address, &bob(scene)->ipv6));
  answer(scene, 0, bob(scene));
  for (size_t i = 2; i < 100; i++) {
    query_address(scene, &bob(scene)->ipv6);
    assert_told_of_bob(scene, i);
  }
  assert_int_equal(scene->asked, 1);
}

static void after_the_lifetime_nms_is_asked_again(void **state) {
  struct scene *scene = *state;
  query_address(scene, &bob(scene)->ipv4);
  answer(scene, 0, bob(scene));
  scene->now += NAME_CACHE_LIFETIME - 1;
  query_address(scene, &bob(scene)->ipv4);
  assert_int_equal(scene->asked, 1);
  scene->now++;
  query_address(scene, &bob(scene)->ipv4);
  assert_int_equal(scene->asked, 2);
  answer(scene, 1, bob(scene));
  assert_told_of_bob(scene, 3);
}

static void what_does_not_exist_is_asked_for_again_soon(void **state) {
  struct scene *scene = *state;
  query_name(scene, bob(scene)->name);
  answer_error(scene, 0, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  assert_int_equal(scene->code, ERROR_NOT_FOUND);
  scene->now += NAME_CACHE_ABSENT_LIFETIME - 1;
  query_name(scene, bob(scene)->name);
  assert_int_equal(scene->told, 2);
  assert_int_equal(scene->code, ERROR_NOT_FOUND);
  assert_int_equal(scene->asked, 1);
  scene->now++;
  query_name(scene, bob(scene)->name);
  assert_int_equal(scene->asked, 2);
  answer(scene, 1, bob(scene)); /* who has signed up meanwhile */
  assert_told_of_bob(scene, 3);
}

static void an_address_that_nobody_has_is_remembered_too(void **state) {
  struct scene *scene = *state;
  query_address(scene, &bob(scene)->ipv4);
  answer_error(scene, 0, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  query_address(scene, &bob(scene)->ipv4);
  assert_int_equal(scene->told, 2);
  assert_int_equal(scene->code, ERROR_NOT_FOUND);
  query_address(scene, &bob(scene)->ipv6);
  assert_int_equal(scene->asked, 2);
  answer(scene, 1, bob(scene));
  query_address(scene, &bob(scene)->ipv4); /* the later word holds */
  assert_told_of_bob(scene, 4);
  assert_int_equal(scene->asked, 2);
}

static void who_asks_the_same_meanwhile_shares_the_question(void **state) {
  struct scene *scene = *state;
  query_address(scene, &bob(scene)->ipv4);
  query_address(scene, &bob(scene)->ipv4);
  names_resolve(&scene->names, "10.0.0.99", tell_person, scene); /* another */
  char text[ADDRESS_TEXT_SIZE];
  names_resolve(&scene->names, ip_address_text(&bob(scene)->ipv4, text), tell_person, scene);
  assert_int_equal(scene->asked, 2);
  assert_int_equal(scene->told, 0);
  answer(scene, 0, bob(scene));
  assert_told_of_bob(scene, 3);
  answer_error(scene, 1, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  assert_int_equal(scene->told, 4);
  assert_int_equal(scene->code, ERROR_NOT_FOUND);
}

static void a_failure_reaches_all_who_share_and_is_not_remembered(void **state) {
  struct scene *scene = *state;
  query_name(scene, bob(scene)->name);
  query_name(scene, bob(scene)->name);
  answer_with(scene, 0, ERROR_TIMEOUT, NULL);
  assert_int_equal(scene->told, 2);
  assert_int_equal(scene->code, ERROR_TIMEOUT);
  query_name(scene, bob(scene)->name);
  assert_int_equal(scene->asked, 2);
  answer(scene, 1, bob(scene));
  assert_told_of_bob(scene, 3);
}

static void an_answer_about_another_is_not_remembered(void **state) {
  struct scene *scene = *state;
  query_name(scene, "carol." DOMAIN);
  answer(scene, 0, bob(scene));
  assert_int_equal(scene->code, ERROR_PROTOCOL);
  query_name(scene, bob(scene)->name);
  assert_int_equal(scene->asked, 2);
  answer(scene, 1, bob(scene));
}

static void a_person_hears_from_nms_and_the_resolver_remembers_it(void **state) {
  struct scene *scene = *state;
  names_resolve(&scene->names, "bob", tell_person, scene);
  answer(scene, 0, bob(scene));
  query_address(scene, &bob(scene)->ipv4);
  assert_told_of_bob(scene, 2);
  assert_int_equal(scene->asked, 1);
  names_resolve(&scene->names, "bob", tell_person, scene);
  assert_int_equal(scene->asked, 2);
  answer(scene, 1, bob(scene));
}

static void while_nms_is_away_what_was_learnt_lately_serves(void **state) {
  struct scene *scene = *state;
  names_resolve(&scene->names, "bob", tell_person, scene);
  answer(scene, 0, bob(scene));
  scene->nms_away = true;
  names_resolve(&scene->names, "bob", tell_person, scene);
  assert_told_of_bob(scene, 2);
  query_address(scene, &bob(scene)->ipv4);
  assert_told_of_bob(scene, 3);
  scene->now += NAME_CACHE_LIFETIME;
  query_address(scene, &bob(scene)->ipv4);
  assert_int_equal(scene->code, ERROR_UNREACHABLE);
  names_resolve(&scene->names, "bob", tell_person, scene);
  assert_int_equal(scene->code, ERROR_UNREACHABLE);
}

static void a_peer_is_known_without_asking_for_its_name(void **state) {
  struct scene *scene = *state;
  must_direct(&scene->pair.bob, &scene->pair.alice, 1, false);
  must_direct(&scene->pair.alice, &scene->pair.bob, 1, true);
  query_address(scene, &bob(scene)->ipv4);
  assert_told_of_bob(scene, 1);
  world_run_until(&scene->pair.world, both_up, &scene->pair);
  query_address(scene, &bob(scene)->ipv6);
  query_name(scene, bob(scene)->name);
  assert_told_of_bob(scene, 3);
  assert_int_equal(scene->asked, 0);
}

static void a_question_for_addresses_still_sets_the_path_up(void **state) {
  struct scene *scene = *state;
  query_name(scene, bob(scene)->name);
  answer(scene, 0, bob(scene));
  query(scene, DNS_A, bob(scene)->name, NULL);
  query(scene, DNS_AAAA, bob(scene)->name, NULL);
  assert_int_equal(scene->pair.alice.asked, 1);
  respond(&scene->pair.alice, &scene->pair.world.bob,
          CYPHONIC__DIRECTION_RESPONSE__STATUS__DIRECTED);
  assert_told_of_bob(scene, 3);
  assert_int_equal(scene->asked, 1);
}

static void a_name_without_addresses_is_not_asked_for_at_once_again(void **state) {
  struct scene *scene = *state;
  query(scene, DNS_A, "nobody." DOMAIN, NULL);
  query(scene, DNS_AAAA, "nobody." DOMAIN, NULL);
  assert_int_equal(scene->pair.alice.asked, 1);
  refuse(&scene->pair.alice, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  query(scene, DNS_A, "nobody." DOMAIN, NULL);
  assert_int_equal(scene->told, 3);
  assert_int_equal(scene->code, ERROR_NOT_FOUND);
  assert_int_equal(scene->pair.alice.asked, 1);
  assert_int_equal(scene->asked, 0);
}

static void where_ipv4_cannot_be_used_no_memory_offers_it(void **state) {
  struct scene *scene = *state;
  query_name(scene, bob(scene)->name);
  answer(scene, 0, bob(scene));
  scene->names.with_ipv4 = false;
  query_name(scene, bob(scene)->name);
  assert_int_equal(scene->code, 0);
  assert_false(ip_address_is_set(&scene->name.ipv4));
  assert_true(ip_address_equal(&scene->name.ipv6, &bob(scene)->ipv6));
}

static void ask_again(UNUSED int code, UNUSED const struct node_name *name,
                      UNUSED const struct error *error, void *context) {
  struct scene *scene = context;
  scene->told++;
  names_resolve(&scene->names, "bob", tell_person, scene);
}

static void who_is_told_may_ask_again(void **state) {
  struct scene *scene = *state;
  names_resolve(&scene->names, "bob", ask_again, scene);
  query_name(scene, bob(scene)->name);
  answer(scene, 0, bob(scene));
  assert_told_of_bob(scene, 2);
  assert_int_equal(scene->asked, 2);
  answer(scene, 1, bob(scene));
  assert_told_of_bob(scene, 3);
}

static void without_a_clock_of_the_owner_it_is_the_loop_s(void **state) {
  struct scene *scene = *state;
  scene->names.now = NULL;
  query_address(scene, &bob(scene)->ipv4);
  answer(scene, 0, bob(scene));
  query_address(scene, &bob(scene)->ipv4);
  assert_told_of_bob(scene, 2);
  assert_int_equal(scene->asked, 1);
}

static void the_node_and_its_domain_are_nobody_s_question(void **state) {
  struct scene *scene = *state;
  query_name(scene, scene->names.fqdn);
  assert_string_equal(scene->name.fqdn, scene->names.fqdn);
  query_address(scene, &scene->names.ipv6);
  assert_string_equal(scene->name.fqdn, scene->names.fqdn);
  query_name(scene, DOMAIN);
  assert_int_equal(scene->code, 0);
  assert_string_equal(scene->name.fqdn, "");
  query_name(scene, "no_host." DOMAIN);
  assert_int_equal(scene->code, ERROR_NOT_FOUND);
  assert_int_equal(scene->told, 4);
  assert_int_equal(scene->asked, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(a_name_is_asked_for_once_and_found_by_address_as_well),
      CASE(an_address_is_asked_for_once),
      CASE(after_the_lifetime_nms_is_asked_again),
      CASE(what_does_not_exist_is_asked_for_again_soon),
      CASE(an_address_that_nobody_has_is_remembered_too),
      CASE(who_asks_the_same_meanwhile_shares_the_question),
      CASE(a_failure_reaches_all_who_share_and_is_not_remembered),
      CASE(an_answer_about_another_is_not_remembered),
      CASE(a_person_hears_from_nms_and_the_resolver_remembers_it),
      CASE(while_nms_is_away_what_was_learnt_lately_serves),
      CASE(a_peer_is_known_without_asking_for_its_name),
      CASE(a_question_for_addresses_still_sets_the_path_up),
      CASE(a_name_without_addresses_is_not_asked_for_at_once_again),
      CASE(where_ipv4_cannot_be_used_no_memory_offers_it),
      CASE(who_is_told_may_ask_again),
      CASE(without_a_clock_of_the_owner_it_is_the_loop_s),
      CASE(the_node_and_its_domain_are_nobody_s_question),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Questions to NMS while connections to it end and others begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_quic.h"
#include "node/questions.h"

struct nms {
  struct fake_quic quic;
  struct control *node, *service;
  struct control_exchange *kept[2];
  unsigned asked;
};

struct answer {
  unsigned calls;
  int code;
  bool done;
};

static void on_request(struct control *control, struct control_exchange *exchange,
                       const control_message *message, void *context) {
  struct nms *nms = context;
  (void)control;
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY_PING_REQUEST);
  assert_true(nms->asked < sizeof nms->kept / sizeof *nms->kept);
  nms->kept[nms->asked++] = exchange;
}

/* To the first question. */
static void reply(struct nms *nms) {
  Cyphonic__PingResponse pong = CYPHONIC__PING_RESPONSE__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_PING_RESPONSE;
  message.ping_response = &pong;
  control_reply(nms->kept[0], &message);
  nms->kept[0] = NULL;
  fake_quic_run(&nms->quic);
}

static void on_answer(struct control *control, int code, const control_message *message,
                      const struct error *error, void *context) {
  struct answer *answer = context;
  (void)control;
  (void)error;
  answer->calls++;
  answer->code = code;
  answer->done = true;
  assert_true(code != 0 || message->body_case == CYPHONIC__MESSAGE__BODY_PING_RESPONSE);
}

static void nms_start(struct nms *nms) {
  static const struct control_handler handler = {.request = on_request};
  memset(nms, 0, sizeof *nms);
  fake_quic_init(&nms->quic);
  nms->node = control_new(nms->quic.a, NULL, NULL);
  nms->service = control_new(nms->quic.b, &handler, nms);
  assert_non_null(nms->node);
  assert_non_null(nms->service);
}

/* As when its process is killed: the node's end of the connection ends. */
static void nms_die(struct nms *nms) {
  for (size_t i = 0; i < sizeof nms->kept / sizeof *nms->kept; i++)
    if (nms->kept[i])
      control_refuse(nms->kept[i], CYPHONIC__ERROR__CODE__UNAVAILABLE, "nobody hears it");
  control_free(nms->service);
  control_free(nms->node);
}

static void ask_ping(struct questions *questions, struct nms *nms, struct answer *answer) {
  Cyphonic__PingRequest ping = CYPHONIC__PING_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_PING_REQUEST;
  message.ping_request = &ping;
  assert_int_equal(questions_ask(questions, nms->node, &message, on_answer, answer, NULL), 0);
  fake_quic_run(&nms->quic);
}

static void a_question_is_answered_once(void **state) {
  (void)state;
  struct nms nms;
  struct answer answer = {0};
  nms_start(&nms);
  struct questions *questions = questions_new(&nms.quic.loop);
  ask_ping(questions, &nms, &answer);
  assert_int_equal(answer.calls, 0);
  reply(&nms);
  assert_int_equal(answer.calls, 1);
  assert_int_equal(answer.code, 0);
  questions_resume(questions, nms.node); /* nothing waits */
  fake_quic_run(&nms.quic);
  assert_int_equal(nms.asked, 1);
  nms_die(&nms);
  questions_close(questions);
  fake_quic_clear(&nms.quic);
}

static void a_question_whose_connection_is_lost_is_asked_over_the_next(void **state) {
  (void)state;
  struct nms first, second;
  struct answer one = {0}, two = {0};
  nms_start(&first);
  nms_start(&second);
  struct questions *questions = questions_new(&first.quic.loop);
  ask_ping(questions, &first, &one);
  ask_ping(questions, &first, &two);
  control_refuse(first.kept[1], CYPHONIC__ERROR__CODE__NAME_UNKNOWN, "no such name");
  first.kept[1] = NULL;
  fake_quic_run(&first.quic);
  assert_int_equal(two.code, ERROR_NOT_FOUND); /* an answer, if not the wanted one */
  nms_die(&first);
  assert_int_equal(one.calls, 0);
  questions_resume(questions, second.node);
  fake_quic_run(&second.quic);
  assert_int_equal(second.asked, 1);
  reply(&second);
  assert_int_equal(one.calls, 1);
  assert_int_equal(one.code, 0);
  assert_int_equal(two.calls, 1);
  nms_die(&second);
  questions_close(questions);
  fake_quic_clear(&first.quic);
  fake_quic_clear(&second.quic);
}

static void who_waits_in_vain_is_told_in_time(void **state) {
  (void)state;
  struct nms nms;
  struct answer answer = {0};
  nms_start(&nms);
  struct questions *questions = questions_new(&nms.quic.loop);
  uv_update_time(&nms.quic.loop);
  uint64_t begin = uv_now(&nms.quic.loop);
  ask_ping(questions, &nms, &answer);
  nms_die(&nms);
  assert_int_equal(answer.calls, 0);
  fake_quic_run_until(&nms.quic, &answer.done);
  assert_int_equal(answer.calls, 1);
  assert_int_equal(answer.code, ERROR_TIMEOUT);
  assert_true(uv_now(&nms.quic.loop) - begin >= QUESTION_TIMEOUT);
  questions_close(questions);
  fake_quic_clear(&nms.quic);
}

static void the_end_sends_home_who_waits(void **state) {
  (void)state;
  struct nms nms;
  struct answer answer = {0};
  nms_start(&nms);
  struct questions *questions = questions_new(&nms.quic.loop);
  ask_ping(questions, &nms, &answer);
  nms_die(&nms);
  questions_close(questions);
  assert_int_equal(answer.calls, 1);
  assert_int_equal(answer.code, ERROR_CLOSED);
  fake_quic_clear(&nms.quic);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_question_is_answered_once),
      cmocka_unit_test(a_question_whose_connection_is_lost_is_asked_over_the_next),
      cmocka_unit_test(who_waits_in_vain_is_told_in_time),
      cmocka_unit_test(the_end_sends_home_who_waits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

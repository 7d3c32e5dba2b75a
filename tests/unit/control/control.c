#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void a_request_gets_its_reply(void **state) {
  struct world *world = *state;
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.calls, 1);
  assert_int_equal(outcome.code, 0);
  assert_int_equal(outcome.body_case, CYPHONIC__MESSAGE__BODY_PING_RESPONSE);
  assert_int_equal(fake_quic_streams(world->quic.a), 0);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
  assert_ptr_equal(control_connection(world->asker.control), world->quic.a);
}

static void both_sides_may_ask(void **state) {
  struct world *world = *state;
  struct outcome one = {0}, other = {0};
  ask(world, PATIENCE, &one);
  control_message message = ping_request();
  assert_int_equal(
      control_request(world->answerer.control, &message, PATIENCE, on_reply, &other, NULL), 0);
  fake_quic_run(&world->quic);
  assert_int_equal(one.code, 0);
  assert_int_equal(other.code, 0);
  assert_int_equal(one.calls + other.calls, 2);
}

static void messages_may_arrive_byte_by_byte(void **state) {
  struct world *world = *state;
  fake_quic_split(&world->quic, 1);
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.calls, 1);
  assert_int_equal(outcome.body_case, CYPHONIC__MESSAGE__BODY_PING_RESPONSE);
}

static void a_reply_may_come_later_and_in_another_order(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome first = {0}, second = {0};
  ask(world, PATIENCE, &first);
  ask(world, PATIENCE, &second);
  fake_quic_run(&world->quic);
  assert_int_equal(world->answerer.kept_count, 2);
  reply_ping(world->answerer.kept[1]);
  fake_quic_run(&world->quic);
  assert_false(first.done);
  assert_true(second.done);
  reply_ping(world->answerer.kept[0]);
  world->answerer.kept_count = 0;
  fake_quic_run(&world->quic);
  assert_true(first.done);
}

static void a_refusal_brings_the_peers_code_and_plain_text(void **state) {
  struct world *world = *state;
  world->answerer.conduct = REFUSE;
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.code, ERROR_NOT_FOUND);
  assert_int_equal(outcome.error.code, ERROR_NOT_FOUND);
  assert_int_equal(outcome.body_case, CYPHONIC__MESSAGE__BODY_ERROR);
  assert_int_equal(outcome.refusal, CYPHONIC__ERROR__CODE__NAME_UNKNOWN);
  assert_non_null(strstr(outcome.error.message, "no device is named printer"));
  assert_null(strchr(outcome.error.message, '\n'));
  assert_null(strchr(outcome.error.message, '\x1b'));
}

static void a_side_without_a_handler_refuses(void **state) {
  struct world *world = *state;
  control_free(world->answerer.control);
  world->answerer.control = control_new(world->quic.b, NULL, NULL);
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.code, ERROR_PROTOCOL);
  assert_int_equal(outcome.refusal, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
}

static void an_unknown_message_is_refused_without_the_handler(void **state) {
  struct world *world = *state;
  control_message message = CYPHONIC__MESSAGE__INIT;
  struct outcome outcome = {0};
  assert_int_equal(
      control_request(world->asker.control, &message, PATIENCE, on_reply, &outcome, NULL), 0);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.refusal, CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE);
  assert_int_equal(world->answerer.requests, 0);
}

static void an_unknown_reply_is_a_breach_of_protocol(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  control_message message = CYPHONIC__MESSAGE__INIT;
  control_reply(world->answerer.kept[0], &message);
  world->answerer.kept_count = 0;
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.code, ERROR_PROTOCOL);
  assert_int_equal(outcome.body_case, CYPHONIC__MESSAGE__BODY__NOT_SET);
}

/* --- time --- */

static void a_request_without_a_reply_times_out(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome patient = {0}, hasty = {0};
  ask(world, PATIENCE, &patient);
  ask(world, SOON, &hasty);
  fake_quic_run_until(&world->quic, &hasty.done);
  assert_int_equal(hasty.code, ERROR_TIMEOUT);
  assert_int_equal(hasty.calls, 1);
  assert_false(patient.done);
  assert_int_equal(fake_quic_streams(world->quic.a), 1);
  /* The reply that comes too late finds no stream, and harms nobody. */
  reply_ping(world->answerer.kept[1]);
  reply_ping(world->answerer.kept[0]);
  world->answerer.kept_count = 0;
  fake_quic_run(&world->quic);
  assert_int_equal(hasty.calls, 1);
  assert_int_equal(patient.code, 0);
}

static void deadlines_pass_in_their_order(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome late = {0}, early = {0};
  ask(world, 10 * SOON, &late);
  ask(world, SOON, &early);
  fake_quic_run_until(&world->quic, &early.done);
  assert_false(late.done);
  fake_quic_run_until(&world->quic, &late.done);
  assert_int_equal(late.code, ERROR_TIMEOUT);
}

static void a_timeout_may_ask_again(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome outcome = {.asks_again = 3};
  ask(world, 0, &outcome);
  while (outcome.calls < 4) {
    outcome.done = false;
    fake_quic_run_until(&world->quic, &outcome.done);
  }
  assert_int_equal(outcome.code, ERROR_TIMEOUT);
}

static void a_timeout_may_free_the_control(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome first = {.frees_control = true}, second = {0}, third = {0};
  ask(world, PATIENCE, &second);
  ask(world, SOON, &first);
  ask(world, SOON, &third);
  fake_quic_run_until(&world->quic, &first.done);
  world->asker.control = NULL;
  assert_int_equal(second.code, ERROR_CLOSED);
  assert_int_equal(first.calls + second.calls + third.calls, 3);
}

/* --- ends --- */

static void a_reply_callback_may_free_the_control(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome answered = {.frees_control = true}, other = {0};
  ask(world, PATIENCE, &answered);
  ask(world, PATIENCE, &other);
  fake_quic_run(&world->quic);
  reply_ping(world->answerer.kept[0]);
  fake_quic_run(&world->quic);
  world->asker.control = NULL;
  assert_int_equal(answered.code, 0);
  assert_int_equal(other.code, ERROR_CLOSED);
  assert_int_equal(other.calls, 1);
  reply_ping(world->answerer.kept[1]);
  world->answerer.kept_count = 0;
}

static void a_closing_callback_may_free_the_control_again_and_not_ask(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome outcome = {.frees_control = true, .asks_again = 1};
  ask(world, PATIENCE, &outcome);
  control_free(world->asker.control);
  world->asker.control = NULL;
  assert_int_equal(outcome.calls, 1);
  assert_int_equal(outcome.code, ERROR_CLOSED);
}

static void a_handler_may_free_the_control_and_answer_later(void **state) {
  struct world *world = *state;
  world->answerer.conduct = FREE_CONTROL;
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run_until(&world->quic, &outcome.done);
  assert_int_equal(outcome.code, ERROR_CLOSED);
  reply_ping(world->answerer.kept[0]);
  world->answerer.kept_count = 0;
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.calls, 1);
}

static void streams_of_the_peer_are_ignored_after_control_free(void **state) {
  struct world *world = *state;
  control_free(world->answerer.control);
  world->answerer.control = NULL;
  struct outcome outcome = {0};
  ask(world, SOON, &outcome);
  fake_quic_run_until(&world->quic, &outcome.done);
  assert_int_equal(outcome.code, ERROR_TIMEOUT);
  assert_int_equal(world->answerer.requests, 0);
}

static void asker_closed(struct quic_connection *connection UNUSED,
                         const struct quic_close *close UNUSED, void *context) {
  struct side *side = context;
  control_free(side->control);
  side->control = NULL;
}

static void the_end_of_the_connection_ends_requests_in_closed(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  static const struct quic_handler connection_handler = {.closed = asker_closed};
  quic_connection_set_handler(world->quic.a, &connection_handler, &world->asker);
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  fake_quic_disconnect(&world->quic);
  assert_null(world->asker.control);
  assert_int_equal(outcome.calls, 1);
  assert_int_equal(outcome.code, ERROR_CLOSED);
  /* The peer's handler answers an exchange whose connection is gone. */
  reply_ping(world->answerer.kept[0]);
  world->answerer.kept_count = 0;
}

static void a_request_on_a_closed_connection_fails(void **state) {
  struct world *world = *state;
  fake_quic_disconnect(&world->quic);
  control_message message = ping_request();
  struct error error = {0};
  struct outcome outcome = {0};
  assert_int_equal(
      control_request(world->asker.control, &message, PATIENCE, on_reply, &outcome, &error),
      ERROR_CLOSED);
  assert_int_equal(error.code, ERROR_CLOSED);
  assert_int_equal(outcome.calls, 0);
}

static void every_code_of_a_peer_has_an_error_of_ours(void **state UNUSED) {
  for (int code = -1; code < 40; code++) {
    assert_true(control_error_code((Cyphonic__Error__Code)code) < 0);
  }
  assert_int_equal(control_error_code(CYPHONIC__ERROR__CODE__DEVICE_REVOKED), ERROR_PERMISSION);
  assert_int_equal(control_error_code(CYPHONIC__ERROR__CODE__INVITATION_EXPIRED), ERROR_EXPIRED);
  assert_int_equal(control_error_code(CYPHONIC__ERROR__CODE__NAME_TAKEN), ERROR_EXISTS);
  assert_int_equal(control_error_code(CYPHONIC__ERROR__CODE__UNAVAILABLE), ERROR_AGAIN);
  assert_int_equal(control_error_code((Cyphonic__Error__Code)39), ERROR_PROTOCOL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_request_gets_its_reply, setup, teardown),
      cmocka_unit_test_setup_teardown(both_sides_may_ask, setup, teardown),
      cmocka_unit_test_setup_teardown(messages_may_arrive_byte_by_byte, setup, teardown),
      cmocka_unit_test_setup_teardown(a_reply_may_come_later_and_in_another_order, setup, teardown),
      cmocka_unit_test_setup_teardown(a_refusal_brings_the_peers_code_and_plain_text, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_side_without_a_handler_refuses, setup, teardown),
      cmocka_unit_test_setup_teardown(an_unknown_message_is_refused_without_the_handler, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(an_unknown_reply_is_a_breach_of_protocol, setup, teardown),
      cmocka_unit_test_setup_teardown(a_request_without_a_reply_times_out, setup, teardown),
      cmocka_unit_test_setup_teardown(deadlines_pass_in_their_order, setup, teardown),
      cmocka_unit_test_setup_teardown(a_timeout_may_ask_again, setup, teardown),
      cmocka_unit_test_setup_teardown(a_timeout_may_free_the_control, setup, teardown),
      cmocka_unit_test_setup_teardown(a_reply_callback_may_free_the_control, setup, teardown),
      cmocka_unit_test_setup_teardown(a_closing_callback_may_free_the_control_again_and_not_ask,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(a_handler_may_free_the_control_and_answer_later, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(streams_of_the_peer_are_ignored_after_control_free, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(the_end_of_the_connection_ends_requests_in_closed, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_request_on_a_closed_connection_fails, setup, teardown),
      cmocka_unit_test_setup_teardown(every_code_of_a_peer_has_an_error_of_ours, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

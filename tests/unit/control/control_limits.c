/* The bounds of control.h, and peers that break the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void more_than_64_requests_of_ours_are_a_limit(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  struct outcome outcomes[CONTROL_EXCHANGES_MAX] = {0};
  for (size_t i = 0; i < CONTROL_EXCHANGES_MAX; i++) {
    ask(world, PATIENCE, &outcomes[i]);
  }
  control_message message = ping_request();
  struct error error = {0};
  assert_int_equal(
      control_request(world->asker.control, &message, PATIENCE, on_reply, NULL, &error),
      ERROR_LIMIT);
  fake_quic_run(&world->quic);
  for (size_t i = 0; i < CONTROL_EXCHANGES_MAX; i++) {
    reply_ping(world->answerer.kept[i]);
  }
  world->answerer.kept_count = 0;
  fake_quic_run(&world->quic);
  for (size_t i = 0; i < CONTROL_EXCHANGES_MAX; i++) {
    assert_int_equal(outcomes[i].calls, 1);
  }
  struct outcome after = {0};
  world->answerer.conduct = REPLY_AT_ONCE;
  ask(world, PATIENCE, &after);
  fake_quic_run(&world->quic);
  assert_int_equal(after.code, 0);
}

/* Bytes on a stream that this test, not a control, opened at the asker's end. */
static struct quic_stream *raw_request(struct world *world, const void *data, size_t size,
                                       bool fin) {
  struct quic_stream *stream;
  assert_int_equal(quic_stream_open(world->quic.a, &stream), 0);
  assert_int_equal(quic_stream_send(stream, (struct span){.data = data, .size = size}, fin), 0);
  return stream;
}

static const uint8_t ping_frame[] = {0, 0, 0, 3, 0x92, 0x01, 0};

static void more_than_64_requests_of_the_peer_are_refused(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  for (size_t i = 0; i < CONTROL_EXCHANGES_MAX; i++) {
    raw_request(world, ping_frame, sizeof(ping_frame), true);
  }
  fake_quic_run(&world->quic);
  assert_int_equal(world->answerer.kept_count, CONTROL_EXCHANGES_MAX);
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.code, ERROR_AGAIN);
  assert_int_equal(outcome.refusal, CYPHONIC__ERROR__CODE__UNAVAILABLE);
  assert_int_equal(world->answerer.requests, CONTROL_EXCHANGES_MAX);
}

static void a_request_that_the_peer_broke_off_counts_until_it_is_answered(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  for (size_t i = 0; i < CONTROL_EXCHANGES_MAX; i++) {
    struct quic_stream *stream = raw_request(world, ping_frame, sizeof(ping_frame), true);
    fake_quic_run(&world->quic);
    quic_stream_reset(stream, 0);
  }
  fake_quic_run(&world->quic);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.code, ERROR_AGAIN);
}

static void the_peers_stream_limit_is_a_limit(void **state) {
  struct world *world = *state;
  fake_quic_limit_streams(world->quic.a, 0);
  control_message message = ping_request();
  assert_int_equal(control_request(world->asker.control, &message, PATIENCE, on_reply, NULL, NULL),
                   ERROR_LIMIT);
}

static void a_message_beyond_the_bound_is_not_sent(void **state) {
  struct world *world = *state;
  static char text[CONTROL_MESSAGE_MAX + 1];
  memset(text, 'x', sizeof(text) - 1);
  Cyphonic__Error body = CYPHONIC__ERROR__INIT;
  body.message = text;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_ERROR;
  message.error = &body;
  assert_int_equal(control_request(world->asker.control, &message, PATIENCE, on_reply, NULL, NULL),
                   ERROR_LIMIT);
  assert_int_equal(fake_quic_streams(world->quic.a), 0);

  world->answerer.conduct = KEEP;
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  control_reply(world->answerer.kept[0], &message);
  world->answerer.kept_count = 0;
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.refusal, CYPHONIC__ERROR__CODE__UNAVAILABLE);
}

/* --- requests that wait for their turn --- */

enum { CROWD = CONTROL_EXCHANGES_MAX + 10 };

/* As many as may be at once, of which none is answered, and ten that wait. */
static void crowd(struct world *world, struct outcome outcomes[CROWD]) {
  world->answerer.conduct = KEEP;
  for (size_t i = 0; i < CROWD; i++) {
    ask_in_turn(world, PATIENCE, &outcomes[i]);
  }
  fake_quic_run(&world->quic);
  assert_int_equal(world->answerer.requests, CONTROL_EXCHANGES_MAX);
}

static void answer_first(struct world *world, size_t count) {
  for (size_t i = 0; i < count; i++) {
    reply_ping(world->answerer.kept[i]);
  }
  world->answerer.kept_count -= count;
  memmove(world->answerer.kept, world->answerer.kept + count,
          world->answerer.kept_count * sizeof(world->answerer.kept[0]));
  fake_quic_run(&world->quic);
}

static void who_waits_is_sent_in_turn_as_others_are_answered(void **state) {
  struct world *world = *state;
  struct outcome outcomes[CROWD] = {0};
  crowd(world, outcomes);
  answer_first(world, 3);
  assert_int_equal(world->answerer.requests, CONTROL_EXCHANGES_MAX + 3);
  answer_first(world, CONTROL_EXCHANGES_MAX);
  assert_int_equal(world->answerer.requests, CROWD);
  answer_first(world, CROWD - CONTROL_EXCHANGES_MAX - 3);
  for (size_t i = 0; i < CROWD; i++) {
    assert_int_equal(outcomes[i].calls, 1);
    assert_int_equal(outcomes[i].code, 0);
    assert_int_equal(outcomes[i].order, i + 1);
  }
}

static void the_end_of_the_control_tells_who_waits(void **state) {
  struct world *world = *state;
  struct outcome outcomes[CROWD] = {0};
  crowd(world, outcomes);
  control_free(world->asker.control);
  world->asker.control = NULL;
  for (size_t i = 0; i < CROWD; i++) {
    assert_int_equal(outcomes[i].calls, 1);
    assert_int_equal(outcomes[i].code, ERROR_CLOSED);
  }
}

static void who_waits_too_long_is_told(void **state) {
  struct world *world = *state;
  struct outcome outcomes[CROWD] = {0}, late = {0};
  crowd(world, outcomes);
  ask_in_turn(world, SOON, &late);
  fake_quic_run_until(&world->quic, &late.done);
  assert_int_equal(late.code, ERROR_TIMEOUT);
  assert_non_null(strstr(late.error.message, "never its turn"));
  answer_first(world, CONTROL_EXCHANGES_MAX);
  assert_int_equal(world->answerer.requests, CROWD);
  answer_first(world, CROWD - CONTROL_EXCHANGES_MAX);
}

static void more_than_1024_that_wait_are_a_limit(void **state) {
  struct world *world = *state;
  static struct outcome outcomes[CONTROL_EXCHANGES_MAX + CONTROL_WAITING_MAX];
  for (size_t i = 0; i < CONTROL_EXCHANGES_MAX + CONTROL_WAITING_MAX; i++) {
    ask_in_turn(world, PATIENCE, &outcomes[i]);
  }
  control_message message = ping_request();
  struct error error = {0};
  assert_int_equal(
      control_request_in_turn(world->asker.control, &message, PATIENCE, on_reply, NULL, &error),
      ERROR_LIMIT);
  assert_non_null(strstr(error.message, "1024 requests wait"));
  fake_quic_run(&world->quic);
  assert_int_equal(outcomes[CONTROL_EXCHANGES_MAX + CONTROL_WAITING_MAX - 1].code, 0);
  assert_int_equal(world->answerer.requests, CONTROL_EXCHANGES_MAX + CONTROL_WAITING_MAX);
}

static void who_waits_is_sent_when_the_peer_allows_more_streams(void **state) {
  struct world *world = *state;
  struct outcome first = {0}, second = {0};
  fake_quic_limit_streams(world->quic.a, 0);
  ask_in_turn(world, PATIENCE, &first);
  ask_in_turn(world, PATIENCE, &second);
  fake_quic_run(&world->quic);
  assert_int_equal(world->answerer.requests, 0);
  fake_quic_limit_streams(world->quic.a, 1);
  fake_quic_run(&world->quic);
  assert_int_equal(first.calls, 1);
  assert_int_equal(second.calls, 0); /* its stream was not closed yet when the answer came */
  fake_quic_limit_streams(world->quic.a, 1);
  fake_quic_run(&world->quic);
  assert_int_equal(second.calls, 1);
  assert_int_equal(second.code, 0);
}

/* --- a peer that breaks the rules --- */

/* What comes back on the asker's raw streams. */
static struct {
  size_t replies, resets;
  Cyphonic__Error__Code refusal;
} raw;

static void raw_received(struct quic_stream *stream UNUSED, struct span data, bool fin,
                         void *context UNUSED) {
  assert_true(fin);
  struct reader reader = reader_init(data.data, data.size);
  uint32_t size = reader_u32(&reader);
  assert_int_equal(size, reader.rest.size);
  control_message *message = cyphonic__message__unpack(NULL, reader.rest.size, reader.rest.data);
  assert_non_null(message);
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY_ERROR);
  raw.refusal = message->error->code;
  raw.replies++;
  cyphonic__message__free_unpacked(message, NULL);
}

static void raw_closed(struct quic_stream *stream UNUSED, bool reset, void *context UNUSED) {
  raw.resets += reset;
}

static void listen_raw(struct world *world) {
  static const struct quic_stream_handler raw_handler = {.received = raw_received,
                                                         .closed = raw_closed};
  memset(&raw, 0, sizeof(raw));
  quic_connection_set_stream_handler(world->quic.a, &raw_handler, NULL);
}

static void a_request_that_does_not_decode_is_malformed(void **state) {
  struct world *world = *state;
  listen_raw(world);
  static const uint8_t frame[] = {0, 0, 0, 2, 0x0a, 0x7f};
  raw_request(world, frame, sizeof(frame), true);
  fake_quic_run(&world->quic);
  assert_int_equal(raw.replies, 1);
  assert_int_equal(raw.refusal, CYPHONIC__ERROR__CODE__MALFORMED);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
}

static void bytes_behind_a_request_are_malformed(void **state) {
  struct world *world = *state;
  listen_raw(world);
  static const uint8_t frame[] = {0, 0, 0, 3, 0x92, 0x01, 0, 0};
  raw_request(world, frame, sizeof(frame), true);
  fake_quic_run(&world->quic);
  assert_int_equal(raw.replies, 1);
  assert_int_equal(raw.refusal, CYPHONIC__ERROR__CODE__MALFORMED);
  assert_int_equal(world->answerer.requests, 0);
}

static void bytes_that_follow_a_request_later_break_it_off(void **state) {
  struct world *world = *state;
  world->answerer.conduct = KEEP;
  listen_raw(world);
  struct quic_stream *stream = raw_request(world, ping_frame, sizeof(ping_frame), false);
  fake_quic_run(&world->quic);
  assert_int_equal(quic_stream_send(stream, (struct span){.data = ping_frame, .size = 1}, true), 0);
  fake_quic_run(&world->quic);
  assert_int_equal(raw.replies, 0);
  assert_int_equal(raw.resets, 1);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
}

static void an_oversized_request_resets_its_stream(void **state) {
  struct world *world = *state;
  listen_raw(world);
  static const uint8_t frame[] = {0xff, 0xff, 0xff, 0xff, 0};
  raw_request(world, frame, sizeof(frame), false);
  fake_quic_run(&world->quic);
  assert_int_equal(raw.replies, 0);
  assert_int_equal(raw.resets, 1);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
}

static void a_request_that_ends_early_is_malformed(void **state) {
  struct world *world = *state;
  listen_raw(world);
  raw_request(world, ping_frame, sizeof(ping_frame) - 1, true);
  fake_quic_run(&world->quic);
  assert_int_equal(raw.replies, 1);
  assert_int_equal(raw.refusal, CYPHONIC__ERROR__CODE__MALFORMED);
  assert_int_equal(world->answerer.requests, 0);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
}

static void a_stream_without_a_byte_is_no_request(void **state) {
  struct world *world = *state;
  raw_request(world, NULL, 0, true);
  fake_quic_run(&world->quic);
  assert_int_equal(world->answerer.requests, 0);
  assert_int_equal(fake_quic_streams(world->quic.a), 0);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
}

static void a_request_that_is_broken_off_half_way_is_forgotten(void **state) {
  struct world *world = *state;
  struct quic_stream *stream = raw_request(world, ping_frame, 2, false);
  fake_quic_run(&world->quic);
  quic_stream_reset(stream, 0);
  fake_quic_run(&world->quic);
  assert_int_equal(fake_quic_streams(world->quic.b), 0);
  assert_int_equal(world->answerer.requests, 0);
}

/* The answerer's raw side sends this as the reply to the next request. */
static struct span raw_reply;

static void raw_answer(struct quic_stream *stream, struct span data UNUSED, bool fin,
                       void *context UNUSED) {
  if (fin) {
    assert_int_equal(quic_stream_send(stream, raw_reply, true), 0);
  }
}

static struct outcome ask_raw(struct world *world, const void *reply, size_t size) {
  static const struct quic_stream_handler raw_handler = {.received = raw_answer};
  raw_reply = (struct span){.data = reply, .size = size};
  quic_connection_set_stream_handler(world->quic.b, &raw_handler, NULL);
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run(&world->quic);
  assert_int_equal(outcome.calls, 1);
  assert_int_equal(outcome.body_case, CYPHONIC__MESSAGE__BODY__NOT_SET);
  return outcome;
}

static void a_reply_that_does_not_decode_is_a_breach_of_protocol(void **state) {
  static const uint8_t reply[] = {0, 0, 0, 2, 0x0a, 0x7f};
  assert_int_equal(ask_raw(*state, reply, sizeof(reply)).code, ERROR_PROTOCOL);
}

static void an_oversized_reply_is_a_limit(void **state) {
  static const uint8_t reply[] = {1, 0, 0, 0};
  assert_int_equal(ask_raw(*state, reply, sizeof(reply)).code, ERROR_LIMIT);
}

static void a_stream_that_ends_without_a_reply_is_a_breach_of_protocol(void **state) {
  assert_int_equal(ask_raw(*state, NULL, 0).code, ERROR_PROTOCOL);
}

static void a_request_that_the_peer_breaks_off_is_closed(void **state) {
  struct world *world = *state;
  world->answerer.conduct = FREE_CONTROL;
  struct outcome outcome = {0};
  ask(world, PATIENCE, &outcome);
  fake_quic_run_until(&world->quic, &outcome.done);
  assert_int_equal(outcome.code, ERROR_CLOSED);
  assert_non_null(strstr(outcome.error.message, "broke the request off"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(more_than_64_requests_of_ours_are_a_limit, setup, teardown),
      cmocka_unit_test_setup_teardown(more_than_64_requests_of_the_peer_are_refused, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_request_that_the_peer_broke_off_counts_until_it_is_answered,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(the_peers_stream_limit_is_a_limit, setup, teardown),
      cmocka_unit_test_setup_teardown(a_message_beyond_the_bound_is_not_sent, setup, teardown),
      cmocka_unit_test_setup_teardown(who_waits_is_sent_in_turn_as_others_are_answered, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(the_end_of_the_control_tells_who_waits, setup, teardown),
      cmocka_unit_test_setup_teardown(who_waits_too_long_is_told, setup, teardown),
      cmocka_unit_test_setup_teardown(more_than_1024_that_wait_are_a_limit, setup, teardown),
      cmocka_unit_test_setup_teardown(who_waits_is_sent_when_the_peer_allows_more_streams, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_request_that_does_not_decode_is_malformed, setup, teardown),
      cmocka_unit_test_setup_teardown(bytes_behind_a_request_are_malformed, setup, teardown),
      cmocka_unit_test_setup_teardown(bytes_that_follow_a_request_later_break_it_off, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(an_oversized_request_resets_its_stream, setup, teardown),
      cmocka_unit_test_setup_teardown(a_request_that_ends_early_is_malformed, setup, teardown),
      cmocka_unit_test_setup_teardown(a_stream_without_a_byte_is_no_request, setup, teardown),
      cmocka_unit_test_setup_teardown(a_request_that_is_broken_off_half_way_is_forgotten, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_reply_that_does_not_decode_is_a_breach_of_protocol, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(an_oversized_reply_is_a_limit, setup, teardown),
      cmocka_unit_test_setup_teardown(a_stream_that_ends_without_a_reply_is_a_breach_of_protocol,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(a_request_that_the_peer_breaks_off_is_closed, setup,
                                      teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

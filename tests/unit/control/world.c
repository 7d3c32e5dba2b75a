#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

control_message ping_request(void) {
  static Cyphonic__PingRequest body = CYPHONIC__PING_REQUEST__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_PING_REQUEST;
  message.ping_request = &body;
  return message;
}

void reply_ping(struct control_exchange *exchange) {
  Cyphonic__PingResponse body = CYPHONIC__PING_RESPONSE__INIT;
  control_message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_PING_RESPONSE;
  message.ping_response = &body;
  control_reply(exchange, &message);
}

static void on_request(struct control *control, struct control_exchange *exchange,
                       const control_message *message, void *context) {
  struct side *side = context;
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY_PING_REQUEST);
  side->requests++;
  switch (side->conduct) {
  case REPLY_AT_ONCE:
    reply_ping(exchange);
    return;
  case REFUSE:
    control_refuse(exchange, CYPHONIC__ERROR__CODE__NAME_UNKNOWN, "no device is named %s\n\x1b[2J",
                   "printer");
    return;
  case FREE_CONTROL:
    control_free(control);
    side->control = NULL;
    break;
  case KEEP:
    break;
  }
  side->kept[side->kept_count++] = exchange;
}

static const struct control_handler handler = {.request = on_request};

static size_t ended;

void on_reply(struct control *control, int code, const control_message *reply,
              const struct error *error, void *context) {
  struct outcome *outcome = context;
  outcome->calls++;
  outcome->order = ++ended;
  outcome->done = true;
  outcome->code = code;
  outcome->error = *error;
  outcome->body_case = reply == NULL ? CYPHONIC__MESSAGE__BODY__NOT_SET : reply->body_case;
  if (outcome->body_case == CYPHONIC__MESSAGE__BODY_ERROR) {
    outcome->refusal = reply->error->code;
  }
  if (outcome->frees_control) {
    control_free(control);
  }
  if (outcome->asks_again > 0) {
    outcome->asks_again--;
    control_message message = ping_request();
    outcome->code = control_request(control, &message, 0, on_reply, outcome, &outcome->error);
  }
}

void ask(struct world *world, uint64_t timeout, struct outcome *outcome) {
  control_message message = ping_request();
  assert_int_equal(
      control_request(world->asker.control, &message, timeout, on_reply, outcome, NULL), 0);
  assert_int_equal(outcome->calls, 0);
}

void ask_in_turn(struct world *world, uint64_t timeout, struct outcome *outcome) {
  control_message message = ping_request();
  struct error error = {0};
  assert_int_equal(
      control_request_in_turn(world->asker.control, &message, timeout, on_reply, outcome, &error),
      0);
  assert_int_equal(error.code, ERROR_NONE);
  assert_int_equal(outcome->calls, 0);
}

int setup(void **state) {
  ended = 0;
  struct world *world = calloc(1, sizeof(*world));
  fake_quic_init(&world->quic);
  world->asker.control = control_new(world->quic.a, &handler, &world->asker);
  world->answerer.control = control_new(world->quic.b, &handler, &world->answerer);
  assert_non_null(world->asker.control);
  assert_non_null(world->answerer.control);
  *state = world;
  return 0;
}

int teardown(void **state) {
  struct world *world = *state;
  fake_quic_run(&world->quic);
  control_free(world->asker.control);
  control_free(world->answerer.control);
  for (size_t i = 0; i < world->answerer.kept_count; i++) {
    reply_ping(world->answerer.kept[i]); /* after its control: nothing happens */
  }
  fake_quic_clear(&world->quic);
  free(world);
  return 0;
}

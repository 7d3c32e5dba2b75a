#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/peer_state.h"

static void every_event_in_every_state_leads_to_a_state_with_a_name(void **state) {
  (void)state;
  for (int from = 0; from < PEER_STATE_COUNT; from++)
    for (int event = 0; event < PEER_EVENT_COUNT; event++) {
      enum peer_state to = peer_state_next((enum peer_state)from, (enum peer_event)event);
      assert_in_range(to, 0, PEER_STATE_COUNT - 1);
      assert_string_not_equal(peer_state_name(to), "unknown");
    }
}

struct step {
  enum peer_event event;
  enum peer_state then;
};

static void walk(const struct step *steps, size_t count) {
  enum peer_state at = PEER_IDLE;
  for (size_t i = 0; i < count; i++) {
    at = peer_state_next(at, steps[i].event);
    assert_string_equal(peer_state_name(at), peer_state_name(steps[i].then));
  }
}

static void the_initiator_asks_is_directed_connects_and_idles_again(void **state) {
  (void)state;
  const struct step steps[] = {{PEER_WANTED, PEER_DIRECTING},    {PEER_WANTED, PEER_DIRECTING},
                               {PEER_DIRECTED, PEER_CONNECTING}, {PEER_WANTED, PEER_CONNECTING},
                               {PEER_ESTABLISHED, PEER_UP},      {PEER_WANTED, PEER_UP},
                               {PEER_ENDED, PEER_IDLE}};
  walk(steps, sizeof steps / sizeof *steps);
}

static void the_responder_needs_no_asking(void **state) {
  (void)state;
  const struct step steps[] = {{PEER_DIRECTED, PEER_CONNECTING}, {PEER_ESTABLISHED, PEER_UP}};
  walk(steps, sizeof steps / sizeof *steps);
}

static void a_refusal_fails_and_is_forgotten_or_asked_again(void **state) {
  (void)state;
  const struct step forgotten[] = {
      {PEER_WANTED, PEER_DIRECTING}, {PEER_BROKEN, PEER_FAILED}, {PEER_FORGOTTEN, PEER_IDLE}};
  walk(forgotten, sizeof forgotten / sizeof *forgotten);
  const struct step again[] = {
      {PEER_WANTED, PEER_DIRECTING}, {PEER_BROKEN, PEER_FAILED}, {PEER_WANTED, PEER_DIRECTING}};
  walk(again, sizeof again / sizeof *again);
}

static void a_later_direction_leaves_a_tunnel_that_stands_alone(void **state) {
  (void)state;
  const struct step steps[] = {{PEER_DIRECTED, PEER_CONNECTING},
                               {PEER_ESTABLISHED, PEER_UP},
                               {PEER_DIRECTED, PEER_UP},
                               {PEER_ESTABLISHED, PEER_UP}};
  walk(steps, sizeof steps / sizeof *steps);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_event_in_every_state_leads_to_a_state_with_a_name),
      cmocka_unit_test(the_initiator_asks_is_directed_connects_and_idles_again),
      cmocka_unit_test(the_responder_needs_no_asking),
      cmocka_unit_test(a_refusal_fails_and_is_forgotten_or_asked_again),
      cmocka_unit_test(a_later_direction_leaves_a_tunnel_that_stands_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
